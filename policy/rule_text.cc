#include "policy/rule_text.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "policy/cidr.h"
#include "policy/labels.h"

namespace trivium::policy {
namespace {

std::string EntityText(v1::Entity entity) {
  std::string name(absl::StripPrefix(v1::Entity_Name(entity), "ENTITY_"));
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return absl::StrCat("entity ", name);
}

}  // namespace

std::string ProtocolName(v1::Protocol protocol) {
  switch (protocol) {
    case v1::PROTOCOL_ANY:
      return "ANY";
    case v1::PROTOCOL_ICMPV6:
      return "ICMPv6";
    default:
      return std::string(absl::StripPrefix(v1::Protocol_Name(protocol), "PROTOCOL_"));
  }
}

bool IsIcmp(v1::Protocol protocol) {
  return protocol == v1::PROTOCOL_ICMP || protocol == v1::PROTOCOL_ICMPV6;
}

std::string KeyText(absl::string_view key) {
  if (key == kNamespaceLabel) return "namespace";
  if (key == kClusterLabel) return "cluster";
  if (key == kServiceAccountLabel) return "service account";
  if (absl::ConsumePrefix(&key, kNamespaceLabelsPrefix)) return absl::StrCat("namespace label ", key);
  if (!absl::ConsumePrefix(&key, "any:")) absl::ConsumePrefix(&key, "k8s:");
  return std::string(key);
}

std::string RequirementText(const v1::Requirement& requirement) {
  const std::string key = KeyText(requirement.key());
  switch (requirement.operator_()) {
    case v1::Requirement::IN:
      if (requirement.values_size() == 1) return absl::StrCat(key, "=", requirement.values(0));
      return absl::StrCat(key, " in (", absl::StrJoin(requirement.values(), ","), ")");
    case v1::Requirement::NOT_IN:
      return absl::StrCat(key, " notin (", absl::StrJoin(requirement.values(), ","), ")");
    case v1::Requirement::EXISTS:
      return key;
    case v1::Requirement::DOES_NOT_EXIST:
      return absl::StrCat("!", key);
    default:
      return absl::StrCat(key, " (an operator of a later version)");
  }
}

std::string SelectorText(const v1::Selector& selector) {
  if (selector.requirements().empty()) return "everything";
  return absl::StrJoin(selector.requirements(), ", ", [](std::string* out, const v1::Requirement& each) {
    absl::StrAppend(out, RequirementText(each));
  });
}

std::string PeerText(const v1::Peer& peer) {
  switch (peer.peer_case()) {
    case v1::Peer::kLabels:
      return SelectorText(peer.labels());
    case v1::Peer::kEntity:
      return EntityText(peer.entity());
    case v1::Peer::kCidr: {
      const v1::CidrPeer& cidr = peer.cidr();
      std::string text = cidr.has_cidr() ? CidrText(cidr.cidr())
                         : cidr.group().empty()
                             ? absl::StrCat("CIDR groups with ", SelectorText(cidr.group_selector()))
                             : absl::StrCat("CIDR group ", cidr.group());
      for (const v1::Cidr& except : cidr.except()) absl::StrAppend(&text, " except ", CidrText(except));
      return text;
    }
    default:
      return "nobody";
  }
}

std::string RangeText(const v1::PortRange& range) {
  const std::string protocol = ProtocolName(range.protocol());
  if (IsIcmp(range.protocol())) {
    return range.has_icmp_type() ? absl::StrCat(protocol, " type ", range.first()) : protocol;
  }
  if (!range.name().empty()) return absl::StrCat(range.name(), "/", protocol);
  if (range.first() == 0) return absl::StrCat("every port of ", protocol);
  return absl::StrCat(protocol, "/", range.first(),
                      range.last() == range.first() ? "" : absl::StrCat("-", range.last()));
}

}  // namespace trivium::policy
