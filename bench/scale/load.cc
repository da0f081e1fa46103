#include "bench/scale/load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/random.h"
#include "base/status.h"
#include "bench/bare_nats.h"
#include "bench/mesh_files.h"
#include "bench/scale/applied.h"
#include "bench/scale/process.h"
#include "bench/scale/profile.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

constexpr int kRegistering = 4;  // nodes at a time
constexpr double kReplyTimeout = 15;
constexpr double kApplyTimeout = 30;
constexpr size_t kMaxInFlight = 20'000;
constexpr size_t kPopulateWindow = 256;  // requests in flight
// Above it sending each request by itself would cost more than what is measured.
constexpr double kSendTogetherFrom = 2000;

struct Answer {
  size_t cluster;
  uint64_t id;
  int64_t at_ns;
  uint32_t code;
  uint64_t revision;
  std::string message;
};

// Where answers of all clusters arrive.
class Answers {
 public:
  void Put(Answer answer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(answer));
    if (waiting_.size() == 1) changed_.notify_one();
  }
  // Waits for the first one until `until_ns`.
  std::vector<Answer> Take(int64_t until_ns) {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t left = until_ns - NowNs();
    if (waiting_.empty() && left > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(left), [this] { return !waiting_.empty(); });
    }
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Answer> waiting_;
};

struct Cluster {
  std::string name;
  uint32_t id = 0;
  std::string principal;
  BareNatsOptions nats;
  std::unique_ptr<Profile> profile;
  std::unique_ptr<BareNats> connection;
  std::string inbox;
  std::unordered_map<uint64_t, Profile::Operation> open;
};

struct Sent {
  size_t cluster = 0;
  int64_t due_ns = 0;
  int64_t answered_ns = 0;
  uint64_t revision = 0;
  int changes = 0;
};

double At(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return At(values, 0.5);
}

class Generator {
 public:
  explicit Generator(const LoadOptions& options)
      : options_(options), applied_(options.events, options.agents.size()) {}

  absl::Status Prepare() {
    TRIVIUM_ASSIGN_OR_RETURN(const MeshFiles mesh, ReadMeshFiles(options_.mesh));
    for (const std::string& name : options_.clusters) {
      Cluster cluster;
      cluster.name = name;
      for (const ControlPlaneFiles& one : mesh.control_planes) {
        if (one.cluster == name) cluster.id = one.cluster_id;
      }
      for (const auto& [of, nats] : mesh.operators) {
        if (of == name && cluster.principal.empty()) {
          cluster.principal = nats.principal;
          cluster.nats = nats;
        }
      }
      Profile::Options profile;
      profile.endpoints = options_.endpoints;
      profile.identities = options_.identities;
      profile.policies = options_.policies;
      profile.seed = options_.seed + cluster.id * 1000;
      for (const AgentFiles& agent : mesh.agents) {
        // An agent removes what its node has in the log and it does not know.
        if (agent.cluster == name && !Runs(agent)) {
          profile.nodes.push_back({agent.node, agent.network, agent.length, 16});
        }
      }
      if (cluster.principal.empty() || profile.nodes.empty()) {
        return absl::NotFoundError(
            absl::StrCat("no operator of ", name, ", or no node without an agent, in the mesh's files"));
      }
      cluster.profile = std::make_unique<Profile>(std::move(profile));
      clusters_.push_back(std::move(cluster));
    }
    for (size_t i = 0; i < options_.agents.size(); ++i) {
      for (const AgentFiles& agent : mesh.agents) {
        if (absl::StrCat(agent.cluster, "-", agent.node) == options_.agents[i]) {
          agents_of_[agent.cluster].push_back(i);
        }
      }
    }
    return absl::OkStatus();
  }

  // Those without an agent here: by their own principals, as the control plane wants it.
  absl::Status RegisterNodes() {
    TRIVIUM_ASSIGN_OR_RETURN(const MeshFiles mesh, ReadMeshFiles(options_.mesh));
    std::vector<const AgentFiles*> silent;
    for (const AgentFiles& node : mesh.agents) {
      if (!Runs(node)) silent.push_back(&node);
    }
    std::atomic<size_t> next = 0;
    std::mutex mutex;
    absl::Status status;
    std::vector<std::thread> threads;
    for (int i = 0; i < kRegistering; ++i) {
      threads.emplace_back([&] {
        for (size_t at; (at = next++) < silent.size();) {
          const absl::Status registered = Register(*silent[at]);
          const std::lock_guard<std::mutex> lock(mutex);
          status.Update(Annotate(registered, absl::StrCat("registering ", silent[at]->node)));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return status;
  }

  absl::Status Populate() {
    TRIVIUM_RETURN_IF_ERROR(Connect(true));
    for (size_t i = 0; i < clusters_.size(); ++i) {
      for (Profile::Operation& operation : clusters_[i].profile->Namespaces()) {
        TRIVIUM_RETURN_IF_ERROR(Send(i, NowNs(), std::move(operation)));
        TRIVIUM_RETURN_IF_ERROR(AwaitAll("populating"));
      }
    }
    for (bool more = true; more;) {
      more = false;
      for (size_t i = 0; i < clusters_.size(); ++i) {
        if (clusters_[i].profile->populated()) continue;
        more = true;
        TRIVIUM_RETURN_IF_ERROR(Send(i, NowNs(), clusters_[i].profile->Populate()));
        while (in_flight_ >= kPopulateWindow) Settle(answers_.Take(NowNs() + 1'000'000'000));
      }
    }
    TRIVIUM_RETURN_IF_ERROR(AwaitAll("populating"));
    if (failed_ > 0) return absl::InternalError(absl::StrCat("populating: ", first_error_));
    return absl::OkStatus();
  }

  // The agents have started: their process, and all that is there in their maps, their own pods included.
  absl::Status AwaitAgents(int pid) {
    agent_pids_ = {pid};
    for (size_t i = 0; i < clusters_.size(); ++i) {
      TRIVIUM_RETURN_IF_ERROR(AwaitApplied(i));
      revisions_[i] = std::max(revisions_[i], applied_.Latest(clusters_[i].id));
      TRIVIUM_RETURN_IF_ERROR(AwaitApplied(i));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<nlohmann::json> Run(const LoadRow& row) {
    TRIVIUM_RETURN_IF_ERROR(Connect(row.rate / options_.together < kSendTogetherFrom));
    sent_.clear();
    failed_ = skipped_ = 0;
    first_error_.clear();
    applied_.Clear();
    std::vector<uint64_t> first_revisions = revisions_;
    const double cp_before = CpuSeconds(options_.control_plane_pids);
    const double agents_before = CpuSeconds(agent_pids_);
    const int64_t start = NowNs() + 1'000'000;
    const int64_t end = start + static_cast<int64_t>(row.seconds * 1e9);
    // The profile's changes are one each, but for one in 200.
    const double between = 1e9 / row.rate * options_.together;
    uint64_t number = 0;
    int64_t told = start;
    while (true) {
      const int64_t now = NowNs();
      int64_t due = start + static_cast<int64_t>(static_cast<double>(number) * between);
      for (; due <= now && due < end;
           due = start + static_cast<int64_t>(static_cast<double>(number) * between)) {
        const size_t cluster = number++ % clusters_.size();
        if (in_flight_ >= kMaxInFlight) {
          ++skipped_;
          continue;
        }
        TRIVIUM_RETURN_IF_ERROR(Send(cluster, due, clusters_[cluster].profile->Next(options_.together)));
      }
      if (due >= end && now >= end) break;
      Settle(answers_.Take(std::min(due, end)));
      if (now - told > 2'000'000'000) {
        told = now;
        std::cerr << "  " << row.name << ": " << (now - start) / 1'000'000'000 << " s, in flight "
                  << in_flight_ << ", failed " << failed_ << "   \r" << std::flush;
      }
    }
    TRIVIUM_RETURN_IF_ERROR(AwaitAll(row.name));
    for (size_t i = 0; i < clusters_.size(); ++i) TRIVIUM_RETURN_IF_ERROR(AwaitApplied(i));
    const double cp = CpuSeconds(options_.control_plane_pids) - cp_before;
    const double agents = CpuSeconds(agent_pids_) - agents_before;
    return Summary(row, start, cp, agents, first_revisions);
  }

 private:
  bool Runs(const AgentFiles& node) const {
    const std::string file = absl::StrCat(node.cluster, "-", node.node);
    return std::find(options_.agents.begin(), options_.agents.end(), file) != options_.agents.end();
  }

  static absl::Status Register(const AgentFiles& node) {
    TRIVIUM_ASSIGN_OR_RETURN(const auto nats, BareNats::Connect(node.nats));
    v1::Request request;
    request.set_request_id(RealRandom()->NewId().ToBytes());
    request.set_source("trivium-scale");
    v1::Node& wanted = *request.mutable_register_node()->mutable_node();
    wanted.set_name(node.node);
    wanted.set_boot_id("scale");
    wanted.set_protocol_version(1);
    wanted.add_addresses(node.underlay);
    v1::Cidr& network = *wanted.add_pod_cidrs();
    network.set_address(node.network);
    network.set_length(node.length);
    const std::string subject = subjects::Api(node.cluster, node.nats.principal, "register-node");
    // The control plane may still be starting: far from its database, its migrations take a while.
    absl::Status last;
    for (int attempt = 0; attempt < 600; ++attempt) {
      const absl::StatusOr<std::string> answer =
          nats->Request(subject, request.SerializeAsString(), absl::Seconds(5));
      v1::Reply reply;
      last = answer.status();
      if (last.ok() && !answer->empty() && reply.ParseFromString(*answer)) {
        return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return last.ok() ? absl::UnavailableError("nobody serves requests") : last;
  }

  absl::Status Connect(bool send_asap) {
    for (size_t i = 0; i < clusters_.size(); ++i) {
      Cluster& cluster = clusters_[i];
      BareNatsOptions nats = cluster.nats;
      nats.send_asap = send_asap;
      cluster.connection.reset();
      TRIVIUM_ASSIGN_OR_RETURN(cluster.connection, BareNats::Connect(nats));
      cluster.inbox =
          absl::StrCat(subjects::InboxPrefix(cluster.principal), ".", RealRandom()->NewId().ToHex(), ".");
      TRIVIUM_RETURN_IF_ERROR(cluster.connection->SubscribeSubjects(
          cluster.inbox + "*", [this, i](absl::string_view subject, absl::string_view payload) {
            Answer answer{i, 0, NowNs(), 0, 0, ""};
            v1::Reply reply;
            if (!absl::SimpleAtoi(subject.substr(subject.rfind('.') + 1), &answer.id)) return;
            if (payload.empty() || !reply.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
              answer.code = 14;
              answer.message = "nobody serves requests";
            } else {
              answer.code = reply.code();
              answer.message = reply.message();
              answer.revision = reply.revision();
            }
            answers_.Put(std::move(answer));
          }));
      TRIVIUM_RETURN_IF_ERROR(cluster.connection->Flush(absl::Seconds(5)));
    }
    revisions_.resize(clusters_.size(), 0);
    return absl::OkStatus();
  }

  absl::Status Send(size_t index, int64_t due, Profile::Operation operation) {
    Cluster& cluster = clusters_[index];
    const uint64_t id = sent_.size();
    sent_.push_back(Sent{index, due, 0, 0, operation.changes});
    operation.request.set_source("trivium-scale");
    operation.request.set_deadline_ms(static_cast<uint32_t>(kReplyTimeout * 1000));
    const absl::Status status =
        cluster.connection->Publish(subjects::Api(cluster.name, cluster.principal, operation.verb),
                                    operation.request.SerializeAsString(), absl::StrCat(cluster.inbox, id));
    operation.request.Clear();
    cluster.open.emplace(id, std::move(operation));
    ++in_flight_;
    return status;
  }

  void Settle(const std::vector<Answer>& answers) {
    for (const Answer& answer : answers) {
      Cluster& cluster = clusters_[answer.cluster];
      const auto open = cluster.open.find(answer.id);
      if (open == cluster.open.end()) continue;
      --in_flight_;
      cluster.profile->Done(open->second, answer.code == 0);
      cluster.open.erase(open);
      Sent& sent = sent_[answer.id];
      if (answer.code != 0) {
        ++failed_;
        if (first_error_.empty()) first_error_ = answer.message;
        continue;
      }
      sent.answered_ns = answer.at_ns;
      sent.revision = answer.revision;
      revisions_[answer.cluster] = std::max(revisions_[answer.cluster], answer.revision);
    }
  }

  absl::Status AwaitAll(const std::string& what) {
    const int64_t end = NowNs() + static_cast<int64_t>((kReplyTimeout + 1) * 1e9);
    while (in_flight_ > 0 && NowNs() < end) Settle(answers_.Take(end));
    if (in_flight_ > 0) {
      return absl::DeadlineExceededError(
          absl::StrCat(what, ": ", in_flight_, " requests were never answered"));
    }
    return absl::OkStatus();
  }

  absl::Status AwaitApplied(size_t cluster) {
    if (applied_.WaitFor(clusters_[cluster].id, revisions_[cluster], kApplyTimeout)) return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat(
        "revision ", revisions_[cluster], " of ", clusters_[cluster].name, " is not in every agent's maps"));
  }

  nlohmann::json Summary(const LoadRow& row, int64_t start, double cp, double agents,
                         const std::vector<uint64_t>& first_revisions) {
    const int64_t warm = start + static_cast<int64_t>(std::min(1.0, row.seconds / 10) * 1e9);
    std::vector<double> times, answered, early, late;
    double changes = 0;
    int64_t last = start;
    for (size_t i = 0; i < sent_.size(); ++i) {
      const Sent& sent = sent_[i];
      if (sent.answered_ns == 0) continue;
      changes += sent.changes;
      last = std::max(last, sent.answered_ns);
      if (sent.due_ns < warm || sent.revision == 0) continue;
      const int64_t at = applied_.LastAt(clusters_[sent.cluster].id, sent.revision);
      const double ms = static_cast<double>(at - sent.due_ns) / 1e6;
      times.push_back(ms);
      if (i < sent_.size() / 3) early.push_back(ms);
      if (i > sent_.size() * 2 / 3) late.push_back(ms);
      answered.push_back(static_cast<double>(sent.answered_ns - sent.due_ns) / 1e6);
    }
    std::sort(times.begin(), times.end());
    std::sort(answered.begin(), answered.end());
    const double took = std::max(row.seconds, static_cast<double>(last - start) / 1e9);
    nlohmann::json out = {
        {"name", row.name},
        {"offered", row.rate},
        {"achieved", changes / took},
        {"p50_ms", At(times, 0.5)},
        {"p99_ms", At(times, 0.99)},
        {"p999_ms", At(times, 0.999)},
        {"cpu_s_per_1000_changes_cp", cp * 1000 / std::max(1.0, changes)},
        {"cpu_s_per_1000_changes_agent",
         agents * 1000 / std::max(1.0, changes) / static_cast<double>(options_.agents.size())},
        {"rss_mib_cp", ResidentMib(options_.control_plane_pids)},
        {"rss_mib_agent", ResidentMib(agent_pids_) / static_cast<double>(options_.agents.size())}};
    nlohmann::json by_agents = nlohmann::json::object();
    for (const auto& [cluster, agents_there] : agents_of_) by_agents[cluster] = MedianAt(agents_there, warm);
    nlohmann::json revisions = nlohmann::json::object();
    uint64_t batches = 0;
    for (size_t i = 0; i < clusters_.size(); ++i) {
      batches += revisions_[i] - first_revisions[i];
      revisions[absl::StrCat(clusters_[i].id)] = {first_revisions[i], revisions_[i]};
    }
    out["detail"] = {{"answer_p50_ms", At(answered, 0.5)},
                     {"answer_p99_ms", At(answered, 0.99)},
                     {"batches_per_s", static_cast<double>(batches) / took},
                     {"failed", failed_},
                     {"not_sent", skipped_},
                     {"first_error", first_error_},
                     // The median of the last third beside that of the first: above 1, a queue grows.
                     {"growth", early.empty() ? 0 : Median(late) / Median(early)},
                     // The median to the last agent of each cluster that has some.
                     {"p50_ms_by_agents", by_agents},
                     {"revisions", revisions}};
    return out;
  }

  double MedianAt(const std::vector<size_t>& agents, int64_t warm) const {
    std::vector<double> times;
    for (const Sent& sent : sent_) {
      if (sent.answered_ns == 0 || sent.due_ns < warm || sent.revision == 0) continue;
      const int64_t at = applied_.LastAt(clusters_[sent.cluster].id, sent.revision, agents);
      times.push_back(static_cast<double>(at - sent.due_ns) / 1e6);
    }
    return Median(std::move(times));
  }

  const LoadOptions options_;
  std::map<std::string, std::vector<size_t>> agents_of_;  // by cluster
  Applied applied_;
  Answers answers_;
  std::vector<Cluster> clusters_;
  std::vector<int> agent_pids_;
  std::vector<uint64_t> revisions_;  // the last that was answered, by cluster
  std::vector<Sent> sent_;
  size_t in_flight_ = 0;
  uint64_t failed_ = 0;
  uint64_t skipped_ = 0;
  std::string first_error_;
};

}  // namespace

absl::Status RunLoad(const LoadOptions& options) {
  // Never destroyed: it reads the pipe until the process ends.
  auto* const generator = new Generator(options);
  TRIVIUM_RETURN_IF_ERROR(generator->Prepare());
  TRIVIUM_RETURN_IF_ERROR(generator->RegisterNodes());
  TRIVIUM_RETURN_IF_ERROR(generator->Populate());
  std::cout << "populated" << std::endl;
  int agents = 0;
  if (!(std::cin >> agents)) return absl::CancelledError("no agents were named on standard input");
  TRIVIUM_RETURN_IF_ERROR(generator->AwaitAgents(agents));
  for (const LoadRow& row : options.rows) {
    TRIVIUM_ASSIGN_OR_RETURN(const nlohmann::json out, generator->Run(row));
    std::cout << out.dump() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace trivium::bench
