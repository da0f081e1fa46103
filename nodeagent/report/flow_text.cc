#include "nodeagent/report/flow_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "bpf/abi/drop_reasons.h"
#include "policy/cidr.h"
#include "policy/labels.h"

namespace trivium {
namespace {

constexpr uint8_t kIcmp = 1, kIcmpV6 = 58;

std::string ReasonName(const flow_event& event) {
  switch (event.reason) {
#define TRIVIUM_REASON_CASE(number, constant, name) \
  case number:                                      \
    return name;
    TRIVIUM_DROP_REASONS(TRIVIUM_REASON_CASE)
#undef TRIVIUM_REASON_CASE
    case 0:
      return event.cookie == 0 ? "audit: no rule allows it" : "audit: a deny rule matches";
    default:
      return absl::StrCat("reason ", event.reason);
  }
}

// "host", "world", ...; empty for identities of the mesh.
std::string ReservedName(uint32_t identity) {
  if (identity >= IDENTITY_FIRST_LOCAL) return "world";
  static const auto* const reserved = new std::vector<v1::Identity>(policy::ReservedIdentities());
  for (const v1::Identity& each : *reserved) {
    if (each.id() == identity) return std::string(absl::StripPrefix(each.labels(0).key(), "reserved:"));
  }
  return "";
}

std::string IpText(const std::string& ip) {
  const std::string text = policy::CidrText(policy::HostPrefix(ip));
  return text.substr(0, text.find('/'));
}

std::string EndText(const std::string& name, const std::string& ip, uint32_t port, uint32_t identity) {
  std::string text = ip.size() == 16 ? absl::StrCat("[", IpText(ip), "]") : IpText(ip);
  if (port != 0) absl::StrAppend(&text, ":", port);
  return absl::StrCat(name.empty() ? absl::StrCat("identity ", identity) : name, " ", text);
}

}  // namespace

v1::FlowEvent DescribeFlow(const flow_event& event, const FlowContext& context) {
  v1::FlowEvent out;
  const absl::Duration ago = context.clock->Monotonic() - absl::Nanoseconds(event.time_ns);
  out.set_time_us(absl::ToUnixMicros(context.clock->Now() - ago));
  out.set_verdict(event.reason == 0 ? v1::FlowEvent::AUDITED : v1::FlowEvent::DROPPED);
  out.set_reason(event.reason);
  out.set_reason_name(ReasonName(event));
  const bool in = event.direction == DIRECTION_INGRESS;
  out.set_direction(in ? v1::Rule::INGRESS : v1::Rule::EGRESS);

  const size_t bytes = event.family == 6 ? 16 : 4;
  out.set_source_ip(std::string(reinterpret_cast<const char*>(event.source), bytes));
  out.set_destination_ip(std::string(reinterpret_cast<const char*>(event.destination), bytes));
  const FlowParty local = context.endpoint(event.endpoint);
  const auto party = [&](const std::string& ip, bool is_local) {
    FlowParty found = is_local && !local.name.empty() ? local : context.address(ip);
    if (!found.name.empty()) found.name = absl::StrCat(context.cluster, "/", found.name);
    if (!is_local && event.remote_identity != 0) {
      found.identity = event.remote_identity;
      const std::string reserved = ReservedName(event.remote_identity);
      if (!reserved.empty()) found.name = reserved;
    }
    return found;
  };
  const FlowParty source = party(out.source_ip(), !in);
  const FlowParty destination = party(out.destination_ip(), in);
  out.set_endpoint(local.name);
  out.set_source(source.name);
  out.set_source_identity(source.identity);
  out.set_destination(destination.name);
  out.set_destination_identity(destination.identity);

  out.set_protocol(static_cast<v1::Protocol>(event.protocol));
  const bool icmp = event.protocol == kIcmp || event.protocol == kIcmpV6;
  // Of ICMP the type stands where the port would; the echo's id is nobody's business.
  out.set_destination_port(
      icmp ? event.destination_port[0]
           : static_cast<uint32_t>(event.destination_port[0] << 8 | event.destination_port[1]));
  if (!icmp) out.set_source_port(static_cast<uint32_t>(event.source_port[0] << 8 | event.source_port[1]));

  if (const Cookies::Origin* origin = context.rule(event.cookie); origin != nullptr) {
    const std::vector<std::string> key = absl::StrSplit(origin->policy, '/');
    out.set_policy(key.size() != 3 ? origin->rule
                                   : absl::StrCat(key[0], " ", key[1], key[1].empty() ? "" : "/", key[2], " ",
                                                  origin->rule));
    out.set_revision(origin->revision);
  } else if (event.rule_set != 0) {
    out.set_revision(context.revision());
  }
  return out;
}

std::string FlowText(const v1::FlowEvent& event) {
  const bool icmp = event.protocol() == v1::PROTOCOL_ICMP || event.protocol() == v1::PROTOCOL_ICMPV6;
  std::string text = absl::StrCat(
      EndText(event.source(), event.source_ip(), event.source_port(), event.source_identity()), " -> ",
      EndText(event.destination(), event.destination_ip(), icmp ? 0 : event.destination_port(),
              event.destination_identity()),
      " ", absl::StripPrefix(v1::Protocol_Name(event.protocol()), "PROTOCOL_"));
  if (icmp) absl::StrAppend(&text, " type ", event.destination_port());
  absl::StrAppend(&text, event.direction() == v1::Rule::INGRESS ? " ingress" : " egress");
  if (!event.endpoint().empty()) absl::StrAppend(&text, " of ", event.endpoint());
  absl::StrAppend(&text, ": ", event.reason_name());
  if (!event.policy().empty()) absl::StrAppend(&text, " (", event.policy(), ")");
  if (event.revision() != 0) absl::StrAppend(&text, ", revision ", event.revision());
  return text;
}

}  // namespace trivium
