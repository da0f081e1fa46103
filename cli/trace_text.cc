#include "cli/trace_text.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

std::string AskedText(const v1::TraceRequest& request) {
  const std::string protocol =
      request.protocol() != v1::PROTOCOL_ANY ? ProtocolText(request.protocol()) : "TCP";
  if (!request.port_name().empty()) return absl::StrCat("port ", request.port_name());
  if (absl::StartsWith(protocol, "ICMP")) return absl::StrCat(protocol, " type ", request.port());
  return absl::StrCat(protocol, "/", request.port());
}

std::string EndText(const std::string& name, uint32_t identity,
                    const google::protobuf::RepeatedPtrField<v1::Label>& labels) {
  v1::Identity one;
  *one.mutable_labels() = labels;
  std::vector<std::string> notes;
  if (identity != 0) notes.push_back(absl::StrCat("identity ", identity));
  if (const std::string pod = PodLabelsText(one); !pod.empty() && identity > 255) notes.push_back(pod);
  return notes.empty() ? name : absl::StrCat(name, " (", absl::StrJoin(notes, "; "), ")");
}

std::string VerdictText(const std::string& verdict, const Style& style) {
  return verdict == "allowed" ? style.Good(verdict) : style.Bad(verdict);
}

std::string RuleText(const v1::TraceDirection::Rule& rule) {
  std::string text = rule.kind();
  if (!rule.name().empty()) {
    absl::StrAppend(&text, " ", rule.namespace_(), rule.namespace_().empty() ? "" : "/", rule.name());
  }
  if (!rule.origin().empty()) absl::StrAppend(&text, text.empty() ? "" : " ", rule.origin());
  return absl::StrCat(text, rule.action().empty() ? "" : absl::StrCat(" (", rule.action(), ")"), ": ",
                      rule.reason());
}

void AppendRules(absl::string_view title,
                 const google::protobuf::RepeatedPtrField<v1::TraceDirection::Rule>& rules,
                 std::string* out) {
  if (rules.empty()) return;
  absl::StrAppend(out, "  ", title, ":\n");
  for (const v1::TraceDirection::Rule& rule : rules) absl::StrAppend(out, "    ", RuleText(rule), "\n");
}

void AppendDirection(absl::string_view title, const v1::TraceDirection& direction, const Style& style,
                     std::string* out) {
  absl::StrAppend(out, "\n", title, ": ", VerdictText(direction.verdict(), style),
                  direction.audit() ? style.Warn(" (audit mode: passes, and is reported)") : "", "\n  ",
                  direction.reason(), "\n");
  AppendRules("policies that select it", direction.selecting(), out);
  AppendRules("rules that match", direction.decided_by(), out);
  AppendRules("what would have allowed it", direction.would_allow(), out);
}

}  // namespace

std::string TraceText(const v1::TraceRequest& request, const v1::TraceResult& result, const Style& style) {
  std::string out = absl::StrCat(
      "from:     ", EndText(result.from(), result.from_identity(), result.from_labels()),
      "\nto:       ", EndText(result.to(), result.to_identity(), result.to_labels()),
      "\nasked:    ", AskedText(request), "\nverdict:  ", VerdictText(result.verdict(), style), "\n");
  AppendDirection("egress of the source", result.egress(), style, &out);
  AppendDirection("ingress of the destination", result.ingress(), style, &out);
  absl::StrAppend(&out, "\nas of revision ",
                  absl::StrJoin(result.at(), ", ",
                                [](std::string* text, const v1::Head& head) {
                                  absl::StrAppend(text, head.revision(), " of ", head.cluster());
                                }),
                  "\n");
  return out;
}

}  // namespace trivium::cli
