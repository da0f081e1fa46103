// The promise of docs/events.md on the real thing: PostgreSQL, nats-server with JetStream and trivium-relay
// processes, one of them killed at random again and again while changes are committed; a durable consumer
// counts. TRIVIUM_RELAY_KILLS says how often (20), TRIVIUM_RELAY_SEED with which luck.
#include <gtest/gtest.h>
#include <nats.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/relay/event.h"
#include "tests/db/sql_world.h"
#include "tests/events/events_world.h"
#include "tests/support/json_validator.h"

extern char** environ;

namespace trivium {
namespace {

using json::Json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::minutes(3);

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

class RelayProcess {
 public:
  explicit RelayProcess(std::string config) : config_(std::move(config)) { Start(); }
  ~RelayProcess() { Kill(); }
  void Start() {
    std::string program = TRIVIUM_RELAY, flag = "--config", path = config_;
    char* argv[] = {program.data(), flag.data(), path.data(), nullptr};
    ASSERT_EQ(posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv, environ), 0);
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  const std::string config_;
  pid_t pid_ = 0;
};

// Commits random batches one after another, whatever happens to the database.
class Writer {
 public:
  Writer(const SqlWorld& world, const ClusterRef& cluster, uint64_t seed)
      : cluster_(cluster), client_(world.Open()), thread_([this, seed] { Run(seed); }) {}
  // Answers the ids that its commits make, in order.
  std::vector<std::string> Stop() {
    stop_ = true;
    thread_.join();
    return ids_;
  }
  uint64_t revision() const { return revision_; }

 private:
  void Run(uint64_t seed) {
    const auto head = client_->OpenCluster(cluster_);
    ASSERT_TRUE(head.ok()) << head.status();
    RandomHistory history(cluster_, *head, seed);
    std::mt19937_64 luck(seed);
    while (!stop_) {
      const CommitRequest request = history.Next(1 + luck() % 8);
      for (const Event& event : EventsOf(request.batch)) ids_.push_back(event.id);
      while (true) {
        const absl::Status status = client_->Commit(request);
        if (status.ok()) break;
        ASSERT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
      }
      revision_ = request.batch.revision;
      std::this_thread::sleep_for(milliseconds(luck() % 20));
    }
  }

  const ClusterRef cluster_;
  std::unique_ptr<StoreClient> client_;
  std::vector<std::string> ids_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> revision_{0};
  std::thread thread_;
};

// The durable consumer "audit": each message once by its sequence in the stream, in order.
class Counter {
 public:
  struct Seen {
    std::string subject;
    Json event;
  };
  explicit Counter(const NatsOptions& options) : thread_([this, options] { Run(options); }) {}
  ~Counter() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t count() const { return count_; }
  // After Stop.
  const std::vector<Seen>& seen() const { return seen_; }
  uint64_t again() const { return again_; }
  const std::string& fault() const { return fault_; }

 private:
  void Run(const NatsOptions& o) {
    natsOptions* options = nullptr;
    natsConnection* nats = nullptr;
    natsSubscription* inbox = nullptr;
    const std::string prefix = "_INBOX." + o.principal;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, o.servers[0].c_str());
    natsOptions_SetSecure(options, true);
    natsOptions_LoadCATrustedCertificates(options, o.ca.c_str());
    natsOptions_LoadCertificatesChain(options, o.cert.c_str(), o.key.c_str());
    natsOptions_SetCustomInboxPrefix(options, prefix.c_str());
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetReconnectWait(options, 50);
    natsOptions_SetReconnectBufSize(options, 1);
    while (!stop_ && natsConnection_Connect(&nats, options) != NATS_OK) {
      std::this_thread::sleep_for(milliseconds(50));
    }
    if (natsConnection_SubscribeSync(&inbox, nats, (prefix + ".pull").c_str()) == NATS_OK) {
      while (!stop_) Pull(nats, inbox, prefix + ".pull");
    } else {
      fault_ = "cannot subscribe";
    }
    natsSubscription_Destroy(inbox);
    natsConnection_Destroy(nats);
    natsOptions_Destroy(options);
  }

  void Pull(natsConnection* nats, natsSubscription* inbox, const std::string& reply) {
    const std::string ask = R"({"batch":100,"expires":500000000})";
    if (natsConnection_PublishRequest(nats, "$JS.API.CONSUMER.MSG.NEXT.TRIVIUM-EV-aws.audit", reply.c_str(),
                                      ask.data(), static_cast<int>(ask.size())) != NATS_OK) {
      std::this_thread::sleep_for(milliseconds(50));
      return;
    }
    for (int i = 0; i < 100; ++i) {
      natsMsg* message = nullptr;
      if (natsSubscription_NextMsg(&message, inbox, 700) != NATS_OK) return;
      const char* const status_reply = natsMsg_GetReply(message);
      const bool event = status_reply != nullptr && absl::StartsWith(status_reply, "$JS.ACK.");
      if (event) Take(nats, message);
      natsMsg_Destroy(message);
      if (!event) return;  // the request's end
    }
  }

  void Take(natsConnection* nats, natsMsg* message) {
    // $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>...
    const std::vector<std::string> parts = absl::StrSplit(natsMsg_GetReply(message), '.');
    uint64_t sequence = 0;
    if (parts.size() < 6 || !absl::SimpleAtoi(parts[5], &sequence)) {
      fault_ = absl::StrCat("a strange reply: ", natsMsg_GetReply(message));
      return;
    }
    if (sequence <= last_) {
      ++again_;  // its acknowledgement was lost: JetStream delivers at least once
    } else if (sequence != last_ + 1) {
      if (fault_.empty()) fault_ = absl::StrCat("sequence ", sequence, " after ", last_);
    } else {
      last_ = sequence;
      const std::string text(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
      seen_.push_back({natsMsg_GetSubject(message), Json::parse(text, nullptr, false)});
      count_ = seen_.size();
    }
    natsConnection_PublishString(nats, natsMsg_GetReply(message), "+ACK");
  }

  std::vector<Seen> seen_;
  uint64_t last_ = 0;
  uint64_t again_ = 0;
  std::string fault_;
  std::atomic<uint64_t> count_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Json SchemaOf(const std::string& id) {
  const std::string kind = id.substr(id.rfind(':') + 1);
  std::ifstream file(absl::StrCat(TRIVIUM_SOURCE_DIR, "/schema/json/", kind, ".json"));
  return Json::parse(file, nullptr, false);
}

TEST(RelayKills, NoEventIsLostAndNoneRepeated) {
  const uint64_t kills = FromEnvironment("TRIVIUM_RELAY_KILLS", 20);
  const uint64_t seed = FromEnvironment("TRIVIUM_RELAY_SEED", static_cast<uint64_t>(time(nullptr)));
  printf("%lu kills, seed %lu\n", static_cast<unsigned long>(kills), static_cast<unsigned long>(seed));
  PostgresServer postgres({.durable = true});
  const SqlWorld sql(&postgres);
  EventsWorld world;
  world.server().Start();
  const NatsOptions relay_options = world.Options("aws:relay:aws-relay1");
  const TempFolder folder;
  const std::string config = folder.Write(
      "relay.yaml",
      absl::StrCat(
          "instance: aws-relay1\nclusters: [{cluster: aws, cluster_id: 1, home: 1}]\nnats: {servers: [\"",
          relay_options.servers[0], "\"], ca: ", relay_options.ca, ", cert: ", relay_options.cert,
          ", key: ", relay_options.key, "}\nsql: {hosts: [\"127.0.0.1:", postgres.port(),
          "\"], database: ", sql.options().database,
          ", user: trivium_writer}\nsubscribers: [{name: audit, cluster: aws}]\npoll_ms: 20\n"
          "log_level: error\nmetrics: {listen: \"off\"}\n"));
  Writer writer(sql, {"aws", 1, 1}, seed);
  std::vector<std::unique_ptr<RelayProcess>> relays;
  for (int i = 0; i < 2; ++i) relays.push_back(std::make_unique<RelayProcess>(config));
  Counter counter(world.Options("aws:sub:audit"));

  std::mt19937_64 luck(seed);
  std::map<std::string, int> killed;
  const auto kill = [&](uint64_t whom) {
    const auto pause = [&luck] { std::this_thread::sleep_for(milliseconds(luck() % 150)); };
    if (whom < 2) {
      relays[whom]->Kill();
      pause();
      relays[whom]->Start();
      ++killed["relay"];
    } else if (whom == 2) {
      world.server().Kill();
      pause();
      world.server().Start();
      ++killed["NATS"];
    } else {
      postgres.Kill();
      pause();
      postgres.Start();
      ++killed["database"];
    }
  };
  for (uint64_t i = 0; i < kills && !testing::Test::HasFatalFailure(); ++i) {
    std::this_thread::sleep_for(milliseconds(luck() % 500));
    kill(luck() % 4);
  }
  const std::vector<std::string> expected = writer.Stop();
  const auto deadline = Clock::now() + kPatience;
  // One marker more: where the stream begins.
  while (counter.count() < expected.size() + 1 && Clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  std::this_thread::sleep_for(milliseconds(1500));  // within which a repeated one would have come
  counter.Stop();
  for (const auto& [who, times] : killed) printf("killed %s %d times\n", who.c_str(), times);
  printf("%zu events of %lu revisions, %lu delivered again\n", expected.size(),
         static_cast<unsigned long>(writer.revision()), static_cast<unsigned long>(counter.again()));

  EXPECT_EQ(counter.fault(), "");
  ASSERT_FALSE(counter.seen().empty());
  EXPECT_GT(expected.size(), 10 * kills);
  std::vector<std::string> ids;
  std::map<std::string, std::string> last;  // by subject
  std::map<std::string, Json> schemas;
  std::string marker;
  for (const Counter::Seen& seen : counter.seen()) {
    ASSERT_TRUE(seen.event.is_object()) << seen.subject;
    const std::string id = seen.event.at("id"), schema = seen.event.at("dataschema");
    if (!schemas.contains(schema)) schemas[schema] = SchemaOf(schema);
    const std::vector<std::string> breaches = JsonBreaches(schemas[schema], seen.event);
    EXPECT_TRUE(breaches.empty()) << id << ": " << breaches.front();
    if (absl::StrContains(seen.subject, "._log.")) {
      EXPECT_EQ(id, "aws:1:0:begin");
      marker = id;
      continue;
    }
    ids.push_back(id);
    const auto before = last.find(seen.subject);
    EXPECT_EQ(seen.event.value("previd", "none"), before == last.end() ? marker : before->second) << id;
    last[seen.subject] = id;
  }
  EXPECT_EQ(ids.size(), expected.size());
  EXPECT_TRUE(ids == expected) << "the events are not the changes, each once and in order";
}

}  // namespace
}  // namespace trivium
