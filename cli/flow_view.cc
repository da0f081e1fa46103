#include "cli/flow_view.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

bool IsIcmp(const v1::FlowEvent& event) {
  return event.protocol() == v1::PROTOCOL_ICMP || event.protocol() == v1::PROTOCOL_ICMPV6;
}

// `name` is "cluster/namespace/name", a reserved name, or empty.
bool EndIs(const std::string& wanted, const std::string& name, const std::string& ip) {
  if (wanted.empty() || wanted == name || wanted == IpText(ip)) return true;
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 3) return false;
  if (absl::EndsWith(wanted, "/")) return parts[1] == wanted.substr(0, wanted.size() - 1);
  return wanted == absl::StrCat(parts[1], "/", parts[2]);
}

bool IsIn(const std::string& ns, const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() == 3 && parts[1] == ns;
}

std::string EndText(const std::string& name, uint32_t identity, const std::string& ip, uint32_t port) {
  const std::string address = port != 0 && ip.size() == 16 ? absl::StrCat("[", IpText(ip), "]") : IpText(ip);
  return absl::StrCat(name.empty() ? "?" : name, " (", identity, ") ", address,
                      port == 0 ? "" : absl::StrCat(":", port));
}

}  // namespace

bool FlowFilter::Admits(const v1::FlowEvent& event) const {
  if (!EndIs(from, event.source(), event.source_ip())) return false;
  if (!EndIs(to, event.destination(), event.destination_ip())) return false;
  if (!ns.empty() && !IsIn(ns, event.source()) && !IsIn(ns, event.destination())) return false;
  if (!verdict.empty() && !absl::EqualsIgnoreCase(verdict, v1::FlowEvent::Verdict_Name(event.verdict()))) {
    return false;
  }
  if (!protocol.empty() && !absl::EqualsIgnoreCase(protocol, ProtocolText(event.protocol()))) return false;
  return port == 0 || event.destination_port() == port || event.source_port() == port;
}

std::string FlowLine(const v1::FlowEvent& event, absl::string_view node, const Style& style) {
  const std::string verdict = v1::FlowEvent::Verdict_Name(event.verdict());
  const bool dropped = event.verdict() == v1::FlowEvent::DROPPED;
  std::string out = absl::StrCat(
      absl::FormatTime("%H:%M:%E3S", absl::FromUnixMicros(event.time_us()), absl::UTCTimeZone()), " ", node,
      " ", dropped ? style.Bad(verdict) : style.Warn(verdict),
      event.direction() == v1::Rule::INGRESS ? " ingress " : " egress ",
      EndText(event.source(), event.source_identity(), event.source_ip(), event.source_port()), " -> ",
      EndText(event.destination(), event.destination_identity(), event.destination_ip(),
              IsIcmp(event) ? 0 : event.destination_port()),
      " ", ProtocolText(event.protocol()));
  if (IsIcmp(event)) absl::StrAppend(&out, " type ", event.destination_port());
  if (event.count() > 1) absl::StrAppend(&out, " x", event.count());
  absl::StrAppend(&out, ": ", event.reason_name());
  std::vector<std::string> notes;
  if (!event.policy().empty()) notes.push_back(event.policy());
  if (event.revision() != 0) notes.push_back(absl::StrCat("revision ", event.revision()));
  if (!notes.empty()) absl::StrAppend(&out, " (", absl::StrJoin(notes, ", "), ")");
  return out;
}

Json FlowJson(const v1::FlowEvent& event, absl::string_view cluster, absl::string_view node) {
  Json out = {{"cluster", std::string(cluster)}, {"node", std::string(node)}};
  out.update(MessageJson(event));
  return out;
}

}  // namespace trivium::cli
