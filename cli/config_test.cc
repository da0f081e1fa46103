#include "cli/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/kinds.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(current_context: gcp
contexts:
- name: aws
  cluster: aws-euw2
  principal: "aws-euw2:ctl:admin"
  nats: {servers: ["tls://10.0.0.1:4222"], ca: ca.crt, cert: /etc/a.crt, key: a.key}
- name: gcp
  cluster: gcp-euw2
  principal: "gcp-euw2:ctl:admin"
  namespace: shop
  nats: {servers: ["tls://10.0.0.2:4222", "tls://10.0.0.3:4222"], ca: ca.crt, cert: g.crt, key: g.key}
)";

TEST(ConfigTest, ReadsContextsAndMakesPathsRelativeToTheFile) {
  const auto config = ParseConfig(kGood, "/run/mesh/triviumctl.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->contexts.size(), 2u);
  EXPECT_EQ(config->contexts[0].nats.ca, "/run/mesh/ca.crt");
  EXPECT_EQ(config->contexts[0].nats.cert, "/etc/a.crt");
  EXPECT_EQ(config->contexts[0].ns, "default");
  EXPECT_EQ(config->contexts[1].ns, "shop");
  EXPECT_EQ(config->contexts[1].nats.servers.size(), 2u);
}

TEST(ConfigTest, PicksByNameByClusterOrTheCurrentOne) {
  const auto config = ParseConfig(kGood, "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(PickContext(*config, "", "")->name, "gcp");
  EXPECT_EQ(PickContext(*config, "aws", "")->cluster, "aws-euw2");
  EXPECT_EQ(PickContext(*config, "", "aws-euw2")->name, "aws");
  EXPECT_THAT(std::string(PickContext(*config, "azure", "").status().message()),
              HasSubstr("there are: aws, gcp"));
  EXPECT_THAT(std::string(PickContext(*config, "", "azure-uks").status().message()),
              HasSubstr("'azure-uks'"));
}

TEST(ConfigTest, RefusesByFileLineAndKey) {
  constexpr char kNats[] = "nats: {servers: [t], ca: c, cert: d, key: e}";
  const struct {
    std::string text;
    std::string error;
  } cases[] = {
      {"contexts: []\n", "c.yaml:1: contexts must be a list, not empty"},
      {"contexts:\n- name: a\n  cluster: b\n  colour: red\n", "c.yaml:4: unknown key contexts[0].colour"},
      {"contexts:\n- name: a\n  principal: a:ctl:b\n", "contexts[0].cluster is missing"},
      {"contexts:\n- {name: a, cluster: a.b, principal: 'a:ctl:b'}\n",
       "contexts[0].cluster is no cluster name"},
      {"contexts:\n- {name: a, cluster: b, principal: nobody}\n", "contexts[0].principal"},
      {"contexts:\n- {name: a, cluster: b, principal: 'b:ctl:x'}\n", "contexts[0].nats is missing"},
      {"contexts:\n- {name: a, cluster: b, principal: 'b:ctl:x', nats: {servers: tls, ca: c, cert: d, key: "
       "e}}\n",
       "contexts[0].nats.servers must be a list"},
      {"contexts: [\n", "c.yaml:2"},
      {absl::StrCat("current_context: z\ncontexts:\n- {name: a, cluster: b, principal: 'b:ctl:x', ", kNats,
                    "}\n"),
       "c.yaml:1: current_context no context 'z'"},
  };
  for (const auto& c : cases) {
    const auto config = ParseConfig(c.text, "c.yaml");
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << c.text;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(c.error)) << c.text;
  }
}

TEST(ConfigTest, RefusesTwoContextsOfOneName) {
  std::string twice = kGood;
  twice.replace(twice.find("name: aws"), 9, "name: gcp");
  EXPECT_THAT(std::string(ParseConfig(twice, "c.yaml").status().message()),
              HasSubstr("contexts[1].name is there twice"));
}

TEST(KindsTest, TakesEverySpellingKubectlTakes) {
  for (const char* word : {"netpol", "NetworkPolicy", "networkpolicies", "networkpolicy.networking.k8s.io",
                           "networkpolicies.networking.k8s.io"}) {
    const auto kind = FindKind(word);
    ASSERT_TRUE(kind.ok()) << word;
    EXPECT_EQ((*kind)->kind, v1::KIND_POLICY) << word;
  }
  EXPECT_EQ((*FindKind("ep"))->kind, v1::KIND_ENDPOINT);
  const std::pair<const char*, std::vector<const char*>> cilium[] = {
      {"CiliumNetworkPolicy", {"cnp", "ciliumnetworkpolicies", "ciliumnetworkpolicy.cilium.io"}},
      {"CiliumClusterwideNetworkPolicy", {"ccnp", "ciliumclusterwidenetworkpolicies.cilium.io"}},
      {"CiliumCIDRGroup", {"ccg", "ciliumcidrgroup", "CiliumCIDRGroups"}},
  };
  for (const auto& [name, words] : cilium) {
    for (const char* word : words) {
      const auto kind = FindKind(word);
      ASSERT_TRUE(kind.ok()) << word;
      EXPECT_STREQ((*kind)->name, name) << word;
      EXPECT_EQ((*kind)->namespaced, std::string(name) == "CiliumNetworkPolicy") << word;
    }
  }
  EXPECT_THAT(std::string(FindKind("deployments").status().message()),
              HasSubstr("unknown kind 'deployments'; there are: "));
  EXPECT_THAT(std::string(FindKind("").status().message()), HasSubstr("unknown kind"));
}

TEST(ConfigTest, AnotherCurrentContextLeavesTheRestAsItIs) {
  EXPECT_EQ(WithCurrentContext("# mine\ncurrent_context: a  # the first\ncontexts: []\n", "b"),
            "# mine\ncurrent_context: b # the first\ncontexts: []\n");
  EXPECT_EQ(WithCurrentContext("# mine\ncontexts: []\n", "b"), "# mine\ncurrent_context: b\ncontexts: []\n");
  EXPECT_EQ(WithCurrentContext("", "b"), "current_context: b\n");
}

TEST(ConfigTest, UrlsAreShownWithoutPasswords) {
  EXPECT_EQ(WithoutPassword("tls://u:secret@h:1"), "tls://u:xxxxx@h:1");
  EXPECT_EQ(WithoutPassword("tls://token@h:1, tls://h:2/a@b"), "tls://xxxxx@h:1, tls://h:2/a@b");
  EXPECT_EQ(WithoutPassword("postgresql://u:p@ss@h/db"), "postgresql://u:xxxxx@h/db") << "the last @ counts";
  EXPECT_EQ(WithoutPassword("no url"), "no url");
}

}  // namespace
}  // namespace trivium::cli
