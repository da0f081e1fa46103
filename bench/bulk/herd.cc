#include "bench/bulk/herd.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/executor.h"
#include "base/status.h"
#include "bench/kernel_map.h"
#include "bpf/abi/types.h"
#include "bus/nats_bus.h"
#include "nodeagent/inbox/snapshot_fetch.h"
#include "replica/replica.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

constexpr uint32_t kAtOnce = 16;  // clusters that one agent fetches at once, as the product's does
constexpr absl::Duration kPatience = absl::Seconds(8);

bool KeepRemote(v1::Kind kind) {
  return kind == v1::KIND_NODE || kind == v1::KIND_IDENTITY || kind == v1::KIND_ENDPOINT;
}

struct Tally {
  std::atomic<uint64_t> loaded{0}, failed{0}, repeated{0}, bytes{0}, done{0};
};

// One agent of the herd, on one executor.
class HerdAgent {
 public:
  HerdAgent(uint32_t clusters, std::string principal, Bus* bus, Executor* executor, Tally* tally)
      : clusters_(clusters),
        principal_(std::move(principal)),
        bus_(bus),
        executor_(executor),
        tally_(tally) {}

  void Start() {
    for (uint32_t i = 0; i < kAtOnce; ++i) Next();
  }

 private:
  void Next() {
    if (next_ < clusters_) return Ask(++next_, 1);
    if (++idle_ == kAtOnce) ++tally_->done;
  }
  void Again(uint32_t cluster, int attempt) {
    ++tally_->repeated;
    if (attempt == 20) {
      ++tally_->failed;
      return Next();
    }
    const uint64_t ms = 100 + RealRandom()->Below(100ull << std::min(attempt, 5));
    executor_->PostAfter(absl::Milliseconds(ms), [=, this] { Ask(cluster, attempt + 1); });
  }
  void Ask(uint32_t cluster, int attempt) {
    v1::SyncRequest request;
    request.set_reader_version(kWireVersion);
    request.mutable_have()->set_cluster(ClusterName(cluster));
    bus_->Request(subjects::Sync(ClusterName(cluster), principal_), request.SerializeAsString(), kPatience,
                  executor_, [=, this](absl::StatusOr<std::string> bytes) {
                    v1::SyncReply reply;
                    if (!bytes.ok() || !reply.ParseFromString(*bytes) || !reply.has_snapshot()) {
                      return Again(cluster, attempt);
                    }
                    Fetch(cluster, attempt, reply.snapshot());
                  });
  }
  void Fetch(uint32_t cluster, int attempt, const v1::SnapshotOpen& open) {
    auto replica = std::make_shared<Replica>(ClusterName(cluster), KeepRemote, Mirror::Endpoints::kRecords);
    auto& fetch = fetches_[cluster];
    fetch = std::make_unique<SnapshotFetch>(open, principal_, replica->BeginLoad(), bus_, executor_,
                                            [=, this](absl::StatusOr<SnapshotFetch::Result> result) {
                                              const std::unique_ptr<SnapshotFetch> finished =
                                                  std::move(fetches_[cluster]);
                                              if (!result.ok()) return Again(cluster, attempt);
                                              for (const std::string& chunk : result->chunks)
                                                tally_->bytes += chunk.size();
                                              if (!replica->Load(std::move(result->load)).ok()) {
                                                ++tally_->failed;
                                              } else {
                                                ++tally_->loaded;
                                              }
                                              Next();
                                            });
    fetch->Start();
  }

  const uint32_t clusters_;
  const std::string principal_;
  Bus* const bus_;
  Executor* const executor_;
  Tally* const tally_;
  uint32_t next_ = 0;
  uint32_t idle_ = 0;
  std::map<uint32_t, std::unique_ptr<SnapshotFetch>> fetches_;
};

double At(std::vector<double> times, double share) {
  std::sort(times.begin(), times.end());
  return times.empty() ? 0 : times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
}

// A bus connects by itself, in its own time.
absl::StatusOr<std::unique_ptr<NatsBus>> Connect(const NatsOptions& options) {
  static auto* const executor = new LoopExecutor("connecting");  // buses tell it of their state to their end
  TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<NatsBus> bus, NatsBus::Create(options));
  auto connected = std::make_shared<absl::Notification>();
  bus->WatchState(executor, [connected](Bus::State state) {
    if (state == Bus::State::kConnected && !connected->HasBeenNotified()) connected->Notify();
  });
  if (!connected->WaitForNotificationWithTimeout(absl::Seconds(20))) {
    return absl::DeadlineExceededError("no connection to the NATS server in 20 s");
  }
  return bus;
}

// Adds an endpoint, or removes it again, on a node that nobody else plays.
class LiveChanges {
 public:
  static absl::StatusOr<std::unique_ptr<LiveChanges>> Start(BulkWorld* world) {
    std::unique_ptr<LiveChanges> live(new LiveChanges(world));
    NatsOptions options;
    options.servers = {world->nats()};
    options.principal = live->principal_;
    TRIVIUM_ASSIGN_OR_RETURN(live->bus_, Connect(options));
    TRIVIUM_ASSIGN_OR_RETURN(KernelMap map, KernelMap::OpenPinned(absl::StrCat(
                                                world->pin_root(), "/v", TRIVIUM_ABI_VERSION, "/vector")));
    live->vector_.emplace(std::move(map));
    v1::Request request;
    v1::Node* node = request.mutable_register_node()->mutable_node();
    node->set_name("probe");
    node->set_boot_id("bench");
    node->set_protocol_version(1);
    node->add_addresses(std::string("\xac\x1e\x00\x02", 4));
    *node->add_pod_cidrs() = world->ProbeCidr();
    TRIVIUM_RETURN_IF_ERROR(live->Call("register-node", std::move(request)).status());
    return live;
  }

  // Milliseconds from the request to the real agent's map.
  absl::StatusOr<double> Change() {
    const absl::Time start = absl::Now();
    v1::Request request;
    const bool add = odd_ = !odd_;
    if (add) {
      uid_ = RealRandom()->NewId();
      v1::AddEndpointRequest* endpoint = request.mutable_add_endpoint();
      endpoint->set_uid(uid_.ToBytes());
      endpoint->set_namespace_("team-1");
      endpoint->set_name("live");
      endpoint->set_node("probe");
      (*endpoint->mutable_labels())["app"] = "live";
      endpoint->add_ips(world_->ProbeCidr().address());
    } else {
      request.mutable_remove_endpoint()->set_uid(uid_.ToBytes());
      request.mutable_remove_endpoint()->set_node("probe");
    }
    TRIVIUM_ASSIGN_OR_RETURN(const uint64_t revision,
                             Call(add ? "add-endpoint" : "remove-endpoint", std::move(request)));
    vector_key key{};
    key.cluster = 1;
    vector_value value{};
    while (!vector_->Lookup(&key, &value) || value.revision < revision) {
      if (absl::Now() - start > absl::Seconds(20)) return absl::DeadlineExceededError("the agent's map");
      absl::SleepFor(absl::Microseconds(50));
    }
    return absl::ToDoubleMilliseconds(absl::Now() - start);
  }

 private:
  explicit LiveChanges(BulkWorld* world)
      : world_(world), principal_(Principal{ClusterName(1), "node", "probe"}.ToString()) {}

  absl::StatusOr<uint64_t> Call(const std::string& verb, v1::Request request) {
    request.set_request_id(RealRandom()->NewId().ToBytes());
    request.set_source("trivium-bulk");
    request.set_deadline_ms(20000);
    std::promise<absl::StatusOr<std::string>> promise;
    bus_->Request(subjects::Api(ClusterName(1), principal_, verb), request.SerializeAsString(),
                  absl::Seconds(20), &executor_,
                  [&promise](absl::StatusOr<std::string> bytes) { promise.set_value(std::move(bytes)); });
    TRIVIUM_ASSIGN_OR_RETURN(const std::string bytes, promise.get_future().get());
    v1::Reply reply;
    if (!reply.ParseFromString(bytes)) return absl::DataLossError("not a Reply");
    if (reply.code() == 0) return reply.revision();
    return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  }

  BulkWorld* const world_;
  const std::string principal_;
  LoopExecutor executor_{"live"};
  std::unique_ptr<NatsBus> bus_;
  std::optional<KernelMap> vector_;
  Id128 uid_;
  bool odd_ = false;
};

}  // namespace

absl::Status BeHerd(const HerdOptions& options) {
  std::vector<std::unique_ptr<LoopExecutor>> executors;
  for (int i = 0; i < 2; ++i) executors.push_back(std::make_unique<LoopExecutor>("herd"));
  std::vector<std::unique_ptr<NatsBus>> buses;
  for (int i = 0; i < options.connections; ++i) {
    NatsOptions nats;
    nats.servers = {options.nats};
    nats.principal = Principal{ClusterName(2), "node", absl::StrCat("herd-", i)}.ToString();
    nats.write_deadline = absl::Seconds(10);
    TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<NatsBus> bus, Connect(nats));
    buses.push_back(std::move(bus));
  }
  Tally tally;
  std::vector<std::unique_ptr<HerdAgent>> agents;
  for (int i = 0; i < options.agents; ++i) {
    const int connection = i % options.connections;
    agents.push_back(std::make_unique<HerdAgent>(
        options.clusters, Principal{ClusterName(2), "node", absl::StrCat("herd-", connection)}.ToString(),
        buses[connection].get(), executors[connection % executors.size()].get(), &tally));
  }
  std::cout << "ready" << std::endl;
  std::string line;
  std::getline(std::cin, line);
  const absl::Time start = absl::Now();
  for (int i = 0; i < options.agents; ++i) {
    executors[i % options.connections % executors.size()]->Post(
        [agent = agents[i].get()] { agent->Start(); });
  }
  while (tally.done < static_cast<uint64_t>(options.agents)) {
    absl::SleepFor(absl::Milliseconds(20));
    if (absl::ToInt64Milliseconds(absl::Now() - start) % 5000 < 20) {
      std::cerr << absl::FormatDuration(absl::Now() - start) << " loaded " << tally.loaded << " failed "
                << tally.failed << " repeated " << tally.repeated << std::endl;
    }
  }
  std::cout << nlohmann::json{{"seconds", absl::ToDoubleSeconds(absl::Now() - start)},
                              {"snapshots", tally.loaded.load()},
                              {"failed", tally.failed.load()},
                              {"repeated_requests", tally.repeated.load()},
                              {"mib", static_cast<double>(tally.bytes) / (1 << 20)}}
                   .dump()
            << std::endl;
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> RunHerd(BulkWorld* world, const std::string& program, HerdOptions options) {
  TRIVIUM_RETURN_IF_ERROR(world->StartAgent());
  TRIVIUM_RETURN_IF_ERROR(world->WaitUntilCurrent(absl::Now(), absl::Seconds(60)).status());
  // They stand for a thousand other machines: what they compute must not take this one's time first.
  TRIVIUM_ASSIGN_OR_RETURN(
      Process herd,
      Process::Start({"nice", "-n", "19", program, "herd", "--nats", world->nats(), "--agents",
                      absl::StrCat(options.agents), "--connections", absl::StrCat(options.connections),
                      "--clusters", absl::StrCat(options.clusters)},
                     world->folder() + "/herd.log"));
  TRIVIUM_ASSIGN_OR_RETURN(std::string line, herd.ReadLine());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<LiveChanges> live, LiveChanges::Start(world));
  std::vector<double> alone, meanwhile;
  const auto measure = [&live](std::vector<double>* times) -> absl::Status {
    TRIVIUM_ASSIGN_OR_RETURN(const double ms, live->Change());
    times->push_back(ms);
    absl::SleepFor(absl::Milliseconds(10));
    return absl::OkStatus();
  };
  for (int i = 0; i < 300; ++i) TRIVIUM_RETURN_IF_ERROR(measure(&alone));
  std::future<absl::StatusOr<std::string>> answer =
      std::async(std::launch::async, [&herd] { return herd.Ask("go"); });
  uint64_t peak = 0;
  const absl::Time start = absl::Now();
  absl::Time told = start;
  while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (absl::Now() - told > absl::Seconds(5)) {
      told = absl::Now();
      std::cerr << "  " << options.agents << " agents start: " << absl::ToInt64Seconds(told - start) << " s, "
                << meanwhile.size() << " live changes   \r" << std::flush;
    }
    TRIVIUM_RETURN_IF_ERROR(measure(&meanwhile));
    peak = std::max(peak, ResidentBytes(world->server().pid()));
  }
  TRIVIUM_ASSIGN_OR_RETURN(line, answer.get());
  const auto row = [](const std::string& name, const std::vector<double>& times) {
    return nlohmann::json{{"name", name},
                          {"changes", times.size()},
                          {"p50_ms", At(times, 0.5)},
                          {"p99_ms", At(times, 0.99)},
                          {"max_ms", At(times, 1)}};
  };
  nlohmann::json rows = nlohmann::json::array();
  rows.push_back(row("live changes alone", alone));
  nlohmann::json herded =
      row(absl::StrCat("live changes while ", options.agents, " agents start"), meanwhile);
  herded["ratio_of_medians"] = At(meanwhile, 0.5) / At(alone, 0.5);
  herded["peak_rss_mib_server"] = static_cast<double>(peak) / (1 << 20);
  herded["herd"] = nlohmann::json::parse(line);
  rows.push_back(std::move(herded));
  return rows;
}

}  // namespace trivium::bench
