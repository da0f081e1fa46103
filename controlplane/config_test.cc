#include "controlplane/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr char kGood[] = R"(instance: aws-euw2-cp1
cluster: aws-euw2
cluster_id: 1
region: {name: eu-west-2, home: 1}
address_space: 0
pod_cidrs: [10.1.0.0/16, "fd00:1::/48"]
nats: {servers: ["tls://127.0.0.1:4222"], ca: ca.crt, cert: x.crt, key: x.key}
sql: {hosts: ["127.0.0.1:5432"], database: trivium, user: trivium_writer, ca: ca.crt, cert: y.crt, key: /y.key}
log_level: info
)";

absl::StatusOr<ControlPlaneConfig> With(const std::string& from, const std::string& to) {
  const std::string text = absl::StrReplaceAll(kGood, {{from, to}});
  EXPECT_NE(text, kGood) << from;
  return ControlPlaneConfig::Parse(text, "/etc/trivium/cp.yaml");
}

TEST(ConfigTest, Whole) {
  const absl::StatusOr<ControlPlaneConfig> config = ControlPlaneConfig::Parse(kGood, "/etc/trivium/cp.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Principal(), "aws-euw2:cp:aws-euw2-cp1");
  ASSERT_EQ(config->clusters.size(), 1u);
  EXPECT_EQ(config->clusters[0].name, "aws-euw2");
  EXPECT_EQ(config->clusters[0].home, 1u);
  EXPECT_EQ(config->clusters[0].pod_cidrs.size(), 2u);
  EXPECT_EQ(config->nats.ca, "/etc/trivium/ca.crt");
  EXPECT_EQ(config->sql.key, "/y.key");
  EXPECT_EQ(config->beacon_ms, 500u);
  EXPECT_EQ(config->metrics.ToString(), "127.0.0.1:9460");
}

TEST(ConfigTest, ReachabilityIsNotKeptUnlessItSaysSo) {
  const absl::StatusOr<ControlPlaneConfig> config = ControlPlaneConfig::Parse(kGood, "cp.yaml");
  EXPECT_FALSE(config->reachability_keep);
  EXPECT_EQ(config->reachability_max_rows, 1'000'000u);
  const auto kept = With("log_level: info", "reachability: {keep: true, max_rows: 5000}");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_TRUE(kept->reachability_keep);
  EXPECT_EQ(kept->reachability_max_rows, 5000u);
  EXPECT_FALSE(With("log_level: info", "reachability: {keep: false}")->reachability_keep);
  EXPECT_THAT(With("log_level: info", "reachability: {keep: often}").status().message(),
              HasSubstr("reachability.keep \"often\": want true or false"));
  EXPECT_THAT(With("log_level: info", "reachability: {max_rows: 0}").status().message(),
              HasSubstr("reachability.max_rows"));
  EXPECT_THAT(With("log_level: info", "reachability: {rows: 1}").status().message(), HasSubstr("rows"));
}

TEST(ConfigTest, WhatIsWrongIsNamed) {
  const auto message = [](const std::string& from, const std::string& to) {
    const absl::StatusOr<ControlPlaneConfig> config = With(from, to);
    return config.ok() ? std::string("fine") : std::string(config.status().message());
  };
  EXPECT_THAT(message("log_level: info", "loglevel: info"), HasSubstr("/etc/trivium/cp.yaml"));
  EXPECT_THAT(message("log_level: info", "loglevel: info"), HasSubstr("loglevel"));
  EXPECT_THAT(message("instance: aws-euw2-cp1\n", ""), HasSubstr("instance"));
  EXPECT_THAT(message("instance: aws-euw2-cp1", "instance: a.b"), HasSubstr("\"a.b\" is not a name"));
  EXPECT_THAT(message("cluster: aws-euw2", "cluster: _mesh"), HasSubstr("\"_mesh\" is not a name"));
  EXPECT_THAT(message("cluster_id: 1", "cluster_id: 0"), HasSubstr("cluster_id"));
  EXPECT_THAT(message("home: 1", "home: 0"), HasSubstr("home"));
  EXPECT_THAT(message("10.1.0.0/16", "10.1.0.1/16"), HasSubstr("bits set behind its length"));
  EXPECT_THAT(message("10.1.0.0/16", "\"fd00:1::/64\""), HasSubstr("overlap"));
  EXPECT_THAT(message(", key: x.key", ""), HasSubstr("all of ca, cert and key"));
  EXPECT_THAT(message("database: trivium, ", ""), HasSubstr("database"));
  EXPECT_THAT(message("log_level: info", "beacon_ms: 5"), HasSubstr("beacon_ms"));
  EXPECT_THAT(message("log_level: info", "liveness_ms: 5"), HasSubstr("liveness_ms"));
  EXPECT_THAT(message("log_level: info", "identity_grace_s: 0"), HasSubstr("identity_grace_s"));
  EXPECT_THAT(message("log_level: info", "identities_ahead: 5"), HasSubstr("identities_ahead"));
  EXPECT_THAT(message("log_level: info", "metrics: {listen: here}"), HasSubstr("metrics.listen"));
  EXPECT_THAT(message("log_level: info", "metrics: {listen: off}"), HasSubstr("fine"));
  EXPECT_THAT(message("log_level: info", "log_age_s: 899"), HasSubstr("log_age_s"));
  EXPECT_THAT(message("log_level: info", "log_revisions: 999"), HasSubstr("log_revisions"));
  EXPECT_THAT(message("user: trivium_writer", "user: trivium_writer, regions: [\"x\"]"),
              HasSubstr("<home>=<name>"));
  EXPECT_THAT(message("user: trivium_writer", "user: trivium_writer, regions: [\"1=aws\"]"),
              HasSubstr("fine"));
}

constexpr char kTwo[] = R"(instance: euw2-cp1
clusters:
- {cluster: a, cluster_id: 1, region: {name: eu-west-2, home: 1}, pod_cidrs: [10.1.0.0/16]}
- {cluster: b, cluster_id: 2, region: {name: eu-west-2, home: 1}, address_space: 7, pod_cidrs: [10.1.0.0/16]}
nats: {servers: ["tls://127.0.0.1:4222"]}
sql: {hosts: ["127.0.0.1:5432"], database: trivium, user: trivium_writer}
)";

TEST(ConfigTest, AListOfClusters) {
  const absl::StatusOr<ControlPlaneConfig> config = ControlPlaneConfig::Parse(kTwo, "cp.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->clusters.size(), 2u);
  EXPECT_EQ(config->Principal(), "a:cp:euw2-cp1") << "it connects as one of its first cluster";
  EXPECT_EQ(config->clusters[1].name, "b");
  EXPECT_EQ(config->clusters[1].id, 2u);
  EXPECT_EQ(config->clusters[1].address_space, 7u);

  const auto message = [](const std::string& from, const std::string& to) {
    const std::string text = absl::StrReplaceAll(kTwo, {{from, to}});
    EXPECT_NE(text, kTwo) << from;
    const absl::StatusOr<ControlPlaneConfig> other = ControlPlaneConfig::Parse(text, "cp.yaml");
    return other.ok() ? std::string("fine") : std::string(other.status().message());
  };
  EXPECT_THAT(message("cluster: b", "cluster: a"), HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(message("cluster: b", "cluster: _mesh"), HasSubstr("cp.yaml:4"));
  EXPECT_THAT(message("cluster_id: 2", "cluster_id: 1"), HasSubstr("1 is cluster a's too"));
  EXPECT_THAT(message("clusters:", "cluster: c\nclusters:"), HasSubstr("each item of `clusters`"));
  EXPECT_THAT(message("address_space: 7", "adress_space: 7"), HasSubstr("adress_space"));
}

}  // namespace
}  // namespace trivium
