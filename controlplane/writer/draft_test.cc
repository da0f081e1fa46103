#include "controlplane/writer/draft.h"

#include <algorithm>
#include <random>

#include "controlplane/writer/identity_allocator.h"
#include "controlplane/writer/planner_fixture.h"

namespace trivium {
namespace {

// Several requests in one batch.
class DraftTest : public PlannerTest {
 protected:
  DraftTest() { MakeShop(); }
};

TEST_F(DraftTest, ALaterRequestSeesTheEarlierOnes) {
  v1::Changes changes = CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Apply(NamespaceYaml("new")), Ctl(), draft).ok());
    ASSERT_TRUE(planner_.Plan(Apply(PolicyYaml("new", "db")), Ctl(), draft).ok());
    ASSERT_TRUE(planner_.Plan(Add(1, "new", "a", "n1", "10.1.1.5"), NodeCaller("n1"), draft).ok());
    ASSERT_TRUE(planner_.Plan(Add(2, "new", "b", "n2", "10.1.2.5"), NodeCaller("n2"), draft).ok());
    EXPECT_FALSE(planner_.Plan(Add(3, "new", "c", "n1", "10.1.1.5"), NodeCaller("n1"), draft).ok());
  });
  EXPECT_EQ(changes.changes_size(), 5);  // both endpoints share one new identity
  EXPECT_EQ(FindEndpoint(1)->identity(), FindEndpoint(2)->identity());
  EXPECT_EQ(FindEndpoint(3), nullptr);
}

TEST_F(DraftTest, ADeletedEndpointIsCalledByItsName) {
  ASSERT_TRUE(Do(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  const v1::Changes changes = CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Remove(1, "n1"), NodeCaller("n1"), draft).ok());
  });
  ASSERT_EQ(changes.changes_size(), 1);
  EXPECT_EQ(changes.changes(0).op(), v1::Change::DELETE);
  EXPECT_EQ(changes.changes(0).key(), EndpointKey(Id128{0xe0, 1}));
  EXPECT_EQ(changes.changes(0).object().endpoint().namespace_(), "shop");
  EXPECT_EQ(changes.changes(0).object().endpoint().name(), "a");
}

TEST_F(DraftTest, ARefusedRequestLeavesNoTraceInTheIndex) {
  CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1"), draft).ok());
    // Would replace endpoint 1, but its second address is taken by nobody's leave.
    v1::Request bad = Add(2, "shop", "a", "n1", "10.1.1.5");
    bad.mutable_add_endpoint()->add_ips(MakeIp("10.1.1.6"));
    ASSERT_TRUE(planner_.Plan(Add(3, "shop", "c", "n1", "10.1.1.6"), NodeCaller("n1"), draft).ok());
    EXPECT_THAT(planner_.Plan(bad, NodeCaller("n1"), draft), Refuses(absl::StatusCode::kAborted, "10.1.1.6"));
    EXPECT_EQ(draft->index().EndpointByName("shop", "a"), EndpointKey(Id128{0xe0, 1}));
    EXPECT_EQ(draft->index().EndpointByAddress(3, MakeIp("10.1.1.5")), EndpointKey(Id128{0xe0, 1}));
  });
  EXPECT_NE(FindEndpoint(1), nullptr);
  EXPECT_NE(FindEndpoint(3), nullptr);
}

TEST_F(DraftTest, AnAbandonedDraftLeavesTheIndexAsItWas) {
  ASSERT_TRUE(Do(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  {
    Draft draft(&cluster_.mirror(), cluster_.index(), cluster_.position().revision + 1);
    ASSERT_TRUE(planner_.Plan(Remove(1, "n1"), NodeCaller("n1"), &draft).ok());
    ASSERT_TRUE(planner_.Plan(Add(2, "shop", "b", "n1", "10.1.1.5", "other"), NodeCaller("n1"), &draft).ok());
    EXPECT_EQ(draft.index().EndpointByAddress(3, MakeIp("10.1.1.5")), EndpointKey(Id128{0xe0, 2}));
  }
  EXPECT_EQ(cluster_.index()->EndpointByAddress(3, MakeIp("10.1.1.5")), EndpointKey(Id128{0xe0, 1}));
  EXPECT_EQ(cluster_.index()->EndpointByName("shop", "b"), "");
  EXPECT_EQ(cluster_.index()->References(FindEndpoint(1)->identity()), 1u);
  EXPECT_EQ(cluster_.index()->References(FindEndpoint(1)->identity() + 1), 0u);
}

TEST_F(DraftTest, ChangesOfOneActorCoalesceAndNameWhatTheyReplace) {
  const Caller first = NodeCaller("n1");
  const Caller second = NodeCaller("n1");
  const v1::Changes changes = CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Add(1, "shop", "a", "n1", "10.1.1.5"), first, draft).ok());
    ASSERT_TRUE(planner_.Plan(Add(1, "shop", "a", "n1", "10.1.1.5", "other"), second, draft).ok());
  });
  ASSERT_EQ(changes.changes_size(), 3);  // two identities, one endpoint
  int endpoints = 0;
  for (const v1::Change& change : changes.changes()) {
    if (!change.object().has_endpoint()) continue;
    ++endpoints;
    EXPECT_EQ(change.request_id(), second.request_id.ToBytes());
    ASSERT_EQ(change.replaced_request_ids_size(), 1);
    EXPECT_EQ(change.replaced_request_ids(0), first.request_id.ToBytes());
    EXPECT_EQ(change.object().endpoint().meta().generation(), 2u);
  }
  EXPECT_EQ(endpoints, 1);
}

TEST_F(DraftTest, ChangesOfTwoActorsDoNot) {
  Caller bob = CallerOf("ctl", "bob");
  CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Apply(PolicyYaml("shop", "db")), Ctl(), draft).ok());
    const absl::StatusOr<Planned> planned = planner_.Plan(Apply(PolicyYaml("shop", "db", "x")), bob, draft);
    ASSERT_TRUE(planned.ok()) << planned.status();
    EXPECT_TRUE(planned->deferred);
    EXPECT_EQ(draft->size(), 1u);
    EXPECT_EQ(draft->Find(v1::KIND_POLICY, "NetworkPolicy/shop/db")->policy().meta().generation(), 1u);
  });
}

TEST_F(DraftTest, WhatDoesNotFitWaits) {
  CommitPlan(&cluster_, [&](Draft* draft) {
    for (int i = 0; i < 999; ++i) {
      ASSERT_TRUE(planner_.Plan(Apply(NamespaceYaml("ns" + std::to_string(i))), Ctl(), draft).ok());
    }
    const absl::StatusOr<Planned> two =
        planner_.Plan(Apply(NamespaceYaml("x") + "---\n" + NamespaceYaml("y")), Ctl(), draft);
    ASSERT_TRUE(two.ok());
    EXPECT_TRUE(two->deferred);
    EXPECT_EQ(draft->size(), 999u);
    const absl::StatusOr<Planned> one = planner_.Plan(Apply(NamespaceYaml("x")), Ctl(), draft);
    ASSERT_TRUE(one.ok());
    EXPECT_FALSE(one->deferred);
    EXPECT_EQ(draft->size(), 1000u);
  });
}

TEST_F(DraftTest, MadeAndRemovedInOneBatch) {
  CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1"), draft).ok());
    ASSERT_TRUE(planner_.Plan(Remove(1, "n1"), NodeCaller("n1"), draft).ok());
  });
  EXPECT_EQ(FindEndpoint(1), nullptr);
  EXPECT_EQ(cluster_.index()->EndpointByAddress(3, MakeIp("10.1.1.5")), "");
}

// Two batches of random requests: the second is planned over the first before and after that one is
// committed, with the same uids.
class DraftOverBatchTest : public DraftTest {
 protected:
  using Requests = std::vector<std::pair<v1::Request, Caller>>;

  Requests RandomRequests() {
    Requests requests;
    for (size_t i = 0, n = 1 + Draw(12); i < n; ++i) {
      const std::string number = std::to_string(Draw(5));
      const std::string node = Draw(2) == 0 ? "n1" : "n2";
      const std::string ip = std::string(node == "n1" ? "10.1.1." : "10.1.2.") + std::to_string(10 + Draw(6));
      switch (Draw(6)) {
        case 0:
          requests.emplace_back(Remove(Draw(8), node), NodeCaller(node));
          break;
        case 1:
          requests.emplace_back(Apply(NamespaceYaml("shop", "{team: t" + number + "}")), Ctl());
          break;
        case 2:
          requests.emplace_back(Apply(PolicyYaml("shop", "p" + number, "app" + std::to_string(Draw(3)))),
                                Ctl());
          break;
        case 3:
          requests.emplace_back(Delete("NetworkPolicy", "shop", "p" + number), Ctl());
          break;
        default:
          requests.emplace_back(
              Add(Draw(8), "shop", "pod" + number, node, ip, "app" + std::to_string(Draw(3))),
              NodeCaller(node));
      }
    }
    return requests;
  }

  // What planning these leaves, refusals included.
  std::string Plan(const Requests& requests, Draft* draft) {
    std::string outcome;
    for (const auto& [request, caller] : requests) {
      const absl::StatusOr<Planned> planned = planner_.Plan(request, caller, draft);
      outcome += planned.ok() ? planned->reply.SerializeAsString() + (planned->deferred ? "deferred" : "")
                              : planned.status().ToString();
      outcome += "\n";
    }
    std::string objects;
    for (const v1::Kind kind : {v1::KIND_NAMESPACE, v1::KIND_IDENTITY, v1::KIND_ENDPOINT, v1::KIND_POLICY}) {
      std::vector<std::string> found;
      draft->ForEach(kind, [&](const v1::Object& object) {
        found.push_back(KeyOf(object).key + (draft->Created(kind, KeyOf(object).key) ? " new" : ""));
      });
      std::sort(found.begin(), found.end());
      for (const std::string& key : found) objects += key + "\n";
    }
    return outcome + objects + Index() + draft->ToChanges().DebugString() + draft->DigestAfter().ToHex();
  }

  // All that the index says.
  std::string Index() {
    std::string text;
    for (int n = 0; n < 6; ++n) {
      text += cluster_.index()->EndpointByName("shop", "pod" + std::to_string(n)) + ";";
      for (const std::string net : {"10.1.1.", "10.1.2."}) {
        text += cluster_.index()->EndpointByAddress(3, MakeIp(net + std::to_string(10 + n))) + ";";
      }
    }
    for (uint32_t node = 1; node <= 2; ++node) {
      for (const std::string& key : cluster_.index()->EndpointsOn(node)) text += key + ";";
    }
    for (const std::string& key : cluster_.index()->EndpointsIn("shop")) text += key + ";";
    for (const std::string& key : cluster_.index()->PoliciesIn("shop")) text += key + ";";
    for (uint32_t id = kFirstIdentity; id < kFirstIdentity + 40; ++id) {
      text += std::to_string(cluster_.index()->References(id)) + ",";
    }
    return text + std::to_string(cluster_.index()->identities()) + "\n";
  }

  size_t Draw(size_t n) { return engine_() % n; }
  std::mt19937 engine_{1};
};

TEST_F(DraftOverBatchTest, IsAsIfThatBatchWereCommitted) {
  for (int round = 0; round < 400; ++round) {
    const Requests first = RandomRequests();
    const Requests second = RandomRequests();
    const Position at = cluster_.position();
    absl::StatusOr<Batch> batch = absl::UnknownError("nothing changed");
    {
      Draft draft(&cluster_.mirror(), cluster_.index(), at.revision + 1);
      Plan(first, &draft);
      if (draft.empty()) continue;
      batch =
          EncodeBatch(kCluster, at.epoch, at.revision + 1, at.batch, draft.DigestAfter(), draft.ToChanges());
    }
    ASSERT_TRUE(batch.ok());
    const std::string alone = Index();
    const CountingRandom random = random_;
    std::string early;
    {
      Draft draft(&cluster_.mirror(), cluster_.index(), at.revision + 2, &*batch);
      early = Plan(second, &draft);
    }
    ASSERT_EQ(Index(), alone) << "the draft left a trace, round " << round;
    ASSERT_EQ(cluster_.Apply(*batch), Replica::Outcome::kApplied);
    random_ = random;
    Draft draft(&cluster_.mirror(), cluster_.index(), at.revision + 2);
    ASSERT_EQ(early, Plan(second, &draft)) << "round " << round;
  }
  EXPECT_GT(cluster_.position().revision, 200u);
}

}  // namespace
}  // namespace trivium
