// What an agent answers to "why": audit mode, an endpoint's maps beside what they should be, flows in words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "nodeagent/delta/pod.h"
#include "schema/subjects.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"
#include "trivium/v1/monitor.pb.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AgentWhy : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5432));
    world_.aws.Commit();
    ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
    ASSERT_EQ(world_.AddPod(2, "cart", "cart", "10.1.1.11").code(), 0u);
  }

  v1::AgentReply SetAudit(const std::string& name, bool on) {
    v1::AgentRequest request;
    request.mutable_config()->set_namespace_("shop");
    request.mutable_config()->set_name(name);
    request.mutable_config()->set_policy_audit_mode(on);
    return world_.Call(request);
  }
  v1::LocalEndpoint Endpoint(const std::string& name) {
    v1::AgentRequest request;
    request.mutable_list();
    const v1::AgentReply reply = world_.Call(request);
    for (const v1::LocalEndpoint& each : reply.list().endpoints()) {
      if (each.name() == name) return each;
    }
    ADD_FAILURE() << "no endpoint " << name;
    return {};
  }
  // How many directions of the endpoint the kernel judges without enforcing.
  int AuditedDirections(uint32_t number) {
    int audited = 0;
    for (const auto& [key, value] : world_.maps.content(MapId::kEndpointPolicy)) {
      if (FromBytes<endpoint_policy_key>(key).endpoint != number) continue;
      audited += (FromBytes<endpoint_policy_value>(value).flags & ENDPOINT_POLICY_AUDIT) != 0 ? 1 : 0;
    }
    return audited;
  }
  v1::AgentReply Maps(const std::string& name, uint32_t limit = 0) {
    v1::AgentRequest request;
    request.mutable_endpoint_maps()->set_namespace_("shop");
    request.mutable_endpoint_maps()->set_name(name);
    request.mutable_endpoint_maps()->set_limit(limit);
    return world_.Call(request);
  }

  AgentWorld world_;
};

TEST_F(AgentWhy, AuditModeOfOneEndpointStandsInTheMapsAndIsKept) {
  const uint32_t number = Endpoint("db").number();
  EXPECT_EQ(AuditedDirections(number), 0);
  const v1::AgentReply on = SetAudit("db", true);
  ASSERT_EQ(on.code(), 0u) << on.message();
  EXPECT_TRUE(on.config().policy_audit_mode());
  EXPECT_EQ(AuditedDirections(number), 2);
  EXPECT_EQ(AuditedDirections(Endpoint("cart").number()), 0);
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 1u);
  EXPECT_EQ(Endpoint("db").state(), v1::ENDPOINT_READY);

  // Policies go on changing under it, and a new agent does not forget.
  world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5433));
  world_.aws.Commit();
  world_.Settle();
  EXPECT_EQ(AuditedDirections(number), 2);
  world_.Kill();
  ASSERT_TRUE(world_.Start().ok());
  world_.Settle();
  EXPECT_EQ(AuditedDirections(number), 2);
  EXPECT_TRUE(Endpoint("db").policy_audit_mode());

  const v1::AgentReply off = SetAudit("db", false);
  EXPECT_FALSE(off.config().policy_audit_mode());
  EXPECT_EQ(AuditedDirections(number), 0);
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 0u);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentWhy, AuditModeThatCannotBeWrittenIsSaid) {
  world_.maps.SetFault([](const FakeMapIo::Write& write) { return write.map == MapId::kEndpointPolicy; });
  const v1::AgentReply reply = SetAudit("db", true);
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(reply.message(), HasSubstr("does not stand in the maps yet"));
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 0u);
  world_.maps.SetFault(nullptr);
  world_.Run(absl::Seconds(15));
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 1u) << "it is tried again";
}

TEST_F(AgentWhy, AuditModeOfTheNodeIsEveryEndpoints) {
  world_.Kill();
  world_.config.policy_audit_mode = true;
  ASSERT_TRUE(world_.Start().ok());
  world_.Settle();
  ASSERT_EQ(world_.AddPod(3, "late", "db", "10.1.1.12").code(), 0u);
  for (const char* name : {"db", "cart", "late"})
    EXPECT_EQ(AuditedDirections(Endpoint(name).number()), 2) << name;
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 3u);
  const v1::AgentReply off = SetAudit("db", false);
  EXPECT_EQ(off.code(), static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(off.message(), HasSubstr("policy_audit_mode: true"));
  // Taken out of the configuration, everything is enforced again.
  world_.Kill();
  world_.config.policy_audit_mode = false;
  ASSERT_TRUE(world_.Start().ok());
  world_.Settle();
  EXPECT_EQ(world_.Status().status().audited_endpoints(), 0u);
}

TEST_F(AgentWhy, BadSettingsAreNamed) {
  EXPECT_EQ(SetAudit("none", true).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  v1::AgentRequest nothing;
  nothing.mutable_config()->set_namespace_("shop");
  nothing.mutable_config()->set_name("db");
  EXPECT_THAT(world_.Call(nothing).message(), HasSubstr("nothing to set"));
  nothing.mutable_config()->clear_name();
  EXPECT_THAT(world_.Call(nothing).message(), HasSubstr("want a number, or a namespace and a name"));
}

TEST_F(AgentWhy, MapsShowBothSidesWithTheRules) {
  const v1::AgentReply reply = Maps("db");
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  const v1::EndpointMapsResult& maps = reply.endpoint_maps();
  EXPECT_EQ(maps.endpoint().name(), "db");
  EXPECT_EQ(maps.differences(), 0u);
  EXPECT_EQ(maps.total(), static_cast<uint32_t>(maps.entries_size()));
  std::map<std::string, int> seen;
  bool ruled = false;
  for (const v1::EndpointMapsResult::Entry& entry : maps.entries()) {
    ++seen[entry.map()];
    EXPECT_EQ(entry.desired(), entry.kernel()) << entry.map() << " " << entry.key();
    EXPECT_FALSE(entry.desired().empty());
    if (entry.rule().find("NetworkPolicy/shop/db spec.ingress[0] of revision ") == 0) {
      ruled = true;
      EXPECT_EQ(entry.map(), "policy_verdict");
      EXPECT_EQ(entry.desired(), "allow");
    }
  }
  EXPECT_TRUE(ruled) << "a verdict names its rule";
  EXPECT_EQ(seen["endpoints"], 1);
  EXPECT_EQ(seen["ipcache"], 1);
  EXPECT_EQ(seen["endpoint_policy"], 2);
  EXPECT_GE(seen["policy_class"], 1);
  EXPECT_THAT(Maps("none").message(), HasSubstr("is not on node n1"));
}

TEST_F(AgentWhy, MapsShowWhatDiffersFirst) {
  // Somebody else empties a direction, and turns another's verdicts.
  MapRecords keys, verdicts;
  const uint32_t number = Endpoint("db").number();
  for (const auto& [key, value] : world_.maps.content(MapId::kEndpointPolicy)) {
    const auto k = FromBytes<endpoint_policy_key>(key);
    if (k.endpoint == number && k.direction == DIRECTION_EGRESS) keys.Add(key);
  }
  keys.key_size = sizeof(endpoint_policy_key);
  for (const auto& [key, value] : world_.maps.content(MapId::kPolicyVerdict)) {
    auto v = FromBytes<policy_verdict_value>(value);
    if (FromBytes<policy_verdict_key>(key).rule_set != Endpoint("db").ingress_rule_set()) continue;
    v.action = v.action == POLICY_ALLOW ? POLICY_DENY : POLICY_ALLOW;
    verdicts.Add(key, Bytes(v));
    break;
  }
  verdicts.key_size = sizeof(policy_verdict_key);
  verdicts.value_size = sizeof(policy_verdict_value);
  ASSERT_TRUE(world_.maps.Delete(MapId::kEndpointPolicy, keys).ok());
  ASSERT_TRUE(world_.maps.Update(MapId::kPolicyVerdict, verdicts).ok());

  const v1::AgentReply reply = Maps("db", 2);
  const v1::EndpointMapsResult& maps = reply.endpoint_maps();
  EXPECT_EQ(maps.differences(), 2u);
  EXPECT_GT(maps.total(), 2u);
  ASSERT_THAT(maps.entries(), SizeIs(2));
  EXPECT_EQ(maps.entries(0).map(), "endpoint_policy");
  EXPECT_THAT(maps.entries(0).key(), HasSubstr("egress"));
  EXPECT_THAT(maps.entries(0).desired(), HasSubstr("rule set "));
  EXPECT_EQ(maps.entries(0).kernel(), "");
  EXPECT_EQ(maps.entries(1).map(), "policy_verdict");
  EXPECT_NE(maps.entries(1).desired(), maps.entries(1).kernel());
}

TEST_F(AgentWhy, FlowsNameWhoTheNodeKnowsAndGoToTheMonitor) {
  std::vector<v1::FlowEvents> heard;
  const std::unique_ptr<FakeBus> admin = world_.broker.Connect("aws:ctl:admin");
  ASSERT_TRUE(admin
                  ->Subscribe(subjects::EveryFlows("aws"), "", &world_.executor,
                              [&](const Message& message) {
                                EXPECT_EQ(message.subject, subjects::Flows("aws", "n1"));
                                EXPECT_TRUE(heard.emplace_back().ParseFromString(message.payload));
                              })
                  .ok());
  flow_event event{};
  event.endpoint = Endpoint("db").number();
  event.remote_identity = Endpoint("cart").identity();
  event.rule_set = Endpoint("db").ingress_rule_set();
  event.reason = 1;
  event.family = 4;
  event.protocol = 6;
  event.destination_port[1] = 80;
  event.time_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(world_.clock.Monotonic()));
  std::memcpy(event.source, Ip("10.1.1.11").data(), 4);
  std::memcpy(event.destination, Ip("10.1.1.10").data(), 4);
  world_.app->OnFlow(event);
  world_.Run(absl::Seconds(1));
  ASSERT_THAT(heard, SizeIs(1));
  ASSERT_THAT(heard[0].events(), SizeIs(1));
  const v1::FlowEvent& flow = heard[0].events(0);
  EXPECT_EQ(flow.source(), "aws/shop/cart");
  EXPECT_EQ(flow.destination(), "aws/shop/db");
  EXPECT_EQ(flow.destination_identity(), Endpoint("db").identity());
  EXPECT_EQ(flow.endpoint(), "shop/db");
  EXPECT_GT(flow.revision(), 0u);
  EXPECT_EQ(flow.policy(), "");
  v1::AgentRequest request;
  request.mutable_flows();
  EXPECT_THAT(world_.Call(request).flows().lines(0), HasSubstr("aws/shop/cart 10.1.1.11 -> aws/shop/db"));
}

}  // namespace
}  // namespace trivium
