// Ranges of ports as people read them. That they say what RuleSet::Decide says is random_test.cc's.
#include "policy/port_ranges.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "policy/labels.h"

namespace trivium::policy {
namespace {

using ::testing::ElementsAre;

// What rules of TextFormat's say of anybody, in ingress of a pod.
std::vector<std::string> Ranges(const std::string& rules, bool closes = true) {
  v1::Identity pod;
  for (const v1::Label& label : IdentityLabels(PodLabels{"c1", "x", {}, {}})) *pod.add_labels() = label;
  v1::Policy policy;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      absl::StrCat("kind: 'CiliumNetworkPolicy' namespace: 'x' name: 'c' blocks { default_deny_ingress: ",
                   closes ? "true" : "false", " ", rules, " }"),
      &policy));
  const auto set = RuleSet::Build(pod, v1::Rule::INGRESS, {&policy});
  const PortRanges found = PortRangesOf(*set, set->ClassOf(PeerRef{&pod, nullptr}));
  std::vector<std::string> texts;
  const auto add = [&](absl::string_view ports, const Outcome& outcome) {
    const Decision decision = DecisionOf(*set, outcome);
    texts.push_back(absl::StrCat(ports, decision.verdict == Verdict::kAllow ? " allow" : " deny",
                                 decision.by_rule ? absl::StrCat(" by ", decision.rule.origin) : ""));
  };
  for (const PortRangeVerdict& range : found.ranges) {
    add(absl::StrCat(static_cast<int>(range.protocol), ":", range.first, "-", range.last), range.outcome);
  }
  add("others", found.others);
  return texts;
}

TEST(PortRanges, WithoutRulesEachProtocolIsOneRange) {
  EXPECT_THAT(Ranges("", false), ElementsAre("6:0-65535 allow", "17:0-65535 allow", "132:0-65535 allow",
                                             "1:0-255 allow", "58:0-255 allow", "others allow"));
  EXPECT_THAT(Ranges(""), ElementsAre("6:0-65535 deny", "17:0-65535 deny", "132:0-65535 deny", "1:0-255 deny",
                                      "58:0-255 deny", "others deny"));
}

TEST(PortRanges, AreWholeWhereTheKernelNeedsManyPrefixes) {
  EXPECT_THAT(
      Ranges("rules { any_peer: true origin: 'a' ports { protocol: PROTOCOL_TCP first: 1000 last: 2999 } }"),
      ElementsAre("6:0-999 deny", "6:1000-2999 allow by a", "6:3000-65535 deny", "17:0-65535 deny",
                  "132:0-65535 deny", "1:0-255 deny", "58:0-255 deny", "others deny"));
}

TEST(PortRanges, SayWhichRuleDecidesWhereSeveralMatch) {
  EXPECT_THAT(Ranges("rules { any_peer: true any_port: true origin: 'all' } "
                     "rules { any_peer: true action: DENY origin: 'no'"
                     "        ports { protocol: PROTOCOL_TCP first: 0 last: 0 } }"
                     "rules { any_peer: true action: DENY origin: 'ssh'"
                     "        ports { protocol: PROTOCOL_UDP first: 65535 last: 65535 } }"),
              ElementsAre("6:0-65535 deny by no", "17:0-65534 allow by all", "17:65535-65535 deny by ssh",
                          "132:0-65535 allow by all", "1:0-255 allow by all", "58:0-255 allow by all",
                          "others allow by all"));
}

TEST(PortRanges, OfIcmpAreTypes) {
  EXPECT_THAT(Ranges("rules { any_peer: true origin: 'ping' ports { protocol: PROTOCOL_ICMP first: 8 last: 8"
                     "        has_icmp_type: true } }"),
              ElementsAre("6:0-65535 deny", "17:0-65535 deny", "132:0-65535 deny", "1:0-7 deny",
                          "1:8-8 allow by ping", "1:9-255 deny", "58:0-255 deny", "others deny"));
}

}  // namespace
}  // namespace trivium::policy
