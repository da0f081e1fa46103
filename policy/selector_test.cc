#include "policy/selector.h"

#include "gtest/gtest.h"
#include "policy/cidr.h"

namespace trivium::policy {
namespace {

using Op = v1::Requirement;

v1::Identity Pod(std::initializer_list<std::pair<const char*, const char*>> labels) {
  v1::Identity identity;
  for (const auto& [key, value] : labels) {
    v1::Label* label = identity.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  return identity;
}

bool Holds(const v1::Identity& identity, const char* key, v1::Requirement::Operator op,
           std::initializer_list<const char*> values = {}) {
  v1::Selector selector;
  v1::Requirement* requirement = selector.add_requirements();
  requirement->set_key(key);
  requirement->set_operator_(op);
  for (const char* value : values) requirement->add_values(value);
  return Matches(selector, identity);
}

TEST(Matches, EachOperator) {
  const v1::Identity pod = Pod({{"k8s:app", "db"}, {"k8s:empty", ""}, {"k8s:tier", "back"}});
  EXPECT_TRUE(Holds(pod, "k8s:app", Op::IN, {"db", "web"}));
  EXPECT_FALSE(Holds(pod, "k8s:app", Op::IN, {"web"}));
  EXPECT_FALSE(Holds(pod, "k8s:none", Op::IN, {"db"}));
  EXPECT_FALSE(Holds(pod, "k8s:none", Op::IN, {""}));
  EXPECT_TRUE(Holds(pod, "k8s:empty", Op::IN, {""}));
  EXPECT_FALSE(Holds(pod, "k8s:app", Op::NOT_IN, {"db"}));
  EXPECT_TRUE(Holds(pod, "k8s:app", Op::NOT_IN, {"web"}));
  EXPECT_TRUE(Holds(pod, "k8s:none", Op::NOT_IN, {"db"}));
  EXPECT_TRUE(Holds(pod, "k8s:empty", Op::EXISTS));
  EXPECT_FALSE(Holds(pod, "k8s:none", Op::EXISTS));
  EXPECT_TRUE(Holds(pod, "k8s:none", Op::DOES_NOT_EXIST));
  EXPECT_FALSE(Holds(pod, "k8s:tier", Op::DOES_NOT_EXIST));
}

TEST(Matches, SourcesAreKeptApartUnlessAnyIsAsked) {
  const v1::Identity pod = Pod({{"container:app", "x"}, {"k8s:app", "db"}});
  EXPECT_FALSE(Holds(pod, "container:app", Op::IN, {"db"}));
  EXPECT_TRUE(Holds(pod, "any:app", Op::IN, {"db"}));
  EXPECT_TRUE(Holds(pod, "any:app", Op::IN, {"x"}));
  EXPECT_FALSE(Holds(pod, "any:app", Op::NOT_IN, {"x"}));
  EXPECT_TRUE(Holds(pod, "any:app", Op::EXISTS));
  EXPECT_FALSE(Holds(pod, "any:ap", Op::EXISTS));
  EXPECT_TRUE(Holds(pod, "any:ap", Op::DOES_NOT_EXIST));
}

TEST(Matches, AllRequirementsTogether) {
  v1::Selector selector;
  EXPECT_TRUE(Matches(selector, Pod({})));
  v1::Requirement* a = selector.add_requirements();
  a->set_key("k8s:a");
  a->set_operator_(Op::EXISTS);
  v1::Requirement* b = selector.add_requirements();
  b->set_key("k8s:b");
  b->set_operator_(Op::DOES_NOT_EXIST);
  EXPECT_TRUE(Matches(selector, Pod({{"k8s:a", ""}})));
  EXPECT_FALSE(Matches(selector, Pod({{"k8s:a", ""}, {"k8s:b", ""}})));
  EXPECT_FALSE(Matches(selector, Pod({})));
}

TEST(Matches, AnOperatorFromTheFutureSelectsNobody) {
  EXPECT_FALSE(Holds(Pod({{"k8s:a", "1"}}), "k8s:a", static_cast<Op::Operator>(9), {"1"}));
}

v1::Cidr C(const char* text) {
  absl::StatusOr<v1::Cidr> cidr = ParseCidr(text);
  EXPECT_TRUE(cidr.ok()) << cidr.status();
  return cidr.ok() ? *cidr : v1::Cidr();
}

TEST(Covers, SameFamilyAndNotLonger) {
  EXPECT_TRUE(Covers(C("10.0.0.0/8"), C("10.2.0.0/16")));
  EXPECT_TRUE(Covers(C("10.0.0.0/8"), C("10.0.0.0/8")));
  EXPECT_FALSE(Covers(C("10.0.0.0/8"), C("11.0.0.0/16")));
  EXPECT_FALSE(Covers(C("10.2.0.0/16"), C("10.0.0.0/8")));
  EXPECT_TRUE(Covers(C("0.0.0.0/0"), C("1.2.3.4/32")));
  EXPECT_FALSE(Covers(C("0.0.0.0/0"), C("fd00::1/128")));
  EXPECT_TRUE(Covers(C("::/0"), C("fd00::1/128")));
  EXPECT_TRUE(Covers(C("192.0.2.128/25"), C("192.0.2.200/32")));
  EXPECT_FALSE(Covers(C("192.0.2.128/25"), C("192.0.2.100/32")));
  EXPECT_TRUE(Covers(C("192.0.2.7/32"), C("192.0.2.7/32")));
  EXPECT_FALSE(Covers(C("192.0.2.7/32"), C("192.0.2.6/32")));
  EXPECT_TRUE(Covers(C("fd00:1::/33"), C("fd00:1:7fff::/48")));
  EXPECT_FALSE(Covers(C("fd00:1::/33"), C("fd00:1:8000::/48")));
  EXPECT_FALSE(Covers(v1::Cidr(), C("10.0.0.0/8")));
}

TEST(ParseCidr, ClearsHostBits) {
  EXPECT_EQ(CidrText(C("10.1.2.3/8")), "10.0.0.0/8");
  EXPECT_EQ(CidrText(C("10.1.2.255/25")), "10.1.2.128/25");
  EXPECT_EQ(CidrText(C("fd00::ffff/120")), "fd00::ff00/120");
  EXPECT_EQ(CidrText(C("1.2.3.4/0")), "0.0.0.0/0");
  EXPECT_EQ(CidrText(HostPrefix(*ParseAddress("1.2.3.4"))), "1.2.3.4/32");
}

TEST(ParseCidr, RefusesWhatIsAmbiguousOrWrong) {
  for (const char* text :
       {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "010.0.0.0/8",
        "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8", "fd00::/129", "fd00::g/8", "::ffff:10.0.0.0/104",
        "10.0.0.0/255.0.0.0", "fe80::1%eth0/64"}) {
    EXPECT_EQ(ParseCidr(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace trivium::policy
