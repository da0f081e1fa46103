// The life of an endpoint, from the socket's request to the maps and back, with and without a control plane.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint32_t kIn = 0;

class AgentEndpoint : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
  }
  MapVerdict In(const std::string& local, const std::string& remote, uint16_t port) {
    return Judge(world_.maps, {Ip(local), Ip(remote), kIn, 6, port});
  }
  AgentWorld world_;
};

TEST_F(AgentEndpoint, StartsWhenItsPolicyStands) {
  world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5432));
  world_.aws.Commit();
  const v1::AgentReply reply = world_.AddPod(1, "db", "db", "10.1.1.10");
  EXPECT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.added().endpoint().state(), v1::ENDPOINT_READY);
  EXPECT_GT(reply.added().endpoint().identity(), 255u);
  EXPECT_EQ(reply.added().host_mac().size(), 6u);
  EXPECT_TRUE(world_.devices.devices().at("lxcdb").up);
  ASSERT_EQ(world_.AddPod(2, "cart", "cart", "10.1.1.11").code(), 0u);
  ASSERT_EQ(world_.AddPod(3, "web", "web", "10.1.1.12").code(), 0u);
  EXPECT_EQ(In("10.1.1.10", "10.1.1.11", 5432), MapVerdict::kAllow);
  EXPECT_EQ(In("10.1.1.10", "10.1.1.11", 5433), MapVerdict::kDeny);
  EXPECT_EQ(In("10.1.1.10", "10.1.1.12", 5432), MapVerdict::kDeny);
  EXPECT_EQ(In("10.1.1.11", "10.1.1.12", 80), MapVerdict::kAllow);
  EXPECT_EQ(In("10.1.1.10", "10.1.1.99", 5432), MapVerdict::kUnknownPod);
  EXPECT_EQ(In("10.1.1.11", "10.1.1.1", 80), MapVerdict::kAllow) << "its own node";
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentEndpoint, IsClosedUntilThen) {
  bool raised_closed = false;
  bool entry_before_policy = false;
  world_.maps.SetObserver([&](const FakeMapIo::Write& write) {
    if (write.map == MapId::kEndpoints && !write.deletion) {
      entry_before_policy |= world_.maps.content(MapId::kEndpointPolicy).empty();
    }
    const auto device = world_.devices.devices().find("lxcdb");
    if (device == world_.devices.devices().end() || !device->second.up) return;
    raised_closed |= world_.maps.content(MapId::kEndpointPolicy).size() < 2;
  });
  EXPECT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  EXPECT_TRUE(entry_before_policy);
  EXPECT_FALSE(raised_closed);
  EXPECT_TRUE(world_.devices.devices().at("lxcdb").up);
}

TEST_F(AgentEndpoint, AddingAgainIsTheSame) {
  const v1::AgentReply first = world_.AddPod(0, "db", "db", "10.1.1.10");
  const v1::AgentReply again = world_.AddPod(0, "db", "db", "10.1.1.10");
  EXPECT_EQ(again.code(), 0u) << again.message();
  EXPECT_EQ(first.added().endpoint().uid(), again.added().endpoint().uid());
  EXPECT_EQ(first.added().endpoint().number(), again.added().endpoint().number());
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 1u);
  const v1::AgentReply other = world_.AddPod(0, "db", "db", "10.1.1.20");
  EXPECT_EQ(other.code(), static_cast<uint32_t>(absl::StatusCode::kAlreadyExists));
  const v1::AgentReply thief = world_.AddPod(0, "cart", "cart", "10.1.1.10");
  EXPECT_EQ(thief.code(), static_cast<uint32_t>(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(thief.message(), HasSubstr("shop/db"));
}

TEST_F(AgentEndpoint, BadRequestsAreNamedAndChangeNothing) {
  auto refused = [&](auto&& spoil, const std::string& why) {
    v1::AgentRequest request = world_.AddRequest(7, "x", "x", "10.1.1.50");
    spoil(request.mutable_add());
    const v1::AgentReply reply = world_.Call(request);
    EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument)) << why;
    EXPECT_THAT(reply.message(), HasSubstr(why));
  };
  refused([](v1::EndpointAdd* add) { add->set_namespace_("Shop"); }, "namespace");
  refused([](v1::EndpointAdd* add) { add->set_name(""); }, "name");
  refused([](v1::EndpointAdd* add) { add->set_uid("short"); }, "uid");
  refused([](v1::EndpointAdd* add) { add->clear_ips(); }, "ips");
  refused([](v1::EndpointAdd* add) { add->add_ips("abc"); }, "3 bytes");
  refused([](v1::EndpointAdd* add) { add->add_ips(Ip("10.1.1.51")); }, "one family");
  refused([](v1::EndpointAdd* add) { add->set_ips(0, Ip("10.1.2.1")); }, "10.1.1.0/24");
  refused([](v1::EndpointAdd* add) { add->set_ifname(""); }, "ifname");
  refused([](v1::EndpointAdd* add) { add->set_pod_mac("12"); }, "pod_mac");
  refused([](v1::EndpointAdd* add) { (*add->mutable_labels())["a b"] = "c"; }, "a b");
  v1::AgentRequest no_device = world_.AddRequest(7, "x", "x", "10.1.1.50");
  no_device.mutable_add()->set_ifname("nosuch");
  EXPECT_EQ(world_.Call(no_device).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_EQ(world_.Call(v1::AgentRequest()).code(),
            static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(world_.maps.content(MapId::kEndpoints).empty());
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 0u);
  v1::AgentRequest list;
  list.mutable_list();
  EXPECT_TRUE(world_.Call(list).list().endpoints().empty());
}

TEST_F(AgentEndpoint, WhatTheControlPlaneRefusesLeavesNothing) {
  v1::AgentRequest request = world_.AddRequest(1, "db", "db", "10.1.1.10");
  request.mutable_add()->set_namespace_("nosuch");
  const v1::AgentReply reply = world_.Call(request);
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(reply.message(), HasSubstr("namespace"));
  world_.Run(absl::Seconds(1));
  EXPECT_TRUE(world_.maps.content(MapId::kEndpoints).empty());
  EXPECT_FALSE(world_.devices.devices().at("lxcdb").up);
  EXPECT_FALSE(world_.devices.devices().at("lxcdb").attached);
}

TEST_F(AgentEndpoint, ClosesBeforeItGoes) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.maps.ClearJournal();
  EXPECT_EQ(world_.DelPod("db").code(), 0u);
  EXPECT_FALSE(world_.devices.devices().at("lxcdb").attached);
  EXPECT_TRUE(world_.maps.content(MapId::kEndpointPolicy).empty());
  EXPECT_TRUE(world_.maps.content(MapId::kEndpoints).empty());
  ASSERT_FALSE(world_.maps.journal().empty());
  EXPECT_EQ(world_.maps.journal()[0].map, MapId::kEndpointPolicy);
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 0u);
  EXPECT_THAT(world_.Audit(), IsEmpty());
  EXPECT_EQ(world_.DelPod("db").code(), 0u) << "again";
}

TEST_F(AgentEndpoint, WithoutControlPlaneAKnownLabelSetStarts) {
  ASSERT_EQ(world_.AddPod(1, "db-0", "db", "10.1.1.10").code(), 0u);
  world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5432));
  world_.aws.Commit();
  world_.Settle();
  world_.Disconnect();
  const v1::AgentReply reply = world_.AddPod(2, "db-1", "db", "10.1.1.20");
  EXPECT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.added().endpoint().state(), v1::ENDPOINT_READY_UNREGISTERED);
  EXPECT_THAT(reply.message(), HasSubstr("unregistered"));
  EXPECT_TRUE(world_.devices.devices().at("lxcdb-1").up);
  EXPECT_EQ(In("10.1.1.20", "10.1.1.10", 5432), MapVerdict::kDeny) << "its policy stands";
  world_.Connect();
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 2u) << "registered by itself";
  v1::AgentRequest list;
  list.mutable_list();
  const v1::AgentReply reply_list = world_.Call(list);
  EXPECT_EQ(reply_list.list().endpoints_size(), 2);
  for (const v1::LocalEndpoint& endpoint : reply_list.list().endpoints()) {
    EXPECT_EQ(endpoint.state(), v1::ENDPOINT_READY);
    EXPECT_TRUE(endpoint.registered());
  }
}

TEST_F(AgentEndpoint, IsNotRaisedWhileItsAddressLeadsToThePodBefore) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  ASSERT_EQ(In("10.1.1.10", "192.0.2.1", 80), MapVerdict::kAllow);
  world_.Disconnect();
  world_.maps.SetFault([](const FakeMapIo::Write& write) {
    return write.map == MapId::kEndpoints || write.map == MapId::kEndpointPolicy;
  });
  world_.DelPod("db");  // whatever comes of it
  const v1::AgentReply reply = world_.AddPod(2, "new", "new", "10.1.1.10");
  EXPECT_NE(reply.code(), 0u);
  EXPECT_FALSE(world_.devices.devices().at("lxcnew").up);
  world_.maps.SetFault(nullptr);
  world_.Run(absl::Seconds(5));
  EXPECT_TRUE(world_.devices.devices().at("lxcnew").up);
  EXPECT_EQ(In("10.1.1.10", "192.0.2.1", 80), MapVerdict::kClosed);
}

TEST_F(AgentEndpoint, WithoutControlPlaneUnknownLabelsAreLockedDown) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.Disconnect();
  const v1::AgentReply reply = world_.AddPod(2, "new", "new", "10.1.1.20");
  EXPECT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.added().endpoint().state(), v1::ENDPOINT_LOCKED_DOWN);
  EXPECT_EQ(In("10.1.1.20", "10.1.1.10", 80), MapVerdict::kClosed);
  EXPECT_EQ(In("10.1.1.10", "10.1.1.20", 80), MapVerdict::kUnknownPod);
  world_.Connect();
  world_.Settle();
  EXPECT_EQ(In("10.1.1.20", "10.1.1.10", 80), MapVerdict::kAllow) << "opened by itself";
  EXPECT_EQ(In("10.1.1.10", "10.1.1.20", 80), MapVerdict::kAllow);
}

TEST_F(AgentEndpoint, ARemovalIsDoneWhenTheListOnDiskKnowsIt) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.files.SetGate(
      [](const std::string&, size_t, size_t*) { return absl::ResourceExhaustedError("no space left"); });
  EXPECT_NE(world_.DelPod("db").code(), 0u);
  EXPECT_NE(world_.DelPod("refused-before").code(), 0u) << "the list may still have it";
  world_.files.SetGate(nullptr);
  EXPECT_EQ(world_.DelPod("refused-before").code(), 0u);
  EXPECT_EQ(world_.DelPod("db").code(), 0u);
}

TEST_F(AgentEndpoint, ARemovalWithoutControlPlaneIsToldLater) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.Disconnect();
  EXPECT_EQ(world_.DelPod("db").code(), 0u);
  EXPECT_TRUE(world_.maps.content(MapId::kEndpointPolicy).empty());
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 1u);
  // Even by the next run of the agent.
  world_.Kill();
  ASSERT_TRUE(world_.Start().ok());
  world_.Connect();
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 0u);
}

TEST_F(AgentEndpoint, SurvivesARestartUntouched) {
  world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5432));
  world_.aws.Commit();
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  ASSERT_EQ(world_.AddPod(2, "cart", "cart", "10.1.1.11").code(), 0u);
  world_.Settle();
  const auto before = world_.maps.contents();
  world_.Kill();
  world_.Disconnect();
  world_.maps.ClearJournal();
  ASSERT_TRUE(world_.Start().ok());
  world_.Disconnect(false);
  world_.Run(absl::Seconds(5));
  // Not one record but the reserved numbers is written: rule sets, classes and endpoints are recognised.
  for (const FakeMapIo::Write& write : world_.maps.journal()) EXPECT_EQ(write.map, MapId::kVector);
  EXPECT_EQ(world_.maps.content(MapId::kPolicyClass), before[static_cast<int>(MapId::kPolicyClass)]);
  EXPECT_EQ(world_.devices.devices().at("lxcdb").attaches, 2) << "a new agent brings its own programs";
  EXPECT_EQ(In("10.1.1.10", "10.1.1.11", 5432), MapVerdict::kAllow);
  world_.Connect();
  world_.Settle();
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentEndpoint, IsRegisteredAgainIfTheControlPlaneLostIt) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  const uint64_t before = 1;  // the namespace alone
  world_.aws.Restore(before);
  world_.Settle();
  world_.Run(absl::Seconds(5));
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 1u);
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_NODE).size(), 1u);
  EXPECT_EQ(In("10.1.1.10", "10.2.1.1", 80), MapVerdict::kAllow);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

// A restored database has a pod again whose address another one of the node has by now.
TEST_F(AgentEndpoint, WaitsUntilThePodThatHadItsAddressIsRemovedAgain) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  const uint64_t backup = world_.aws.revision();
  ASSERT_EQ(world_.DelPod("db").code(), 0u);
  ASSERT_EQ(world_.AddPod(2, "cart", "cart", "10.1.1.10").code(), 0u);
  world_.Kill();
  world_.aws.Restore(backup);
  ASSERT_TRUE(world_.Start().ok());
  // Asked again before the agent has heard that the first one is back.
  EXPECT_EQ(world_.AddPod(2, "cart", "cart", "10.1.1.10").code(), 0u);
  world_.Run(absl::Seconds(10));
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1))), nullptr);
  EXPECT_NE(world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(2))), nullptr);
  EXPECT_TRUE(world_.devices.devices().at("lxccart").up);
  EXPECT_EQ(In("10.1.1.10", "10.2.1.1", 80), MapVerdict::kAllow);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

// A registration that came late, a removal that a restored database has forgotten.
TEST_F(AgentEndpoint, WhatTheLogAloneHasIsRemovedThere) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  v1::Object stray = *world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1)));
  const uint32_t node = stray.endpoint().node();
  stray.mutable_endpoint()->mutable_meta()->set_uid(Uid(7).ToBytes());
  stray.mutable_endpoint()->mutable_addresses(0)->set_ip(Ip("10.1.1.17"));
  world_.aws.Upsert(stray);
  world_.aws.Upsert(EndpointObject(8, node + 1, stray.endpoint().identity(), "10.1.2.18"));
  world_.aws.Commit();
  world_.Settle();
  EXPECT_EQ(world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(7))), nullptr);
  EXPECT_NE(world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1))), nullptr) << "it is here";
  EXPECT_NE(world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(8))), nullptr) << "another node's";
}

// Settled endpoints are not looked at with every flush: what concerns them still counts at once, and does not
// wait for the look that comes every second.
TEST_F(AgentEndpoint, WhatConcernsSettledEndpointsCountsAtOnce) {
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.Run(absl::Milliseconds(2050));
  v1::Object stray = *world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1)));
  const auto has = [&](uint64_t uid) {
    return world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(uid))) != nullptr;
  };
  world_.aws.Delete(v1::KIND_ENDPOINT, EndpointKey(Uid(1)));
  world_.aws.Commit();
  world_.Run(absl::Milliseconds(100));
  EXPECT_TRUE(has(1)) << "registered again";

  world_.Run(absl::Milliseconds(2900));
  stray.mutable_endpoint()->mutable_meta()->set_uid(Uid(7).ToBytes());
  stray.mutable_endpoint()->mutable_addresses(0)->set_ip(Ip("10.1.1.17"));
  world_.aws.Upsert(stray);
  world_.aws.Commit();
  world_.Run(absl::Milliseconds(100));
  EXPECT_FALSE(has(7)) << "removed again";

  world_.Run(absl::Milliseconds(2900));
  world_.maps.SetFault([](const FakeMapIo::Write& write) { return write.map == MapId::kEndpointPolicy; });
  world_.aws.Upsert(AllowFrom("db", "db", "aws", "cart", 5432));
  world_.aws.Commit();
  world_.Run(absl::Milliseconds(100));
  v1::AgentRequest list;
  list.mutable_list();
  EXPECT_EQ(world_.Call(list).list().endpoints(0).state(), v1::ENDPOINT_NOT_ENFORCED);
  world_.maps.SetFault(nullptr);
  world_.Settle();
  EXPECT_EQ(world_.Call(list).list().endpoints(0).state(), v1::ENDPOINT_READY);
}

// After a restore an identity's number may be given to other labels, before the endpoint is registered again.
TEST_F(AgentEndpoint, IsNotJudgedAsWhoeverHasItsNumberNow) {
  const uint64_t before = world_.aws.revision();
  ASSERT_EQ(world_.AddPod(1, "db", "db", "10.1.1.10").code(), 0u);
  world_.Settle();
  const uint32_t identity =
      world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1)))->endpoint().identity();
  ASSERT_EQ(Judge(world_.maps, {Ip("10.1.1.10"), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kAllow);
  world_.aws.Refuse(absl::UnavailableError("busy"));
  world_.aws.Restore(before);
  world_.aws.Upsert(IdentityObject("aws", identity, {{"app", "web"}}));
  world_.aws.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(Judge(world_.maps, {Ip("10.1.1.10"), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kClosed);
  world_.aws.Refuse(absl::OkStatus());
  world_.Settle();
  world_.Run(absl::Seconds(10));
  EXPECT_EQ(Judge(world_.maps, {Ip("10.1.1.10"), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kAllow);
  const v1::Object* endpoint = world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(1)));
  ASSERT_NE(endpoint, nullptr);
  EXPECT_NE(endpoint->endpoint().identity(), identity);
}

TEST_F(AgentEndpoint, FullMapsKeepItClosedAndSayWhy) {
  world_.maps.SetCapacity(MapId::kPolicyVerdict, 0);
  v1::AgentRequest request = world_.AddRequest(1, "db", "db", "10.1.1.10");
  const v1::AgentReply reply = world_.Call(request);
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted)) << reply.message();
  EXPECT_THAT(reply.message(), HasSubstr("policy_verdict"));
  EXPECT_EQ(reply.added().endpoint().state(), v1::ENDPOINT_NOT_ENFORCED);
  EXPECT_FALSE(world_.devices.devices().at("lxcdb").up);
  EXPECT_TRUE(world_.maps.content(MapId::kEndpointPolicy).empty());
  world_.Run(absl::Seconds(1));
  bool reported = false;
  const v1::AgentStatusResult status = world_.Status();
  for (const v1::AppliedCluster& applied : status.status().applied()) {
    if (applied.cluster() != "aws") continue;
    EXPECT_LT(applied.enforced(), applied.received());
    reported = applied.problem().find("policy_verdict") != std::string::npos;
  }
  EXPECT_TRUE(reported);
  // Room again: it starts by itself.
  world_.maps.SetCapacity(MapId::kPolicyVerdict, 1000);
  world_.Settle();
  EXPECT_TRUE(world_.devices.devices().at("lxcdb").up);
}

TEST_F(AgentEndpoint, NothingIsAddedThatCannotBeKept) {
  world_.files.SetFault(absl::ResourceExhaustedError("disk full"));
  const v1::AgentReply reply = world_.AddPod(1, "db", "db", "10.1.1.10");
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(reply.message(), HasSubstr("disk full"));
  EXPECT_TRUE(world_.maps.content(MapId::kEndpoints).empty());
  EXPECT_EQ(world_.aws.mirror().All(v1::KIND_ENDPOINT).size(), 0u);
}

}  // namespace
}  // namespace trivium
