// Real control plane processes of one cluster, on a real database and a real NATS server. For process tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/files.h"
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

// trivium-controlplane, as an operator would run it.
class Process {
 public:
  // What it logs goes to `log`, a path; empty: to ours.
  explicit Process(std::string config, std::string log = "")
      : config_(std::move(config)), log_(std::move(log)) {}
  ~Process() {
    if (pid_ > 0) End(SIGKILL);
  }
  void Start() {
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ > 0) return;
    if (!log_.empty()) {
      const int fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
    }
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
  void Freeze() {
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    int status = 0;
    ASSERT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
    ASSERT_TRUE(WIFSTOPPED(status));
  }
  void Thaw() { ASSERT_EQ(kill(pid_, SIGCONT), 0); }

  // Until it has logged `text` so many times, in all its lives.
  void WaitForLog(const std::string& text, int times = 1) const {
    const auto logged = [&] {
      const std::string log = RealFiles()->Read(log_).value_or("");
      int found = 0;
      for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++found;
      return found;
    };
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (logged() < times) {
      ASSERT_LT(absl::Now(), end) << "it never logs: " << text;
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  // A number that it logged as " key=123", summed over all such lines.
  uint64_t Logged(const std::string& key) const {
    const std::string text = RealFiles()->Read(log_).value_or("");
    const std::string mark = absl::StrCat(" ", key, "=");
    uint64_t sum = 0;
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
      sum += strtoull(text.c_str() + at + mark.size(), nullptr, 10);
    }
    return sum;
  }

 private:
  const std::string config_;
  const std::string log_;
  pid_t pid_ = -1;
};

class ControlPlaneProcessTest : public testing::Test {
 protected:
  static constexpr char kPrincipal[] = "aws:ctl:alice";
  const ClusterRef kAws{"aws", 1, 1};

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
                          int cluster_id = 1, const std::string& cluster = "aws",
                          const std::string& more = "log_level: warn") {
    return folder_.Write(
        instance + ".yaml",
        absl::StrCat("instance: ", instance, "\ncluster: ", cluster, "\ncluster_id: ", cluster_id,
                     "\nregion: {name: eu-west-2, home: 1}\npod_cidrs: [", pod_cidr, "]\nnats: {servers: [\"",
                     nats_.url(), "\"]}\nsql: {hosts: [\"", sql_.hosts[0].ToString(), "\"], database: ",
                     sql_.database, ", user: ", sql_.user, "}\nmetrics: {listen: off}\n", more, "\n"));
  }
  // One that says in the end what it did.
  Process Logging(const std::string& instance) {
    return Process(WriteConfig(instance, "10.1.0.0/16", 1, "aws", "log_level: info"),
                   folder_.path() + "/" + instance + ".log");
  }
  static void ExpectLeavesWell(Process* process) {
    const int left = process->End(SIGTERM);
    EXPECT_TRUE(WIFEXITED(left) && WEXITSTATUS(left) == 0) << left;
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

  // Makes `count` more namespaces, "ns0" and so on, with `open` requests on their way at any time.
  void BeginLoad(int count, int open) {
    {
      absl::MutexLock lock(&mutex_);
      count_ += count;
    }
    executor_.RunAndWait([&] {
      for (int i = 0; i < open; ++i) Next();
    });
  }
  // Waits until that many are answered.
  void Reached(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto is = [&] { return replies_.size() >= count; };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&is), absl::Seconds(90))) << replies_.size();
  }

  // The log has no hole, each of the load's requests is in it once, at the revision that was answered, the
  // rows for people agree, and the state at the head has the head's digest. `others`: further namespaces.
  void ExpectEachOnce(int others) {
    SqlStore::Options options;
    options.pool.server = sql_;
    StoreClient store(std::make_unique<SqlStore>(options, RealRandom()));
    const absl::StatusOr<StoredHead> head = store.ReadHead(kAws);
    ASSERT_TRUE(head.ok()) << head.status();
    const absl::StatusOr<std::vector<LogRow>> log = store.ReadLog(kAws, 0, 100'000);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_EQ(log->size(), head->revision);
    std::map<std::string, std::vector<uint64_t>> created;
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
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, reply] : replies_) {
      EXPECT_EQ(reply.apply().items(0).action(), "created") << name;
      EXPECT_EQ(created[name], std::vector<uint64_t>{reply.revision()}) << name;
    }
    EXPECT_EQ(MustRun(sql_, "SELECT name FROM namespaces").rows(), count_ + others);
    const absl::StatusOr<v1::Snapshot> snapshot = store.ReadSnapshot(kAws);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    Replica replica("aws");
    EXPECT_TRUE(replica.LoadSnapshot({*snapshot}).ok());
  }

  TempFolder folder_;
  PlainNats nats_;
  const SqlServerOptions sql_;
  LoopExecutor executor_;
  std::unique_ptr<NatsBus> bus_;

 private:
  void Next() {
    std::string name;
    {
      absl::MutexLock lock(&mutex_);
      if (sent_ == count_) return;
      name = absl::StrCat("ns", sent_++);
    }
    Send(ApplyNamespace(name), "apply", [this, name](const v1::Reply& reply) {
      {
        absl::MutexLock lock(&mutex_);
        replies_[name] = reply;
      }
      Next();
    });
  }

  absl::Mutex mutex_;
  std::map<std::string, v1::Reply> replies_ ABSL_GUARDED_BY(mutex_);
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  int sent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace trivium
