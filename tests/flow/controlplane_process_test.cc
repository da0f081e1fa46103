// Two real control plane processes of one cluster, without a lease, on a real database and a real NATS
// server.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "bus/nats_bus.h"
#include "controlplane/store/sql_store.h"
#include "replica/replica.h"
#include "schema/subjects.h"
#include "tests/contract/store_client.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/postgres_fixture.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {
namespace {

constexpr char kPrincipal[] = "aws:ctl:alice";

// trivium-controlplane, as an operator would run it.
class Process {
 public:
  explicit Process(std::string config) : config_(std::move(config)) {}
  ~Process() {
    if (pid_ > 0) End(SIGKILL);
  }
  void Start() {
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ > 0) return;
    execl(TRIVIUM_CONTROLPLANE, TRIVIUM_CONTROLPLANE, "--config", config_.c_str(), nullptr);
    _exit(127);
  }
  // The status that waitpid gives.
  int End(int signal) {
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  const std::string config_;
  pid_t pid_ = -1;
};

class ControlPlaneProcessTest : public testing::Test {
 protected:
  ControlPlaneProcessTest() : sql_(FreshDatabase()), executor_("client") {
    NatsOptions options;
    options.servers = {nats_.url()};
    options.principal = kPrincipal;
    bus_ = NatsBus::Create(options).value();
  }
  ~ControlPlaneProcessTest() override {
    bus_.reset();
    DropFreshDatabase(sql_);
  }

  std::string WriteConfig(const std::string& instance, const std::string& pod_cidr = "10.1.0.0/16",
                          int cluster_id = 1, const std::string& cluster = "aws") {
    return folder_.Write(
        instance + ".yaml",
        absl::StrCat("instance: ", instance, "\ncluster: ", cluster, "\ncluster_id: ", cluster_id,
                     "\nregion: {name: eu-west-2, home: 1}\npod_cidrs: [", pod_cidr, "]\nnats: {servers: [\"",
                     nats_.url(), "\"]}\nsql: {hosts: [\"", sql_.hosts[0].ToString(), "\"], database: ",
                     sql_.database, ", user: ", sql_.user, "}\nlog_level: warn\nmetrics: {listen: off}\n"));
  }

  // Repeats the request, with its id, until somebody answers OK.
  void Send(std::shared_ptr<v1::Request> request, const std::string& verb,
            std::function<void(const v1::Reply&)> done) {
    bus_->Request(subjects::Api("aws", kPrincipal, verb), request->SerializeAsString(), absl::Seconds(2),
                  &executor_, [this, request, verb, done](const absl::StatusOr<std::string>& answer) {
                    v1::Reply reply;
                    if (answer.ok() && reply.ParseFromString(*answer) && reply.code() == 0)
                      return done(reply);
                    executor_.PostAfter(absl::Milliseconds(50),
                                        [this, request, verb, done] { Send(request, verb, done); });
                  });
  }
  v1::Reply SendAndWait(const v1::Request& request, const std::string& verb) {
    absl::BlockingCounter pending(1);
    v1::Reply result;
    Send(std::make_shared<v1::Request>(request), verb, [&](const v1::Reply& reply) {
      result = reply;
      pending.DecrementCount();
    });
    pending.Wait();
    return result;
  }
  static std::shared_ptr<v1::Request> ApplyNamespace(const std::string& name) {
    auto request = std::make_shared<v1::Request>();
    request->set_request_id(RealRandom()->NewId().ToBytes());
    request->set_deadline_ms(1500);
    request->mutable_apply()->add_manifests()->set_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n");
    return request;
  }

  TempFolder folder_;
  PlainNats nats_;
  const SqlServerOptions sql_;
  LoopExecutor executor_;
  std::unique_ptr<NatsBus> bus_;
};

TEST_F(ControlPlaneProcessTest, TwoRaceAndDieAndEveryAcknowledgedRequestIsThereOnce) {
  Process one(WriteConfig("aws-cp1"));
  Process two(WriteConfig("aws-cp2"));
  one.Start();  // both migrate the empty database at once
  two.Start();
  SendAndWait(*ApplyNamespace("warm"), "apply");

  constexpr int kRequests = 600;
  constexpr int kOpen = 40;
  absl::Mutex mutex;
  std::map<std::string, v1::Reply> replies;
  int sent = 0;
  std::function<void()> next = [&] {
    std::string name;
    {
      absl::MutexLock lock(&mutex);
      if (sent == kRequests) return;
      name = "ns" + std::to_string(sent++);
    }
    Send(ApplyNamespace(name), "apply", [&, name](const v1::Reply& reply) {
      {
        absl::MutexLock lock(&mutex);
        replies[name] = reply;
      }
      next();
    });
  };
  executor_.RunAndWait([&] {
    for (int i = 0; i < kOpen; ++i) next();
  });
  const auto reached = [&](size_t count) {
    absl::MutexLock lock(&mutex);
    const auto is = [&] { return replies.size() >= count; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&is), absl::Seconds(90))) << replies.size();
  };
  reached(150);
  one.End(SIGKILL);
  reached(300);
  one.Start();
  reached(450);
  two.End(SIGKILL);
  two.Start();
  reached(kRequests);

  const int left_one = one.End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(left_one) && WEXITSTATUS(left_one) == 0) << left_one;
  const int left_two = two.End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(left_two) && WEXITSTATUS(left_two) == 0) << left_two;

  SqlStore::Options options;
  options.pool.server = sql_;
  StoreClient store(std::make_unique<SqlStore>(options, RealRandom()));
  const ClusterRef aws{"aws", 1, 1};
  const absl::StatusOr<StoredHead> head = store.ReadHead(aws);
  ASSERT_TRUE(head.ok()) << head.status();
  const absl::StatusOr<std::vector<LogRow>> log = store.ReadLog(aws, 0, 100'000);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_EQ(log->size(), head->revision);
  std::map<std::string, std::vector<uint64_t>> created;
  std::set<std::string> writers;
  Id128 prev;
  for (size_t i = 0; i < log->size(); ++i) {
    const absl::StatusOr<Batch> batch = DecodeBatch((*log)[i].envelope);
    ASSERT_TRUE(batch.ok()) << batch.status();
    ASSERT_EQ(batch->revision, i + 1) << "a hole";
    ASSERT_EQ(batch->prev_batch, prev);
    prev = batch->batch;
    for (const v1::Change& change : batch->changes.changes()) {
      created[change.object().namespace_().name()].push_back(batch->revision);
    }
  }
  EXPECT_EQ(prev, head->last_batch);
  for (const auto& [name, reply] : replies) {
    EXPECT_EQ(reply.apply().items(0).action(), "created") << name;
    EXPECT_EQ(created[name], std::vector<uint64_t>{reply.revision()}) << name;
  }
  // The rows for people agree, and the state at the head has the head's digest.
  EXPECT_EQ(MustRun(sql_, "SELECT name FROM namespaces").rows(), kRequests + 2);  // and warm, default
  const absl::StatusOr<v1::Snapshot> snapshot = store.ReadSnapshot(aws);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  Replica replica("aws");
  EXPECT_TRUE(replica.LoadSnapshot({*snapshot}).ok());
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
