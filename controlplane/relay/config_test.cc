#include "controlplane/relay/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr char kWhole[] = R"(instance: aws-relay1
clusters:
- {cluster: aws, cluster_id: 1, home: 1}
- {cluster: _mesh}
nats: {servers: ["nats://127.0.0.1:4222"]}
sql: {hosts: ["127.0.0.1:5432"], database: trivium, user: trivium_writer}
stream: {max_age_s: 3600, max_bytes: 100000000, replicas: 3}
subscribers:
- {name: audit, cluster: aws}
- {name: dns, cluster: aws, kinds: [endpoint, service]}
- {name: audit, cluster: _mesh}
metrics: {listen: "off"}
)";

TEST(RelayConfigTest, ReadsEverything) {
  const auto config = RelayConfig::Parse(kWhole, "relay.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Principal(), "aws:relay:aws-relay1");
  ASSERT_EQ(config->clusters.size(), 2u);
  EXPECT_EQ(config->clusters[1].cluster_id, 0u);
  EXPECT_EQ(config->Stream().max_age, absl::Hours(1));
  EXPECT_EQ(config->Stream().max_bytes, 100'000'000u);
  EXPECT_EQ(config->Stream().replicas, 3u);
  std::vector<std::string> consumers;
  for (const ConsumerConfig& one : config->ConsumersOf("aws"))
    consumers.push_back(one.name + " " + one.filter);
  EXPECT_THAT(consumers, testing::ElementsAre(
                             "audit trivium.v1.ev.aws.>", "dns:endpoint trivium.v1.ev.aws.endpoint.>",
                             "dns:service trivium.v1.ev.aws.service.>", "dns:_log trivium.v1.ev.aws._log.>"));
  EXPECT_EQ(config->ConsumersOf("_mesh").size(), 1u);
}

TEST(RelayConfigTest, SaysWhatIsWrongAndWhere) {
  const struct {
    const char* what;
    const char* with;
    const char* says;
  } cases[] = {
      {"instance: aws-relay1", "instance: \"a b\"", "relay.yaml:1"},
      {"cluster: aws, cluster_id: 1", "cluster: aws, cluster_id: 0", "cluster_id"},
      {"{cluster: _mesh}", "{cluster: _other, cluster_id: 2, home: 1}", "_other"},
      {"{cluster: _mesh}", "{cluster: aws, cluster_id: 2, home: 1}", "there twice"},
      {"{cluster: _mesh}", "{cluster: gcp, cluster_id: 1, home: 1}", "is cluster aws's too"},
      {"name: audit, cluster: aws", "name: audit, cluster: gcp", "is not among `clusters`"},
      {"name: audit, cluster: aws", "name: dns, cluster: aws", "there twice"},
      {"name: audit, cluster: aws", "name: \"a:b\", cluster: aws", "a:b"},
      {"kinds: [endpoint, service]", "kinds: [pod]", "there are: region, cluster,"},
      {"replicas: 3", "replicas: 9", "replicas"},
      {"replicas: 3", "copies: 3", "copies"},
      {"max_bytes: 100000000", "max_bytes: 1", "max_bytes"},
      {"listen: \"off\"", "listen: here", "here"},
  };
  for (const auto& one : cases) {
    const std::string text = absl::StrReplaceAll(kWhole, {{one.what, one.with}});
    ASSERT_NE(text, kWhole) << one.what;
    const auto config = RelayConfig::Parse(text, "relay.yaml");
    ASSERT_FALSE(config.ok()) << one.with;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("relay.yaml:")) << one.with;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(one.says)) << one.with;
  }
}

}  // namespace
}  // namespace trivium
