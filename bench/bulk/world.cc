#include "bench/bulk/world.h"

#include <signal.h>
#include <unistd.h>

#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/agent_client.h"

namespace trivium::bench {
namespace {

std::string Text(const std::string& ip) {
  return absl::StrFormat("%d.%d.%d.%d", static_cast<uint8_t>(ip[0]), static_cast<uint8_t>(ip[1]),
                         static_cast<uint8_t>(ip[2]), static_cast<uint8_t>(ip[3]));
}

std::string PortOf(const std::string& url) { return url.substr(url.rfind(':') + 1); }

}  // namespace

BulkWorld::BulkWorld(std::string build, SyntheticOptions options)
    : build_(std::move(build)), options_(options) {}

BulkWorld::~BulkWorld() {
  if (!config_.empty()) RemoveAgent().IgnoreError();
}

absl::StatusOr<std::unique_ptr<BulkWorld>> BulkWorld::Start(const std::string& build,
                                                            const SyntheticOptions& options) {
  std::unique_ptr<BulkWorld> world(new BulkWorld(build, options));
  world->nats_server_ = std::make_unique<PlainNats>("max_pending: 64MB\n");
  if (!world->nats_server_->server().running()) return absl::UnavailableError("no nats-server");
  world->nats_url_ = world->nats_server_->url();
  world->link_ = std::make_unique<CuttingProxy>("127.0.0.1", PortOf(world->nats_url_));
  TRIVIUM_ASSIGN_OR_RETURN(
      Process server,
      Process::Start(
          {build + "/bench/trivium-bench-mesh", "--nats", world->nats_url_, "--clusters",
           absl::StrCat(options.clusters), "--endpoints", absl::StrCat(options.endpoints), "--identities",
           absl::StrCat(options.identities), "--nodes", absl::StrCat(options.nodes)},
          world->folder_.path() + "/server.log"));
  world->server_.emplace(std::move(server));
  TRIVIUM_RETURN_IF_ERROR(world->server_->ReadLine().status());  // "ready"
  const std::string& folder = world->folder_.path();
  const std::string pods = FreeAddress(options, 4);
  // Every endpoint and every address of a node, and some room: a full map is refused, and the agent never
  // current.
  const uint64_t entries = uint64_t{options.clusters} * (options.endpoints + 2 * options.nodes) * 21 / 20;
  world->config_ = world->folder_.Write(
      "agent.yaml",
      absl::StrCat("cluster: ", ClusterName(1), "\ncluster_id: 1\nnode: bench\naddress_space: 0\n",
                   "underlay: {device: up0, addresses: [172.31.0.1]}\npod_cidrs: [", Text(pods),
                   "/30]\ninner_addresses: [", Text(pods), "]\nstate_dir: ", folder,
                   "/state\nsocket: ", folder, "/agent.sock\npin_root: /sys/fs/bpf/trivium-bench-",
                   ::getpid(), "\nmaps: {ipcache: ", std::max<uint64_t>(entries, 1 << 20),
                   "}\nnats: {servers: [\"nats://127.0.0.1:", world->link_->port(),
                   "\"]}\nlog_level: info\n"));
  TRIVIUM_ASSIGN_OR_RETURN(MemoryGroup memory, MemoryGroup::Make(absl::StrCat("trivium-bench-", ::getpid())));
  world->memory_.emplace(std::move(memory));
  return world;
}

v1::Cidr BulkWorld::ProbeCidr() const {
  v1::Cidr cidr;
  cidr.set_address(FreeAddress(options_, 8));
  cidr.set_length(30);
  return cidr;
}

std::string BulkWorld::pin_root() const { return absl::StrCat("/sys/fs/bpf/trivium-bench-", ::getpid()); }

absl::Status BulkWorld::StartAgent() {
  TRIVIUM_ASSIGN_OR_RETURN(Process agent,
                           Process::Start({build_ + "/nodeagent/trivium-agent", "--config", config_},
                                          folder_.path() + "/agent.log", &*memory_));
  agent_.emplace(std::move(agent));
  return absl::OkStatus();
}

void BulkWorld::KillAgent() { agent_.reset(); }

absl::Status BulkWorld::RemoveAgent() {
  KillAgent();
  TRIVIUM_ASSIGN_OR_RETURN(
      Process cleanup, Process::Start({build_ + "/nodeagent/trivium-agent", "--cleanup", "--config", config_},
                                      folder_.path() + "/cleanup.log"));
  while (cleanup.ReadLine().ok()) {
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::AgentStatusResult> BulkWorld::AgentStatus(bool audit) {
  v1::AgentRequest request;
  request.mutable_status()->set_audit(audit);
  TRIVIUM_ASSIGN_OR_RETURN(v1::AgentReply reply, cli::CallAgent(folder_.path() + "/agent.sock",
                                                                std::move(request), absl::Seconds(30)));
  return std::move(*reply.mutable_status());
}

absl::StatusOr<absl::Duration> BulkWorld::WaitUntilCurrent(absl::Time start, absl::Duration limit) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string line, server_->Ask("heads"));
  std::istringstream words(line);
  std::map<std::string, std::pair<uint64_t, uint64_t>> heads;
  std::string name;
  uint64_t epoch = 0, revision = 0;
  while (words >> name >> epoch >> revision) heads[name] = {epoch, revision};
  while (absl::Now() - start < limit) {
    const absl::StatusOr<v1::AgentStatusResult> status = AgentStatus();
    const absl::Duration passed = absl::Now() - start;
    size_t current = 0;
    if (status.ok() && status->in_sync()) {
      for (const v1::AppliedCluster& applied : status->status().applied()) {
        const auto head = heads.find(applied.cluster());
        current += head != heads.end() && applied.epoch() == head->second.first &&
                   applied.enforced() >= head->second.second;
      }
    }
    if (current == heads.size()) return passed;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the agent is not current after ", absl::FormatDuration(limit)));
}

}  // namespace trivium::bench
