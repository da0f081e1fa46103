#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "policy/cilium_rule.h"

namespace trivium::policy {
namespace {

constexpr size_t kMaxPorts = 40;  // in one element of toPorts, and types in one of icmps: the field's limits
constexpr uint32_t kMaxPort = 65535;
constexpr uint32_t kMaxIcmpType = 255;

struct IcmpName {
  const char* name;
  uint32_t type;
};
// The field's names (IANA's, in CamelCase).
constexpr IcmpName kIcmp4[] = {
    {"EchoReply", 0},
    {"DestinationUnreachable", 3},
    {"Redirect", 5},
    {"Echo", 8},
    {"EchoRequest", 8},
    {"RouterAdvertisement", 9},
    {"RouterSelection", 10},
    {"TimeExceeded", 11},
    {"ParameterProblem", 12},
    {"Timestamp", 13},
    {"TimestampReply", 14},
    {"Photuris", 40},
    {"ExtendedEchoRequest", 42},
    {"ExtendedEchoReply", 43},
};
constexpr IcmpName kIcmp6[] = {
    {"DestinationUnreachable", 1},
    {"PacketTooBig", 2},
    {"TimeExceeded", 3},
    {"ParameterProblem", 4},
    {"EchoRequest", 128},
    {"EchoReply", 129},
    {"MulticastListenerQuery", 130},
    {"MulticastListenerReport", 131},
    {"MulticastListenerDone", 132},
    {"RouterSolicitation", 133},
    {"RouterAdvertisement", 134},
    {"NeighborSolicitation", 135},
    {"NeighborAdvertisement", 136},
    {"RedirectMessage", 137},
    {"RouterRenumbering", 138},
    {"ICMPNodeInformationQuery", 139},
    {"ICMPNodeInformationResponse", 140},
    {"InverseNeighborDiscoverySolicitation", 141},
    {"InverseNeighborDiscoveryAdvertisement", 142},
    {"HomeAgentAddressDiscoveryRequest", 144},
    {"HomeAgentAddressDiscoveryReply", 145},
    {"MobilePrefixSolicitation", 146},
    {"MobilePrefixAdvertisement", 147},
    {"DuplicateAddressRequestCodeSuffix", 157},
    {"DuplicateAddressConfirmationCodeSuffix", 158},
    {"ExtendedEchoRequest", 160},
    {"ExtendedEchoReply", 161},
};

// Decimal, without leading zeros.
std::optional<uint32_t> Decimal(const std::string& text, uint32_t most) {
  uint32_t number = 0;
  if (text.empty() || !absl::c_all_of(text, absl::ascii_isdigit) ||
      (text.size() > 1 && text.front() == '0') || !absl::SimpleAtoi(text, &number) || number > most) {
    return std::nullopt;
  }
  return number;
}

std::optional<v1::Protocol> ReadProtocol(const YamlValue& value) {
  if (value.absent()) return v1::PROTOCOL_ANY;
  const std::optional<std::string> name = value.String();
  if (!name.has_value()) return std::nullopt;
  if (name->empty() || *name == "ANY") return v1::PROTOCOL_ANY;
  if (*name == "TCP") return v1::PROTOCOL_TCP;
  if (*name == "UDP") return v1::PROTOCOL_UDP;
  if (*name == "SCTP") return v1::PROTOCOL_SCTP;
  if (*name == "ICMP" || *name == "ICMPv6" || *name == "ICMPV6") {
    value.Fail(absl::StrCat(*name, " has no ports; name its types in icmps"));
  } else if (*name == "VRRP" || *name == "IGMP") {
    value.Fail(
        absl::StrCat("the protocol ", *name, " is not enforced yet; protocols are TCP, UDP, SCTP and ANY"));
  } else {
    value.Fail(absl::StrCat("\"", *name, "\" is no protocol; protocols are TCP, UDP, SCTP and ANY"));
  }
  return std::nullopt;
}

void ReadPort(const YamlValue& value, v1::PortRange* range) {
  if (value.absent()) value.Fail("is empty; write {port: \"80\", protocol: TCP}");
  const YamlFields fields = value.Fields({"port", "endPort", "protocol"});
  range->set_protocol(ReadProtocol(fields["protocol"]).value_or(v1::PROTOCOL_ANY));

  const YamlValue end = fields["endPort"];
  const std::optional<int64_t> last = end.Integer();
  if (last.has_value() && (*last < 0 || *last > kMaxPort)) {
    end.Fail(absl::StrCat(*last, " is no port; ports are 0 to ", kMaxPort));
  }
  const YamlValue port = fields["port"];
  if (port.absent() && !value.absent()) {
    port.Fail("is missing; a port is a number in quotes, a name, or \"0\" for every port");
  }
  const std::optional<std::string> text = port.String();
  if (!text.has_value()) return;
  if (const std::optional<uint32_t> first = Decimal(*text, kMaxPort); first.has_value()) {
    // An end below the port is taken as none, as the field does. Port 0 alone is every port; with an end it
    // is where a range begins, and no packet has it.
    const bool range_of_ports = last.has_value() && *last > *first;
    range->set_first(range_of_ports && *first == 0 ? 1 : *first);
    range->set_last(range_of_ports ? static_cast<uint32_t>(*last) : *first);
  } else if (IsPortName(*text)) {
    range->set_name(absl::AsciiStrToLower(*text));  // names compare without case
    if (last.value_or(0) != 0) end.Fail("an endPort needs a numeric port beside it, not a name");
  } else {
    port.Fail(absl::StrCat(
        "\"", *text,
        "\" is neither a port number (\"0\" to \"65535\", without leading zeros) nor a name (1 to "
        "15 letters, digits and single '-', with at least one letter)"));
  }
}

void ReadIcmpField(const YamlValue& value, v1::PortRange* range) {
  if (value.absent()) value.Fail("is empty; write {family: IPv4, type: 8}");
  const YamlFields fields = value.Fields({"family", "type"});
  const YamlValue family = fields["family"];
  const std::string family_name = family.String().value_or("IPv4");
  const bool six = family_name == "IPv6";
  if (!six && family_name != "IPv4" && !family_name.empty()) {
    family.Fail(absl::StrCat("\"", family_name, "\" is no family; families are IPv4 and IPv6"));
  }
  range->set_protocol(six ? v1::PROTOCOL_ICMPV6 : v1::PROTOCOL_ICMP);
  range->set_has_icmp_type(true);

  const YamlValue type = fields["type"];
  std::optional<uint32_t> number;
  if (type.absent()) {
    if (!value.absent()) type.Fail("is missing; a type is a number from 0 to 255 or a name like EchoRequest");
    return;
  }
  if (type.IsInteger()) {
    const std::optional<int64_t> given = type.Integer();
    if (!given.has_value()) return;
    if (*given >= 0 && *given <= kMaxIcmpType) number = static_cast<uint32_t>(*given);
    if (!number.has_value()) type.Fail(absl::StrCat(*given, " is no ICMP type; types are 0 to 255"));
  } else if (const std::optional<std::string> name = type.String(); name.has_value()) {
    number = Decimal(*name, kMaxIcmpType);
    const absl::Span<const IcmpName> known = six ? absl::MakeConstSpan(kIcmp6) : absl::MakeConstSpan(kIcmp4);
    for (const IcmpName& one : known) {
      if (*name == one.name) number = one.type;
    }
    if (!number.has_value()) {
      type.Fail(absl::StrCat("\"", *name, "\" is no ICMP type of ", six ? "IPv6" : "IPv4",
                             "; a type is a number from 0 to 255 or one of ",
                             absl::StrJoin(known, ", ", [](std::string* out, const IcmpName& one) {
                               absl::StrAppend(out, one.name);
                             })));
    }
  }
  range->set_first(number.value_or(0));
  range->set_last(number.value_or(0));
}

void CheckCount(const YamlValue& value, size_t count, absl::string_view what) {
  if (count > kMaxPorts)
    value.Fail(absl::StrCat(count, " ", what, "; at most ", kMaxPorts, " stand in one rule"));
}

}  // namespace

bool ReadCiliumPorts(const YamlValue& to_ports, const YamlValue& icmps, bool deny, v1::Rule* rule) {
  const std::vector<YamlValue> port_rules = to_ports.Items();
  const std::vector<YamlValue> icmp_rules = icmps.Items();
  for (const YamlValue& port_rule : port_rules) {
    if (port_rule.absent()) port_rule.Fail("is empty; write {ports: [...]}");
    const YamlFields fields = deny ? port_rule.Fields({"ports"})
                                   : port_rule.Fields({"ports"}, {"rules", "listener", "terminatingTLS",
                                                                  "originatingTLS", "serverNames"});
    const std::vector<YamlValue> ports = fields["ports"].Items();
    CheckCount(fields["ports"], ports.size(), "ports");
    for (const YamlValue& port : ports) ReadPort(port, rule->add_ports());
  }
  for (const YamlValue& icmp_rule : icmp_rules) {
    if (icmp_rule.absent()) icmp_rule.Fail("is empty; write {fields: [...]}");
    const YamlValue types = icmp_rule.Fields({"fields"})["fields"];
    const std::vector<YamlValue> items = types.Items();
    CheckCount(types, items.size(), "ICMP types");
    for (const YamlValue& item : items) ReadIcmpField(item, rule->add_ports());
  }
  if (!port_rules.empty() && !icmp_rules.empty()) {
    icmps.Fail("cannot stand beside toPorts in one rule; make a rule of its own of it");
  }
  rule->set_any_port(port_rules.empty() && icmp_rules.empty());
  return rule->any_port() || rule->ports_size() > 0;
}

}  // namespace trivium::policy
