// Control planes among each other: racing, dying, cut off, restored.
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class ControlPlaneFlowTest : public ControlPlaneTest {
 protected:
  // Both hold what SQL holds.
  static void ExpectSame(const ClusterMirror& mirror, const FakeDatabase::ClusterRows& rows) {
    EXPECT_EQ(mirror.position().epoch, rows.head.epoch);
    EXPECT_EQ(mirror.position().revision, rows.head.revision);
    EXPECT_EQ(mirror.mirror().digest(), rows.head.digest);
  }
  v1::Head Have(const Replica& replica) { return replica.head(); }
};

TEST_F(ControlPlaneFlowTest, EveryControlPlaneMirrorsEveryCluster) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  ASSERT_EQ(Apply(NamespaceYaml("stock"), "gcp:ctl:bob").code(), 0u);
  Run(absl::Seconds(1));
  for (const auto& process : {&aws, &gcp}) {
    ExpectSame(*(*process)->app->mirrors()->Find("aws")->mirror, Rows(1));
    ExpectSame(*(*process)->app->mirrors()->Find("gcp")->mirror, Rows(2));
  }
  const v1::Reply reply = Get("ns", "", "", "gcp");
  ASSERT_EQ(reply.get().items_size(), 2);
  EXPECT_EQ(reply.get().items(1).object().object().namespace_().name(), "stock");
  EXPECT_EQ(Get("clusters").get().items_size(), 2);
}

TEST_F(ControlPlaneFlowTest, WhatTheFeedLosesTheBeaconHeals) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  broker_.SetFilter([](const std::string&, const std::string&, const Message& message) {
    return message.subject != "trivium.v1.feed.aws";
  });
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  Run(absl::Seconds(2));
  ExpectSame(*gcp->app->mirrors()->Find("aws")->mirror, Rows(1));

  broker_.SetFilter([&](const std::string&, const std::string&, const Message& message) {
    return message.subject.find(".feed.") == std::string::npos || random_.Below(3) != 0;
  });
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Apply(NamespaceYaml("ns" + std::to_string(i))).code(), 0u);
  Run(absl::Seconds(3));
  ExpectSame(*gcp->app->mirrors()->Find("aws")->mirror, Rows(1));
}

TEST_F(ControlPlaneFlowTest, ADatabaseInReachHealsACutBus) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  broker_.Partition({{"gcp:cp:gcp-cp1#2"}});
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  Run(absl::Seconds(2));
  ExpectSame(*gcp->app->mirrors()->Find("aws")->mirror, Rows(1));
}

TEST_F(ControlPlaneFlowTest, ALostRegionHidesNoOther) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  std::vector<v1::Heads> beacons;
  std::unique_ptr<FakeBus> agent = broker_.Connect("agent");
  ASSERT_TRUE(agent
                  ->Subscribe(subjects::kHeads, "", &executor_,
                              [&](const Message& message) {
                                v1::Heads heads;
                                ASSERT_TRUE(heads.ParseFromString(message.payload));
                                if (heads.instance() == "aws:cp:aws-cp1") beacons.push_back(heads);
                              })
                  .ok());
  Run(absl::Seconds(2));
  ASSERT_GE(beacons.size(), 3u);
  EXPECT_EQ(beacons.back().heads_size(), 3);  // _mesh, aws, gcp
  EXPECT_EQ(beacons.back().region(), "eu-west-2");
  aws->store->SetHomeUnavailable(2, true);
  beacons.clear();
  Run(absl::Seconds(2));
  ASSERT_GE(beacons.size(), 3u) << "beacons go on";
  EXPECT_EQ(beacons.back().heads_size(), 2);
  for (const v1::Head& head : beacons.back().heads()) EXPECT_NE(head.cluster(), "gcp");
}

TEST_F(ControlPlaneFlowTest, TwoInstancesOfOneClusterRaceAndOneDies) {
  std::unique_ptr<Process> one = Start("aws", "aws-cp1");
  std::unique_ptr<Process> two = Start("aws", "aws-cp2");
  one->store->SetDelay(absl::Milliseconds(5), &random_);
  two->store->SetDelay(absl::Milliseconds(7), &random_);
  struct Sent {
    std::string name;
    std::string request;
    std::vector<v1::Reply> replies;
  };
  std::vector<std::shared_ptr<Sent>> all;
  client_ = broker_.Connect("client");
  // A client repeats a request until it is answered, by whichever instance the bus finds.
  std::function<void(std::shared_ptr<Sent>)> send = [&](const std::shared_ptr<Sent>& sent) {
    client_->Request(subjects::Api("aws", "aws:ctl:alice", "apply"), sent->request, absl::Milliseconds(200),
                     &executor_, [&, sent](const absl::StatusOr<std::string>& answer) {
                       v1::Reply reply;
                       if (answer.ok()) {
                         ASSERT_TRUE(reply.ParseFromString(*answer));
                       }
                       if (!answer.ok() || reply.code() != 0) {
                         executor_.PostAfter(absl::Milliseconds(50), [&, sent] { send(sent); });
                         return;
                       }
                       sent->replies.push_back(reply);
                     });
  };
  for (int i = 0; i < 200; ++i) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    auto sent = std::make_shared<Sent>();
    sent->name = "ns" + std::to_string(i);
    request.mutable_apply()->add_manifests()->set_text(NamespaceYaml(sent->name));
    sent->request = request.SerializeAsString();
    all.push_back(sent);
    send(sent);
    if (i % 5 == 0) Run(absl::Milliseconds(3));
    if (i == 60) two->store->FailNextCommits({FakeStore::CommitFault::kAmbiguousCommitted});
    if (i == 100) Kill(&one);
    if (i == 150) one = Launch(Config("aws", "aws-cp1"));
  }
  Run(absl::Seconds(10));
  ASSERT_TRUE(one->started.ok()) << one->started;
  const FakeDatabase::ClusterRows rows = Rows();
  std::map<std::string, int> created;
  ASSERT_EQ(rows.log.size(), rows.head.revision);
  for (const auto& [revision, entry] : rows.log) {
    const absl::StatusOr<Batch> batch = DecodeBatch(entry.envelope);
    ASSERT_TRUE(batch.ok());
    EXPECT_EQ(batch->revision, revision);
    for (const v1::Change& change : batch->changes.changes()) ++created[change.object().namespace_().name()];
  }
  for (const auto& sent : all) {
    ASSERT_EQ(sent->replies.size(), 1u) << sent->name;
    EXPECT_EQ(sent->replies[0].apply().items(0).action(), "created") << sent->name;
    EXPECT_EQ(created[sent->name], 1) << sent->name;
  }
  ExpectSame(*one->app->cluster()->mirror(), rows);
  ExpectSame(*two->app->cluster()->mirror(), rows);
}

TEST_F(ControlPlaneFlowTest, ANewcomerTakesASnapshotAndFollows) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  Replica replica("aws");
  const v1::SyncReply opened = Sync("aws", Have(replica));
  ASSERT_TRUE(opened.has_snapshot()) << opened.ShortDebugString();
  EXPECT_EQ(opened.snapshot().builder(), "aws-cp1");
  std::vector<v1::Snapshot> parts;
  for (uint32_t i = 0; i < opened.snapshot().chunks(); ++i) {
    const v1::ChunkReply chunk = Chunk(opened.snapshot(), i);
    ASSERT_EQ(chunk.code(), 0u) << chunk.message();
    parts.push_back(DecodeSnapshotChunk(chunk.chunk()).value());
  }
  ASSERT_TRUE(replica.LoadSnapshot(parts).ok());
  EXPECT_EQ(replica.mirror().digest(), Rows().head.digest);

  // Another who asks at once shares it; a while later it is a new one.
  EXPECT_EQ(Sync("aws", v1::Head()).snapshot().snapshot_id(), opened.snapshot().snapshot_id());
  Run(absl::Seconds(4));
  EXPECT_NE(Sync("aws", v1::Head()).snapshot().snapshot_id(), opened.snapshot().snapshot_id());

  // What came since is the delta, in pieces if the asker wants it so.
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Apply(NamespaceYaml("ns" + std::to_string(i))).code(), 0u);
  int rounds = 0;
  while (replica.position().revision < Rows().head.revision) {
    const v1::SyncReply delta = Sync("aws", Have(replica), 400);
    ASSERT_EQ(delta.code(), 0u);
    ASSERT_GT(delta.envelopes_size(), 0);
    for (const std::string& envelope : delta.envelopes()) {
      ASSERT_EQ(replica.Apply(DecodeBatch(envelope).value()), Replica::Outcome::kApplied);
    }
    ++rounds;
  }
  EXPECT_GT(rounds, 2);
  EXPECT_EQ(replica.mirror().digest(), Rows().head.digest);
  const v1::SyncReply nothing = Sync("aws", Have(replica));
  EXPECT_EQ(nothing.envelopes_size(), 0);
  EXPECT_FALSE(nothing.has_snapshot());
  EXPECT_EQ(nothing.head().revision(), Rows().head.revision);

  // An expired snapshot says so; an unknown cluster too.
  Run(absl::Seconds(40));
  EXPECT_EQ(static_cast<StatusCode>(Chunk(opened.snapshot(), 0).code()), StatusCode::kNotFound);
  EXPECT_EQ(static_cast<StatusCode>(Sync("mars", v1::Head()).code()), StatusCode::kNotFound);
  // Another history at a held revision: a snapshot.
  v1::Head fork = Have(replica);
  fork.set_revision(fork.revision() - 3);
  fork.set_batch(Id128{6, 6}.ToBytes());
  EXPECT_TRUE(Sync("aws", fork).has_snapshot());
}

TEST_F(ControlPlaneFlowTest, DeltasSurviveARestartOfTheControlPlane) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  const v1::Head before = aws->app->cluster()->mirror()->replica().head();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(Apply(NamespaceYaml("ns" + std::to_string(i))).code(), 0u);
  Kill(&aws);
  aws = Start("aws", "aws-cp1");
  const v1::SyncReply delta = Sync("aws", before);
  EXPECT_EQ(delta.envelopes_size(), 5);
  EXPECT_EQ(aws->app->sync()->counters().deltas, 1u) << "from memory";
}

TEST_F(ControlPlaneFlowTest, ARestoredDatabaseBeginsANewEpoch) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("kept")).code(), 0u);
  const FakeDatabase::Rows backup = database_->Save();
  ASSERT_EQ(Apply(NamespaceYaml("lost")).code(), 0u);
  database_->Restore(backup);
  Run(absl::Seconds(6));
  EXPECT_GT(Rows().head.epoch, 1u);
  ExpectSame(*aws->app->cluster()->mirror(), Rows());
  ExpectSame(*gcp->app->mirrors()->Find("aws")->mirror, Rows());
  EXPECT_EQ(aws->app->cluster()->mirror()->mirror().Find(v1::KIND_NAMESPACE, "lost"), nullptr);
  EXPECT_NE(aws->app->cluster()->mirror()->mirror().Find(v1::KIND_NAMESPACE, "kept"), nullptr);
  const v1::Reply reply = Apply(NamespaceYaml("new"));
  EXPECT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.epoch(), Rows().head.epoch);
}

// What an agent of aws that holds `held` says first.
v1::AgentStatus ReportOf(const v1::Head& held) {
  v1::AgentStatus status;
  status.set_cluster("aws");
  status.set_node("n1");
  status.set_sequence(1);
  v1::AppliedCluster* applied = status.add_applied();
  applied->set_cluster("aws");
  applied->set_epoch(held.epoch());
  applied->set_received(held.revision());
  applied->set_batch(held.batch());
  return status;
}

// Its own control plane holds no more than the backup, and goes on from there.
TEST_F(ControlPlaneFlowTest, ARestoreThatItsOwnControlPlaneCannotSeeIsFoundByOthers) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  const FakeDatabase::Rows backup = database_->Save();
  ASSERT_EQ(Apply(NamespaceYaml("lost")).code(), 0u);
  Run(absl::Seconds(1));
  const Position held = gcp->app->mirrors()->Find("aws")->mirror->position();
  Kill(&aws);
  database_->Restore(backup);
  aws = Start("aws", "aws-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("new")).code(), 0u);
  EXPECT_EQ(Rows().head.revision, held.revision);
  EXPECT_NE(Rows().head.last_batch, held.batch);
  Run(absl::Seconds(10));
  EXPECT_GT(Rows().head.epoch, 1u);
  ExpectSame(*aws->app->cluster()->mirror(), Rows());
  ExpectSame(*gcp->app->mirrors()->Find("aws")->mirror, Rows());
  EXPECT_NE(aws->app->cluster()->mirror()->mirror().Find(v1::KIND_NAMESPACE, "new"), nullptr);
  EXPECT_EQ(Apply(NamespaceYaml("newer")).code(), 0u);
}

TEST_F(ControlPlaneFlowTest, ALostEpochIsFoundByAnAgentsReportAndPassed) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  const FakeDatabase::Rows backup = database_->Save();
  ASSERT_EQ(Apply(NamespaceYaml("lost")).code(), 0u);
  database_->Restore(backup);
  Run(absl::Seconds(6));
  const v1::Head held = aws->app->cluster()->mirror()->replica().head();
  ASSERT_GT(held.epoch(), 1u);
  Kill(&aws);
  database_->Restore(backup);  // once more, of before that epoch
  aws = Start("aws", "aws-cp1");
  EXPECT_EQ(Rows().head.epoch, 1u);
  v1::AgentStatus status = ReportOf(held);
  status.mutable_applied(0)->set_epoch(held.epoch() + 10 * 24 * 3600);  // no epoch that ever was
  std::unique_ptr<FakeBus> agent = broker_.Connect("agent");
  ASSERT_TRUE(agent->Publish(subjects::AgentStatus("aws", "n1"), status.SerializeAsString()).ok());
  Run(absl::Seconds(2));
  EXPECT_EQ(Rows().head.epoch, 1u);
  status.set_sequence(2);
  status.mutable_applied(0)->set_epoch(held.epoch() + 100);  // of a clock that was ahead
  ASSERT_TRUE(agent->Publish(subjects::AgentStatus("aws", "n1"), status.SerializeAsString()).ok());
  Run(absl::Seconds(2));
  EXPECT_GT(Rows().head.epoch, held.epoch() + 100);
  ExpectSame(*aws->app->cluster()->mirror(), Rows());
}

TEST_F(ControlPlaneFlowTest, AnAgentsReportRevealsARestoreToAFreshControlPlane) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  const FakeDatabase::Rows backup = database_->Save();
  ASSERT_EQ(Apply(NamespaceYaml("lost")).code(), 0u);
  const v1::Head held = aws->app->cluster()->mirror()->replica().head();
  Kill(&aws);
  database_->Restore(backup);
  aws = Start("aws", "aws-cp1");
  EXPECT_EQ(Rows().head.epoch, 1u);
  v1::AgentStatus status = ReportOf(held);
  std::unique_ptr<FakeBus> agent = broker_.Connect("agent");
  ASSERT_TRUE(agent->Publish(subjects::AgentStatus("aws", "n1"), status.SerializeAsString()).ok());
  Run(absl::Seconds(2));
  const uint64_t epoch = Rows().head.epoch;
  EXPECT_GT(epoch, 1u);
  ExpectSame(*aws->app->cluster()->mirror(), Rows());

  // An agent that lies again and again does not end one epoch after another.
  for (uint64_t i = 2; i < 10; ++i) {
    status.set_sequence(i);
    status.mutable_applied(0)->set_epoch(epoch);
    status.mutable_applied(0)->set_received(1'000'000 + i);
    ASSERT_TRUE(agent->Publish(subjects::AgentStatus("aws", "n1"), status.SerializeAsString()).ok());
    Run(absl::Seconds(2));
  }
  EXPECT_EQ(Rows().head.epoch, epoch);
}

TEST_F(ControlPlaneFlowTest, AConflictStopsTheStart) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  ControlPlaneConfig config = Config("gcp", "gcp-cp1");
  config.clusters[0].id = 1;
  std::unique_ptr<Process> process = Launch(config);
  Run(absl::Seconds(2));
  EXPECT_EQ(process->started.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(process->started.message()),
              HasSubstr("cluster gcp (id 1): the mesh knows cluster aws"));
  config = Config("gcp", "gcp-cp2");
  config.clusters[0].pod_cidrs = {*ParseCidr("10.1.128.0/17")};
  process = Launch(config);
  Run(absl::Seconds(2));
  EXPECT_THAT(std::string(process->started.message()), HasSubstr("overlaps 10.1.0.0/16 of cluster aws"));
}

TEST_F(ControlPlaneFlowTest, AStartWithoutServersWaitsForThem) {
  auto process = std::make_unique<Process>();
  const ControlPlaneConfig config = Config("aws", "aws-cp1");
  process->store = std::make_unique<FakeStore>(database_, &clock_);
  process->store->SetUnavailable(true);
  process->bus = broker_.Connect(config.Principal(), config.clusters[0].region);
  broker_.SetConnected(config.Principal(), false);
  process->app = std::make_unique<App>(
      config, App::Drivers{process->store.get(), process->bus.get(), &executor_, &clock_, &random_});
  process->app->Start([p = process.get()](const absl::Status& status) { p->started = status; });
  Run(absl::Seconds(20));
  EXPECT_EQ(process->started.code(), StatusCode::kUnknown) << "it waits";
  process->store->SetUnavailable(false);
  Run(absl::Seconds(5));
  EXPECT_TRUE(process->started.ok()) << process->started;
  broker_.SetConnected(config.Principal(), true);
  EXPECT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
}

TEST_F(ControlPlaneFlowTest, DrainingAnswersEverybodyAndTakesNoMore) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  aws->store->SetDelay(absl::Milliseconds(50));
  client_ = broker_.Connect("client");
  std::vector<v1::Reply> replies;
  const auto send = [&](const std::string& name) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    request.mutable_apply()->add_manifests()->set_text(NamespaceYaml(name));
    client_->Request(subjects::Api("aws", "aws:ctl:alice", "apply"), request.SerializeAsString(),
                     absl::Seconds(5), &executor_, [&](const absl::StatusOr<std::string>& answer) {
                       ASSERT_TRUE(answer.ok()) << answer.status();
                       ASSERT_TRUE(replies.emplace_back().ParseFromString(*answer));
                     });
  };
  send("a");
  send("b");
  Run(absl::Milliseconds(1));
  bool drained = false;
  aws->app->Drain([&] { drained = true; });
  send("c");
  Run(absl::Milliseconds(1));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(static_cast<StatusCode>(replies[0].code()), StatusCode::kUnavailable);
  EXPECT_FALSE(drained);
  Run(absl::Seconds(1));
  EXPECT_TRUE(drained);
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[1].code(), 0u);
  EXPECT_EQ(replies[2].code(), 0u);
}

TEST_F(ControlPlaneFlowTest, IdentityNumbersAreLeasedAheadOfNeed) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
  client_ = broker_.Connect("client");
  std::set<uint32_t> numbers;
  int answers = 0;
  for (int i = 0; i < 1500; ++i) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    v1::AddEndpointRequest* add = request.mutable_add_endpoint();
    add->set_uid(Id128{9, static_cast<uint64_t>(i)}.ToBytes());
    add->set_namespace_("default");
    add->set_name("pod-" + std::to_string(i));
    add->set_node("n1");
    (*add->mutable_labels())["app"] = "v" + std::to_string(i);
    add->add_ips(*ParseAddress("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
    client_->Request(subjects::Api("aws", "aws:node:n1", "add-endpoint"), request.SerializeAsString(),
                     absl::Seconds(5), &executor_, [&](const absl::StatusOr<std::string>& answer) {
                       v1::Reply reply;
                       ASSERT_TRUE(answer.ok() && reply.ParseFromString(*answer));
                       ASSERT_EQ(reply.code(), 0u) << reply.message();
                       ++answers;
                       numbers.insert(reply.add_endpoint().identity().id());
                     });
    if (i % 100 == 0) Run(absl::Milliseconds(20));
  }
  Run(absl::Seconds(5));
  EXPECT_EQ(answers, 1500);
  EXPECT_EQ(numbers.size(), 1500u);
  // Every number lies in a block of this cluster.
  for (const auto& [key, stored] : aws->app->mirrors()->mesh()->mirror().All(v1::KIND_IDENTITY_BLOCK)) {
    const v1::IdentityBlock& block = stored.object->identity_block();
    if (block.cluster_id() != 1) continue;
    numbers.erase(numbers.lower_bound(block.first()), numbers.lower_bound(block.first() + block.count()));
  }
  EXPECT_TRUE(numbers.empty());
}

}  // namespace
}  // namespace trivium
