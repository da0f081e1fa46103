#include "cli/object_json.h"

#include <gtest/gtest.h>

#include <string>

namespace trivium::cli {
namespace {

v1::GetResult::Item PolicyItem() {
  v1::GetResult::Item item;
  item.mutable_object()->set_revision(17);
  v1::Policy& policy = *item.mutable_object()->mutable_object()->mutable_policy();
  policy.mutable_meta()->set_uid(std::string(16, '\x11'));
  policy.mutable_meta()->set_generation(2);
  policy.set_kind("NetworkPolicy");
  policy.set_namespace_("shop");
  policy.set_name("db");
  v1::CidrPeer& peer = *policy.add_blocks()->add_rules()->add_peers()->mutable_cidr();
  peer.mutable_cidr()->set_address(std::string("\x0a\0\0\0", 4));
  peer.mutable_cidr()->set_length(8);
  return item;
}

TEST(ObjectJsonTest, AManifestComesBackAsItWasWithMetadataAdded) {
  v1::GetResult::Item item = PolicyItem();
  item.set_manifest(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: db\nspec:\n  podSelector: "
      "{}\n"
      "  ingress:\n  - ports: [{port: 5432, protocol: \"TCP\"}, {port: \"80\"}]\n");
  const auto json = ObjectJson(**FindKind("netpol"), item);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(
      json->dump(),
      R"({"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"db","namespace":"shop",)"
      R"("uid":"11111111-1111-1111-1111-111111111111","generation":2,"resourceVersion":"17"},)"
      R"("spec":{"podSelector":{},"ingress":[{"ports":[{"port":5432,"protocol":"TCP"},{"port":"80"}]}]}})");
}

TEST(ObjectJsonTest, EventsCallEveryKindAsTheCommandLineDoes) {
  for (const KindInfo& kind : AllKinds()) {
    const json::Resource resource = json::ResourceOf(kind.kind, kind.name);
    EXPECT_EQ(resource.name, kind.name);
    EXPECT_EQ(resource.api_version, kind.api_version) << kind.name;
    EXPECT_EQ(resource.namespaced, kind.namespaced) << kind.name;
  }
}

TEST(ObjectJsonTest, WithoutAManifestTheStoredFieldsAreReadable) {
  const auto json = ObjectJson(**FindKind("netpol"), PolicyItem());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["spec"]["blocks"][0]["rules"][0]["peers"][0]["cidr"]["cidr"], "10.0.0.0/8");
  EXPECT_EQ((*json)["metadata"]["name"], "db");
  EXPECT_FALSE((*json)["spec"].contains("meta"));
}

TEST(ObjectJsonTest, AddressesAndUidsAreText) {
  v1::GetResult::Item item;
  v1::Endpoint& endpoint = *item.mutable_object()->mutable_object()->mutable_endpoint();
  endpoint.mutable_meta()->set_uid(std::string(16, '\x22'));
  endpoint.set_name("cart-1");
  endpoint.set_namespace_("shop");
  endpoint.add_addresses()->set_ip(std::string("\x0a\x01\x01\x05", 4));
  const auto json = ObjectJson(**FindKind("ep"), item);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["spec"]["addresses"][0]["ip"], "10.1.1.5");
  EXPECT_EQ((*json)["metadata"]["uid"], "22222222-2222-2222-2222-222222222222");
  EXPECT_EQ((*json)["metadata"]["name"], "cart-1");
}

TEST(ObjectJsonTest, YamlReadsBackAsTheSameJson) {
  const Json json = Json::parse(
      R"({"a":1,"b":"1","c":true,"d":"true","e":null,"f":"","g":[],"h":[1,"x: y"],"i":{"j":"10.0.0.0/8"},"k":"null","l":{}})");
  const std::string yaml = ToYaml(json);
  const auto back = FromYaml(yaml);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, json) << yaml;
  EXPECT_EQ(ToYaml(Json::parse(R"({"kind":"List","items":[{"name":"a","port":80}]})")),
            "kind: List\nitems:\n  - name: a\n    port: 80\n");
}

TEST(ObjectJsonTest, BrokenYamlIsAnErrorWithItsLine) {
  EXPECT_NE(FromYaml("a: [1,\n").status().message().find("line"), absl::string_view::npos);
}

}  // namespace
}  // namespace trivium::cli
