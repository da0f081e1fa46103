#include "cli/endpoint_text.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/table.h"
#include "cli/text.h"

namespace trivium::cli {

absl::StatusOr<std::pair<std::string, std::string>> ParseEndpointName(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no endpoint: write NAMESPACE/NAME"));
  }
  return std::make_pair(parts[0], parts[1]);
}

std::string StateText(v1::EndpointState state) {
  return absl::AsciiStrToLower(
      absl::StrReplaceAll(absl::StripPrefix(v1::EndpointState_Name(state), "ENDPOINT_"), {{"_", "-"}}));
}

std::string EndpointText(const v1::LocalEndpoint& endpoint, const Style& style) {
  const auto rule_set = [](uint32_t number) {
    return number == 0 ? std::string("closed") : absl::StrCat("rule set ", number);
  };
  const bool ready = endpoint.state() == v1::ENDPOINT_READY;
  const std::string state = StateText(endpoint.state());
  std::string out = absl::StrCat(
      "Name:        ", endpoint.namespace_(), "/", endpoint.name(),
      "\nUID:         ", UidText(endpoint.uid()), "\nNumber:      ", endpoint.number(),
      "\nIdentity:    ", endpoint.identity(), "\nIP:          ",
      absl::StrJoin(endpoint.ips(), ", ",
                    [](std::string* text, const std::string& ip) { absl::StrAppend(text, IpText(ip)); }),
      "\nDevice:      ", endpoint.ifname(), " (", endpoint.ifindex(), ")",
      "\nState:       ", ready ? style.Good(state) : style.Bad(state),
      "\nRegistered:  ", endpoint.registered() ? "yes" : "no",
      "\nIngress:     ", rule_set(endpoint.ingress_rule_set()),
      "\nEgress:      ", rule_set(endpoint.egress_rule_set()), "\nAudit mode:  ",
      endpoint.policy_audit_mode() ? style.Warn("enabled: judged and reported, not enforced") : "disabled",
      "\n");
  if (!endpoint.problem().empty())
    absl::StrAppend(&out, "Problem:     ", style.Bad(endpoint.problem()), "\n");
  return out;
}

std::string EndpointMapsText(const v1::EndpointMapsResult& maps, const Style& style) {
  std::string out = absl::StrCat(EndpointText(maps.endpoint(), style), "\n");
  Table table({"MAP", "KEY", "DESIRED", "KERNEL", "RULE"});
  for (const v1::EndpointMapsResult::Entry& entry : maps.entries()) {
    const bool same = entry.desired() == entry.kernel();
    table.AddRow({entry.map(), entry.key(), entry.desired(),
                  same ? "same" : style.Bad(entry.kernel().empty() ? "missing" : entry.kernel()),
                  entry.rule()});
  }
  if (!table.empty()) absl::StrAppend(&out, table.ToString(), "\n");
  const uint32_t shown = static_cast<uint32_t>(maps.entries_size());
  absl::StrAppend(&out, maps.total(), maps.total() == 1 ? " entry" : " entries",
                  shown < maps.total() ? absl::StrCat(" (", shown, " shown)") : "", ", ",
                  maps.differences() == 0 ? style.Good("no difference between desired and kernel")
                                          : style.Bad(absl::StrCat(maps.differences(), " differ")),
                  "\n");
  return out;
}

}  // namespace trivium::cli
