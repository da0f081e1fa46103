// Two real control plane processes of one cluster on a real database and a real NATS server: killed, stopped,
// and robbed of their lease.
#include "tests/flow/controlplane_process.h"

#include <cstdlib>

namespace trivium {
namespace {

TEST_F(ControlPlaneProcessTest, TwoRaceAndDieAndEveryAcknowledgedRequestIsThereOnce) {
  Process one(WriteConfig("aws-cp1"));
  Process two(WriteConfig("aws-cp2"));
  one.Start();  // both migrate the empty database at once
  two.Start();
  SendAndWait(*ApplyNamespace("warm"), "apply");
  BeginLoad(600, 40);
  Reached(150);
  one.End(SIGKILL);
  Reached(300);
  one.Start();
  Reached(450);
  two.End(SIGKILL);
  two.Start();
  Reached(600);
  ExpectLeavesWell(&one);
  ExpectLeavesWell(&two);
  ExpectEachOnce(2);  // warm, default
}

TEST_F(ControlPlaneProcessTest, OneCommitsWhatBothTake) {
  Process one = Logging("aws-cp1");
  Process two = Logging("aws-cp2");
  one.Start();
  one.WaitForLog("writer lease cluster=aws holder=aws-cp1");
  two.Start();
  two.WaitForLog("writer lease cluster=aws holder=aws-cp1");
  BeginLoad(600, 40);
  Reached(600);
  ExpectLeavesWell(&two);
  ExpectLeavesWell(&one);
  ExpectEachOnce(1);  // default
  EXPECT_GT(two.Logged("forwarded"), 200u) << "about half of them came to it";
  EXPECT_EQ(two.Logged("taken_back"), 0u);
  EXPECT_EQ(two.Logged("commits"), 0u);
  EXPECT_EQ(one.Logged("forwarded"), 0u);
  EXPECT_EQ(one.Logged("lost_races"), 0u) << "nobody races";
}

TEST_F(ControlPlaneProcessTest, TheLeaseIsStolenItsHolderStoppedAndKilled) {
  Process one = Logging("aws-cp1");
  Process two = Logging("aws-cp2");
  one.Start();
  one.WaitForLog("writer lease cluster=aws holder=aws-cp1");
  two.Start();
  two.WaitForLog("writer lease cluster=aws holder=aws-cp1");
  BeginLoad(1000, 40);
  Reached(150);
  // By somebody who is not there: both commit for themselves until its end.
  MustRun(sql_,
          "UPDATE writer_leases SET holder = 'ghost', fence = fence + 1, "
          "expires_at = now() + INTERVAL '2 seconds' RETURNING holder");
  one.WaitForLog("holder=ghost before=aws-cp1");
  Reached(300);
  // By the other one, although its holder lives and renews.
  MustRun(sql_,
          "UPDATE writer_leases SET holder = 'aws-cp2', fence = fence + 1, "
          "expires_at = now() + INTERVAL '4 seconds' RETURNING holder");
  two.WaitForLog("holder=aws-cp2");
  Reached(450);
  // Its holder stops in the middle of whatever it does, and goes on as if nothing had happened.
  two.Freeze();
  Reached(600);
  two.Thaw();
  Reached(750);
  two.Freeze();
  one.WaitForLog("holder=aws-cp1 before=aws-cp2");
  two.Thaw();
  one.End(SIGKILL);
  Reached(1000);
  one.Start();
  one.WaitForLog("serving cluster=aws", 2);
  ExpectLeavesWell(&two);
  ExpectLeavesWell(&one);
  ExpectEachOnce(1);
}

// As a person would run it.
void BreakGlass(const SqlServerOptions& sql, const std::string& change) {
  const std::string command =
      absl::StrCat("psql -X -q -h ", sql.hosts[0].host, " -p ", sql.hosts[0].port, " -U ", sql.user, " -d ",
                   sql.database, " -v cluster=aws -v reason=drill -v change=\"", change, "\" -f ",
                   TRIVIUM_SOURCE_DIR, "/docs/break_glass.sql >/dev/null");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST_F(ControlPlaneProcessTest, WhatTheBreakGlassScriptChangesIsFollowed) {
  Process one = Logging("aws-cp1");
  Process two = Logging("aws-cp2");
  one.Start();
  two.Start();
  for (const char* name : {"kept", "lockout"}) SendAndWait(*ApplyNamespace(name), "apply");
  const uint64_t epoch = MustRun(sql_, "SELECT epoch FROM cluster_rev WHERE name = 'aws'").Int(0, 0);
  BreakGlass(sql_, "DELETE FROM namespaces WHERE name = 'lockout'");
  // One of them sees it, and computes what SQL could not.
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (MustRun(sql_, "SELECT 1 FROM cluster_rev WHERE digest = 'ffffffff-ffff-ffff-ffff-ffffffffffff'")
             .rows() > 0) {
    ASSERT_LT(absl::Now(), end);
    absl::SleepFor(absl::Milliseconds(20));
  }
  SendAndWait(*ApplyNamespace("after"), "apply");
  EXPECT_GT(MustRun(sql_, "SELECT epoch FROM cluster_rev WHERE name = 'aws'").Int(0, 0), epoch + 1);
  EXPECT_EQ(MustRun(sql_, "SELECT 1 FROM audit WHERE verb = 'break-glass' AND manifest = 'drill'").rows(), 1);
  v1::Request get;
  get.mutable_get()->set_kind("Namespace");
  get.set_request_id(RealRandom()->NewId().ToBytes());
  // Whichever instance answers, at once or soon: it has followed.
  for (int i = 0; i < 10; ++i) {
    const absl::Time followed = absl::Now() + absl::Seconds(10);
    std::vector<std::string> names;
    do {
      names.clear();
      const v1::Reply reply = SendAndWait(get, "get");
      for (const auto& item : reply.get().items()) {
        names.push_back(item.object().object().namespace_().name());
      }
    } while (names != std::vector<std::string>{"after", "default", "kept"} && absl::Now() < followed);
    EXPECT_EQ(names, (std::vector<std::string>{"after", "default", "kept"}));
  }
  ExpectLeavesWell(&one);
  ExpectLeavesWell(&two);
}

TEST_F(ControlPlaneProcessTest, AConflictEndsTheProcessWithAnError) {
  Process aws(WriteConfig("aws-cp1"));
  aws.Start();
  SendAndWait(*ApplyNamespace("warm"), "apply");
  Process gcp(WriteConfig("gcp-cp1", "10.1.0.0/24", 2, "gcp"));
  gcp.Start();
  const int left = gcp.End(0);  // signal 0: only waits
  EXPECT_TRUE(WIFEXITED(left) && WEXITSTATUS(left) == 1) << left;
}

}  // namespace
}  // namespace trivium
