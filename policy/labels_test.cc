#include "policy/labels.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trivium::policy {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string> AsMap(const std::vector<v1::Label>& labels) {
  std::map<std::string, std::string> map;
  for (const v1::Label& label : labels) map[label.key()] = label.value();
  EXPECT_EQ(map.size(), labels.size());
  return map;
}

v1::Identity IdentityOf(const PodLabels& pod) {
  v1::Identity identity;
  for (const v1::Label& label : IdentityLabels(pod)) *identity.add_labels() = label;
  return identity;
}

TEST(IdentityLabels, SaysWhereThePodIsAndWhatItWears) {
  const PodLabels pod{"c1", "shop", {{"team", "red"}}, {{"app", "db"}, {"a.b/c", "d"}}, "runner"};
  const std::vector<v1::Label> labels = IdentityLabels(pod);
  EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end(),
                             [](const v1::Label& a, const v1::Label& b) { return a.key() < b.key(); }));
  EXPECT_EQ(AsMap(labels), (std::map<std::string, std::string>{
                               {"k8s:a.b/c", "d"},
                               {"k8s:app", "db"},
                               {"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", "shop"},
                               {"k8s:io.cilium.k8s.namespace.labels.team", "red"},
                               {"k8s:io.cilium.k8s.policy.cluster", "c1"},
                               {"k8s:io.cilium.k8s.policy.serviceaccount", "runner"},
                               {"k8s:io.kubernetes.pod.namespace", "shop"}}));
}

TEST(IdentityLabels, LetsNoPodLieAboutWhereItIs) {
  const PodLabels liar{"c1",
                       "shop",
                       {{"kubernetes.io/metadata.name", "bank"}},
                       {{"io.kubernetes.pod.namespace", "bank"},
                        {"io.cilium.k8s.policy.cluster", "c2"},
                        {"io.cilium.k8s.policy.serviceaccount", "root"},
                        {"io.cilium.k8s.namespace.labels.team", "red"},
                        {"io.cilium.k8s.other", "kept"}}};
  EXPECT_EQ(AsMap(IdentityLabels(liar)),
            (std::map<std::string, std::string>{
                {"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", "shop"},
                {"k8s:io.cilium.k8s.other", "kept"},
                {"k8s:io.cilium.k8s.policy.cluster", "c1"},
                {"k8s:io.cilium.k8s.policy.serviceaccount", "default"},
                {"k8s:io.kubernetes.pod.namespace", "shop"}}));
}

TEST(PodLabelsOf, InvertsIdentityLabels) {
  const PodLabels pod{"c1", "shop", {{"team", "red"}}, {{"app", "db"}, {"x", ""}}};
  EXPECT_EQ(PodLabelsOf(IdentityOf(pod)), pod.labels);
  for (const v1::Identity& identity : ReservedIdentities()) EXPECT_TRUE(PodLabelsOf(identity).empty());
}

TEST(CheckLabel, TakesWhatKubernetesTakes) {
  for (const std::string& key :
       {std::string("app"), std::string("App_1.x-y"), std::string("a"), std::string("example.com/app"),
        std::string(63, 'a'), std::string(253, 'p') + "/" + std::string(63, 'n')}) {
    EXPECT_TRUE(CheckLabelKey(key).ok()) << key;
  }
  for (const std::string& value :
       {std::string(), std::string("x"), std::string("1.2_3-4"), std::string(63, 'V')}) {
    EXPECT_TRUE(CheckLabelValue(value).ok()) << value;
  }
}

TEST(CheckLabel, NamesWhatIsWrong) {
  for (const std::string& key :
       {std::string(), std::string("-a"), std::string("a-"), std::string("a b"), std::string("k8s:app"),
        std::string("/a"), std::string("a/"), std::string("a/b/c"), std::string("Ex.com/a"),
        std::string("ex..com/a"), std::string(64, 'a'), std::string(254, 'p') + "/n",
        std::string("\xc3\xa4")}) {
    const absl::Status status = CheckLabel(key, "v");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"" + key + "\""));
  }
  for (const std::string& value :
       {std::string("-x"), std::string("x."), std::string("a/b"), std::string(64, 'v')}) {
    EXPECT_EQ(CheckLabel("k", value).code(), absl::StatusCode::kInvalidArgument) << value;
  }
}

TEST(CheckName, LabelForNamespacesSubdomainForTheRest) {
  EXPECT_TRUE(CheckName("namespace", "shop-1").ok());
  EXPECT_TRUE(CheckName("name", "shop.db-1").ok());
  EXPECT_TRUE(CheckName("name", std::string(253, 'n')).ok());
  for (const std::string& name : {std::string(), std::string("a.b"), std::string("A"), std::string("-a"),
                                  std::string("a-"), std::string(64, 'n')}) {
    EXPECT_EQ(CheckName("namespace", name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("a..b"), std::string("a/b"), std::string(254, 'n')}) {
    EXPECT_EQ(CheckName("name", name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(CanonicalForm, IsOneTextPerSet) {
  auto label = [](const char* key, const char* value) {
    v1::Label l;
    l.set_key(key);
    l.set_value(value);
    return l;
  };
  v1::NamedPort port;
  port.set_name("web");
  port.set_protocol(v1::PROTOCOL_TCP);
  port.set_port(80);
  v1::NamedPort other = port;
  other.set_protocol(v1::PROTOCOL_UDP);

  EXPECT_EQ(CanonicalForm({label("k8s:a", "1"), label("k8s:b", "2")}, {port, other}),
            CanonicalForm({label("k8s:b", "2"), label("k8s:a", "1"), label("k8s:a", "1")}, {other, port}));
  EXPECT_NE(CanonicalForm({label("k8s:a", "1")}, {}), CanonicalForm({label("k8s:a", "1")}, {port}));
  EXPECT_NE(CanonicalForm({}, {other}), CanonicalForm({}, {port}));
  // No value can look like the next label.
  EXPECT_NE(CanonicalForm({label("a", "1;b=2")}, {}), CanonicalForm({label("a", "1"), label("b", "2")}, {}));
  EXPECT_NE(CanonicalForm({label("a", "%3b")}, {}), CanonicalForm({label("a", ";")}, {}));
}

TEST(ReservedIdentities, HaveTheFieldsNumbers) {
  std::map<uint32_t, std::string> first;
  for (const v1::Identity& identity : ReservedIdentities()) first[identity.id()] = identity.labels(0).key();
  EXPECT_EQ(first, (std::map<uint32_t, std::string>{{1, "reserved:host"},
                                                    {2, "reserved:world"},
                                                    {3, "reserved:unmanaged"},
                                                    {4, "reserved:health"},
                                                    {5, "reserved:init"},
                                                    {6, "reserved:remote-node"},
                                                    {7, "reserved:kube-apiserver"},
                                                    {8, "reserved:ingress"}}));
}

}  // namespace
}  // namespace trivium::policy
