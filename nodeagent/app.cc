#include "nodeagent/app.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/report/endpoint_maps.h"
#include "nodeagent/report/map_text.h"
#include "nodeagent/report/start_stamp.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr char kSource[] = "trivium-agent/0.1";
constexpr char kVersion[] = "0.1";
constexpr uint32_t kProtocolVersion = 1;
constexpr absl::Duration kDefaultDeadline = absl::Seconds(10);
constexpr absl::Duration kMaxDeadline = absl::Minutes(5);
constexpr absl::Duration kMinRetry = absl::Milliseconds(200);
constexpr absl::Duration kMaxRetry = absl::Seconds(10);
// Of what changes, beside the one that comes every second anyway.
constexpr absl::Duration kMinBetweenReports = absl::Milliseconds(20);
constexpr absl::Duration kMaxBetweenReports = absl::Seconds(1);
constexpr absl::Duration kBetweenReportsPerNode = absl::Milliseconds(5);
constexpr int kReportBurst = 3;
constexpr size_t kMaxAuditLines = 100;
constexpr uint32_t kDefaultDumpLines = 1000;
constexpr uint32_t kDefaultFlows = 100;

bool KeepAll(v1::Kind) { return true; }

// Of other clusters: what the maps need.
bool KeepRemote(v1::Kind kind) {
  return kind == v1::KIND_NODE || kind == v1::KIND_IDENTITY || kind == v1::KIND_ENDPOINT ||
         kind == v1::KIND_CLUSTER || kind == v1::KIND_LIVENESS;
}

Pipeline::Options PipelineOptions(const AgentConfig& config) {
  Pipeline::Options options;
  options.cluster = config.cluster;
  options.cluster_id = config.cluster_id;
  options.node = config.node;
  options.space = config.address_space;
  options.pod_cidrs = config.pod_cidrs;
  options.inner_addresses = config.inner_addresses;
  options.underlay_addresses = config.underlay_addresses;
  return options;
}

v1::Node NodeOf(const AgentConfig& config, const std::string& boot_id) {
  v1::Node node;
  node.set_name(config.node);
  node.set_zone(config.zone);
  node.set_boot_id(boot_id);
  node.set_protocol_version(kProtocolVersion);
  for (const std::string& ip : config.underlay_addresses) node.add_addresses(ip);
  for (const std::string& ip : config.inner_addresses) node.add_inner_addresses(ip);
  for (const v1::Cidr& cidr : config.pod_cidrs) *node.add_pod_cidrs() = cidr;
  return node;
}

}  // namespace

AgentApp::AgentApp(AgentConfig config, Deps deps)
    : config_(std::move(config)),
      deps_(std::move(deps)),
      principal_(config_.Principal()),
      pipeline_(PipelineOptions(config_), deps_.clock),
      control_(config_.cluster, principal_, kSource, deps_.executor, deps_.bus),
      endpoint_store_(deps_.files, config_.state_dir + "/endpoints"),
      retry_backoff_(kMinRetry, kMaxRetry, deps_.random),
      enforcement_(config_.cluster) {}

AgentApp::~AgentApp() = default;

absl::Status AgentApp::Start() {
  const std::string copies = config_.state_dir + "/mirror";
  TRIVIUM_RETURN_IF_ERROR(deps_.files->MakeFolders(copies));
  start_ms_ =
      MakeStartStamp(deps_.files, config_.state_dir + "/last-start", absl::ToUnixMillis(deps_.clock->Now()));
  TRIVIUM_RETURN_IF_ERROR(Annotate(pipeline_.Adopt(deps_.maps), "reading the kernel's maps"));
  TRIVIUM_RETURN_IF_ERROR(Annotate(deps_.devices->SetUpNode(), "setting up the node's devices"));

  inbox_ = std::make_unique<Inbox>(
      Inbox::Options{principal_, copies},
      ClusterFeed::Deps{deps_.executor, deps_.bus, deps_.files, deps_.file_sync, deps_.random, this},
      deps_.clock);
  registrar_ = std::make_unique<NodeRegistrar>(NodeOf(config_, deps_.boot_id), deps_.executor, deps_.random,
                                               &control_, [this] { endpoints_->OnProgress(); });
  EndpointManager::Hooks hooks;
  hooks.want_flush = [this] { WantFlush(); };
  hooks.mirror = [this] { return &inbox_->Find(config_.cluster)->replica(); };
  hooks.synced = [this] { return inbox_->Find(config_.cluster)->synced(); };
  hooks.node_registered = [this] { return pipeline_.node_number() != 0; };
  endpoints_ = std::make_unique<EndpointManager>(
      EndpointManager::Options{config_.cluster, config_.node, config_.address_space, config_.pod_cidrs,
                               config_.policy_audit_mode},
      EndpointManager::Deps{deps_.executor, deps_.clock, deps_.random, deps_.devices, &pipeline_, &control_,
                            &endpoint_store_},
      std::move(hooks));

  MakeFlowLog();
  inbox_->Follow(kMeshCluster, kMeshClusterId, KeepAll);
  inbox_->Follow(config_.cluster, config_.cluster_id, KeepAll);
  FollowClusters();
  TRIVIUM_RETURN_IF_ERROR(Annotate(endpoints_->Load(), "endpoints of an earlier run"));
  starting_ = false;
  TRIVIUM_RETURN_IF_ERROR(inbox_->Start());
  registrar_->Register();
  WantFlush();
  EverySecond();
  return absl::OkStatus();
}

void AgentApp::MakeFlowLog() {
  flow_publisher_ = std::make_unique<FlowPublisher>(config_.cluster, config_.node, deps_.executor,
                                                    deps_.clock, deps_.bus, [this] { return FlowsLost(); });
  FlowContext context;
  context.cluster = config_.cluster;
  context.clock = deps_.clock;
  const auto party = [](EndpointManager::Who who) { return FlowParty{std::move(who.name), who.identity}; };
  context.endpoint = [this, party](uint32_t number) { return party(endpoints_->WhoIs(number)); };
  context.address = [this, party](absl::string_view ip) { return party(endpoints_->WhoHas(ip)); };
  context.rule = [this](uint32_t cookie) { return pipeline_.FindCookie(cookie); };
  context.revision = [this] {
    const auto it = enforced_.find(config_.cluster);
    return it == enforced_.end() ? 0 : it->second.revision;
  };
  flow_log_ = std::make_unique<FlowLog>(std::move(context),
                                        [this](const v1::FlowEvent& event) { flow_publisher_->Add(event); });
}

uint64_t AgentApp::FlowsLost() const {
  return flow_log_->skipped() + (deps_.events_lost == nullptr ? 0 : deps_.events_lost());
}

void AgentApp::OnObject(ClusterFeed* feed, const ObjectChange& change) {
  pipeline_.OnObject(feed->cluster_id(), change);
}

void AgentApp::OnEndpoint(ClusterFeed* feed, const EndpointRecord* before, const EndpointRecord* after) {
  pipeline_.OnEndpoint(feed->cluster_id(), before, after);
}

void AgentApp::OnMoved(ClusterFeed* feed) {
  if (feed->cluster_id() == kMeshClusterId) follow_pending_ = true;
  if (starting_) return;
  WantFlush();
}

void AgentApp::OnState(ClusterFeed* feed) {
  if (starting_) return;
  if (feed->cluster_id() == kMeshClusterId) follow_pending_ = true;
  WantFlush();
  WantReport();
}

void AgentApp::FollowClusters() {
  follow_pending_ = false;
  const ClusterFeed* mesh = inbox_->Find(kMeshCluster);
  std::map<std::string, uint32_t> listed{{kMeshCluster, kMeshClusterId},
                                         {config_.cluster, config_.cluster_id}};
  for (const auto& [name, stored] : mesh->replica().mirror().All(v1::KIND_CLUSTER)) {
    // Names become file names and subjects.
    if (IsSubjectToken(name) && stored.object != nullptr) listed.emplace(name, stored.object->cluster().id());
  }
  for (const auto& [name, id] : listed) inbox_->Follow(name, id, KeepRemote);
  if (!mesh->synced()) return;
  std::vector<std::pair<std::string, uint32_t>> gone;
  for (const auto& [name, feed] : inbox_->feeds()) {
    const auto it = listed.find(name);
    // A name may come back as another cluster: that one starts from nothing.
    if (it == listed.end() || it->second != feed->cluster_id()) gone.emplace_back(name, feed->cluster_id());
  }
  for (const auto& [name, id] : gone) {
    spdlog::info("a cluster has left the mesh cluster={}", name);
    if (const absl::Status status = inbox_->Unfollow(name); !status.ok()) {
      spdlog::warn("cannot remove a durable copy cluster={} error=\"{}\"", name, status.ToString());
    }
    enforced_.erase(name);
    const auto it = listed.find(name);
    if (it != listed.end()) inbox_->Follow(name, it->second, KeepRemote);
  }
}

bool AgentApp::InSync() const {
  return std::all_of(inbox_->feeds().begin(), inbox_->feeds().end(),
                     [](const auto& feed) { return feed.second->synced(); });
}

bool AgentApp::MayWriteRemote() {
  if (may_write_remote_) return true;
  for (const auto& [cluster, place] : pipeline_.Vector()) {
    const ClusterFeed* feed = nullptr;
    for (const auto& [name, each] : inbox_->feeds()) {
      if (each->cluster_id() == cluster) feed = each.get();
    }
    if (feed == nullptr) {
      if (inbox_->Find(kMeshCluster)->synced()) continue;  // it has left the mesh
      return false;
    }
    const Position& held = feed->replica().position();
    if (held.epoch < place.epoch || (held.epoch == place.epoch && held.revision < place.revision))
      return false;
  }
  return may_write_remote_ = true;
}

void AgentApp::WantFlush() {
  if (std::exchange(flush_pending_, true)) return;
  deps_.executor->Post([this, alive = alive_.Watch()] {
    if (!alive.expired()) Flush();
  });
}

void AgentApp::FlushAt(absl::Duration when) {
  if (when >= flush_at_) return;
  flush_at_ = when;
  deps_.executor->PostAfter(when - deps_.clock->Monotonic(), [this, alive = alive_.Watch(), when] {
    if (alive.expired()) return;
    if (flush_at_ == when) flush_at_ = absl::InfiniteDuration();
    WantFlush();
  });
}

void AgentApp::Flush() {
  flush_pending_ = false;
  if (follow_pending_) FollowClusters();
  const absl::Duration began = deps_.clock->Monotonic();
  FlushReport report;
  if (MayWriteRemote()) {
    report = pipeline_.Flush(deps_.maps);
    BookFlush(report);
    const bool changed = enforcement_.Update(
        report.complete ? std::vector<Pipeline::NotEnforced>{} : pipeline_.PoliciesNotEnforced(),
        deps_.clock->Now());
    if (changed) WantReport();
    SetRoutes();
  } else {
    report = pipeline_.FlushClosed(deps_.maps);
  }
  if (report.next_deadline.has_value()) FlushAt(*report.next_deadline);
  for (const MapProblem& problem : report.problems) {
    spdlog::error("entries of a map are not written map={} entries={} error=\"{}\"",
                  std::string(MapName(problem.map)), problem.keys, problem.status.ToString());
  }
  if (report.problems.empty() && vector_problem_.empty() && route_problem_.empty()) {
    retry_backoff_.Reset();
  } else {
    ScheduleRetry();
  }
  ++counters_.flushes;
  counters_.map_updates += report.updates;
  counters_.map_deletes += report.deletes;
  counters_.flush_seconds.Add(absl::ToDoubleSeconds(deps_.clock->Monotonic() - began));
  last_flush_ = report;
  // A control plane that came back from a backup may not have this node any more.
  if (inbox_->Find(config_.cluster)->synced() && pipeline_.node_number() == 0) registrar_->Register();
  endpoints_->OnFlushed(report);
}

void AgentApp::BookFlush(const FlushReport& report) {
  std::vector<std::pair<uint32_t, Pipeline::Place>> places;
  for (const auto& [name, feed] : inbox_->feeds()) {
    const Position& held = feed->replica().position();
    if (held.epoch == 0) continue;
    if (!report.behind.contains(feed->cluster_id())) {
      places.emplace_back(feed->cluster_id(), Pipeline::Place{held.epoch, held.revision, held.batch});
    }
  }
  vector_problem_.clear();
  if (const MapWriteResult written = pipeline_.WriteVector(deps_.maps, places); !written.ok()) {
    vector_problem_ = absl::StrCat("map vector: ", written.status.message());
  }
  for (const auto& [cluster, place] : pipeline_.Vector()) {
    const bool followed = std::any_of(inbox_->feeds().begin(), inbox_->feeds().end(),
                                      [c = cluster](const auto& f) { return f.second->cluster_id() == c; });
    if (followed || !inbox_->Find(kMeshCluster)->synced()) continue;
    if (const MapWriteResult dropped = pipeline_.DropVector(deps_.maps, cluster); !dropped.ok()) {
      vector_problem_ = absl::StrCat("map vector: ", dropped.status.message());
    }
  }
  const std::vector<uint32_t> retired = pipeline_.RetiredInUse();
  for (const auto& [name, feed] : inbox_->feeds()) {
    Enforced& enforced = enforced_[name];
    const Position& held = feed->replica().position();
    if (held.epoch == 0) continue;
    if (report.behind.contains(feed->cluster_id())) {
      enforced.problem = "some of its entries could not be written";
      for (const MapProblem& problem : report.problems) {
        enforced.problem = absl::StrCat("map ", MapName(problem.map), ": ", problem.keys,
                                        " entries not written: ", problem.status.message());
      }
    } else if (!vector_problem_.empty()) {
      enforced.problem = vector_problem_;
    } else if (feed->cluster_id() == config_.cluster_id && !retired.empty()) {
      // Confirmed, the number could be given to others.
      enforced.problem = absl::StrCat("an endpoint of this node still uses retired identity ", retired[0]);
    } else {
      if (enforced.epoch != held.epoch || enforced.revision != held.revision) BookEnforced(*feed, &enforced);
      enforced.problem.clear();
      continue;
    }
    WantReport();
  }
}

void AgentApp::BookEnforced(const ClusterFeed& feed, Enforced* enforced) {
  const Position& held = feed.replica().position();
  enforced->epoch = held.epoch;
  enforced->revision = held.revision;
  spdlog::debug("enforced cluster={} epoch={} revision={}", feed.cluster(), held.epoch, held.revision);
  // What was missed before the start says nothing of how fast changes come.
  const int64_t newest = feed.counters().newest_change_us;
  if (feed.synced() && newest > enforced->measured_us) {
    enforced->lag = std::max(absl::ZeroDuration(), deps_.clock->Now() - absl::FromUnixMicros(newest));
    counters_.lag_seconds.Add(absl::ToDoubleSeconds(enforced->lag));
  }
  enforced->measured_us = newest;
  WantReport();
}

absl::Duration AgentApp::LagOf(const std::string& cluster) const {
  const auto it = enforced_.find(cluster);
  return it == enforced_.end() ? absl::ZeroDuration() : it->second.lag;
}

std::vector<std::string> AgentApp::NotReady() const {
  std::vector<std::string> reasons;
  if (!may_write_remote_) reasons.push_back("catching up: the maps are ahead of what this agent holds");
  for (const auto& [name, feed] : inbox_->feeds()) {
    if (!feed->problem().empty()) {
      reasons.push_back(absl::StrCat("log of ", name, ": ", feed->problem()));
    } else if (inbox_->connected() && !feed->synced()) {
      reasons.push_back(absl::StrCat("log of ", name, ": not in sync yet"));
    } else if (!inbox_->connected() && feed->replica().position().epoch == 0) {
      reasons.push_back(absl::StrCat("log of ", name, ": not connected, and no copy to enforce"));
    }
  }
  for (const MapProblem& problem : last_flush_.problems) {
    reasons.push_back(absl::StrCat("map ", MapName(problem.map), ": ", problem.keys,
                                   " entries not written: ", problem.status.message()));
  }
  return reasons;
}

void AgentApp::SetRoutes() {
  std::vector<std::pair<std::string, int>> wanted;
  for (const v1::Cidr& cidr : pipeline_.PodNetworks()) {
    wanted.emplace_back(cidr.address(), static_cast<int>(cidr.length()));
  }
  std::sort(wanted.begin(), wanted.end());
  if (routes_ == wanted) return;
  // Without the mesh's log nothing is known of networks: routes of an earlier run stay.
  if (inbox_->Find(kMeshCluster)->replica().position().epoch == 0) return;
  const absl::Status status = deps_.devices->SetOverlayRoutes(wanted);
  route_problem_ = status.ok() ? "" : absl::StrCat("overlay routes: ", status.message());
  if (status.ok()) {
    routes_ = std::move(wanted);
  } else {
    spdlog::error("cannot set overlay routes error=\"{}\"", std::string(status.message()));
  }
}

void AgentApp::ScheduleRetry() {
  if (std::exchange(retry_pending_, true)) return;
  deps_.executor->PostAfter(retry_backoff_.Next(), [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    retry_pending_ = false;
    pipeline_.Retry();
    WantFlush();
  });
}

void AgentApp::WantReport() {
  if (std::exchange(report_pending_, true)) return;
  auto report = [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    report_pending_ = false;
    Report();
  };
  const absl::Duration now = deps_.clock->Monotonic();
  const absl::Duration between = BetweenReports();
  const absl::Duration wait = next_report_ - now;
  next_report_ = std::max(next_report_, now - kReportBurst * between) + between;
  if (wait <= absl::ZeroDuration()) return deps_.executor->Post(std::move(report));
  deps_.executor->PostAfter(wait, std::move(report));
}

// However many revisions come: all nodes of the cluster together report them two hundred times a second, for
// a report costs servers and control planes what a change costs. Of a quiet node the first ones go at once.
absl::Duration AgentApp::BetweenReports() const {
  const ClusterFeed* own = inbox_->Find(config_.cluster);
  const size_t nodes = own == nullptr ? 0 : own->replica().mirror().All(v1::KIND_NODE).size();
  return std::clamp(kBetweenReportsPerNode * static_cast<double>(nodes), kMinBetweenReports,
                    kMaxBetweenReports);
}

void AgentApp::Report() {
  if (!inbox_->connected()) return;
  v1::AgentStatus status = Status();
  status.set_sequence(++report_sequence_);
  const absl::Status published =
      deps_.bus->Publish(subjects::AgentStatus(config_.cluster, config_.node), status.SerializeAsString());
  if (!published.ok()) {  // the next one follows within a second
    spdlog::debug("cannot send a report error=\"{}\"", published.ToString());
  }
}

void AgentApp::EverySecond() {
  if (deps_.drops != nullptr) drops_ = deps_.drops();
  Report();
  endpoints_->OnProgress();
  deps_.executor->PostAfter(absl::Seconds(1), [this, alive = alive_.Watch()] {
    if (!alive.expired()) EverySecond();
  });
}

v1::AgentStatus AgentApp::Status() const {
  v1::AgentStatus status;
  status.set_cluster(config_.cluster);
  status.set_node(config_.node);
  status.set_version(kVersion);
  status.set_protocol_version(kProtocolVersion);
  status.set_time_ms(absl::ToUnixMillis(deps_.clock->Now()));
  status.set_start_ms(start_ms_);
  status.set_boot_id(deps_.boot_id);
  status.set_sequence(report_sequence_);
  status.set_endpoints(static_cast<uint32_t>(endpoints_->size()));
  status.set_audited_endpoints(endpoints_->audited());
  for (const auto& [name, feed] : inbox_->feeds()) {
    const Position& held = feed->replica().position();
    v1::AppliedCluster* applied = status.add_applied();
    applied->set_cluster(name);
    applied->set_epoch(held.epoch);
    applied->set_received(held.revision);
    applied->set_batch(held.batch.ToBytes());
    const auto it = enforced_.find(name);
    if (it != enforced_.end()) {
      // A revision of an older epoch says nothing of this one.
      if (it->second.epoch == held.epoch) applied->set_enforced(it->second.revision);
      applied->set_problem(it->second.problem);
    } else if (!may_write_remote_) {
      applied->set_problem("catching up: the maps are ahead of what this agent holds");
    }
    if (!feed->problem().empty()) applied->set_problem(feed->problem());
  }
  for (int i = 0; i < kMapCount; ++i) {
    const MapId map = static_cast<MapId>(i);
    v1::MapFill* fill = status.add_maps();
    fill->set_name(std::string(MapName(map)));
    fill->set_entries(pipeline_.maps().ActualSize(map));
    fill->set_capacity(deps_.maps->Info(map).capacity);
  }
  for (const v1::DropCount& drop : drops_) *status.add_drops() = drop;
  enforcement_.Fill(&status);
  return status;
}

std::vector<std::string> AgentApp::Problems() const {
  std::vector<std::string> problems = endpoints_->Problems();
  if (!vector_problem_.empty()) problems.push_back(vector_problem_);
  if (!route_problem_.empty()) problems.push_back(route_problem_);
  if (!registrar_->registered() && pipeline_.node_number() == 0) {
    problems.push_back(absl::StrCat("node: ", registrar_->problem()));
  }
  for (const MapProblem& problem : last_flush_.problems) {
    problems.push_back(absl::StrCat("map ", MapName(problem.map), ": ", problem.keys,
                                    " entries not written: ", problem.status.message()));
  }
  for (std::string& problem : enforcement_.Problems()) problems.push_back(std::move(problem));
  for (const auto& [name, feed] : inbox_->feeds()) {
    if (!feed->problem().empty()) problems.push_back(absl::StrCat("log of ", name, ": ", feed->problem()));
  }
  return problems;
}

v1::AgentStatusResult AgentApp::StatusResult(bool audit) {
  v1::AgentStatusResult result;
  *result.mutable_status() = Status();
  result.set_connected(inbox_->connected());
  result.set_in_sync(InSync());
  result.set_node_number(pipeline_.node_number());
  if (deps_.audited != nullptr) result.set_audited(deps_.audited());
  for (const auto& [name, feed] : inbox_->feeds()) {
    if (!feed->problem().empty()) result.set_reader_problem(feed->problem());
  }
  for (const std::string& problem : Problems()) result.add_problems(problem);
  if (audit) {
    const absl::StatusOr<std::vector<std::string>> differences = pipeline_.Audit(deps_.maps, kMaxAuditLines);
    if (!differences.ok()) {
      result.add_audit(differences.status().ToString());
    } else {
      for (const std::string& line : *differences) result.add_audit(line);
    }
  }
  return result;
}

v1::AgentReply AgentApp::EndpointMapsReply(const v1::EndpointMapsQuery& query) {
  v1::AgentReply reply;
  absl::StatusOr<v1::LocalEndpoint> endpoint =
      endpoints_->Find(query.number(), query.namespace_(), query.name());
  const auto read = [&]() -> absl::StatusOr<v1::EndpointMapsResult> {
    if (!endpoint.ok()) return endpoint.status();
    return EndpointMaps(deps_.maps, pipeline_, config_.address_space, *endpoint,
                        query.limit() == 0 ? kDefaultDumpLines : query.limit());
  };
  absl::StatusOr<v1::EndpointMapsResult> maps = read();
  if (maps.ok()) {
    *reply.mutable_endpoint_maps() = *std::move(maps);
  } else {
    reply.set_code(static_cast<uint32_t>(maps.status().code()));
    reply.set_message(std::string(maps.status().message()));
  }
  return reply;
}

void AgentApp::Handle(const v1::AgentRequest& request, EndpointManager::Done done) {
  const absl::Duration deadline = request.deadline_ms() == 0
                                      ? kDefaultDeadline
                                      : std::min(kMaxDeadline, absl::Milliseconds(request.deadline_ms()));
  v1::AgentReply reply;
  switch (request.verb_case()) {
    case v1::AgentRequest::kAdd:
      return endpoints_->Add(request.add(), deadline, std::move(done));
    case v1::AgentRequest::kDel:
      return endpoints_->Del(request.del(), deadline, std::move(done));
    case v1::AgentRequest::kList:
      *reply.mutable_list() = endpoints_->List();
      return done(std::move(reply));
    case v1::AgentRequest::kConfig:
      return endpoints_->Config(request.config(), std::move(done));
    case v1::AgentRequest::kStatus:
      *reply.mutable_status() = StatusResult(request.status().audit());
      return done(std::move(reply));
    case v1::AgentRequest::kMaps: {
      const uint32_t limit = request.maps().limit() == 0 ? kDefaultDumpLines : request.maps().limit();
      absl::StatusOr<v1::MapsResult> dump = DumpMaps(deps_.maps, pipeline_, request.maps().map(), limit);
      if (dump.ok()) {
        *reply.mutable_maps() = *std::move(dump);
      } else {
        reply.set_code(static_cast<uint32_t>(dump.status().code()));
        reply.set_message(std::string(dump.status().message()));
      }
      return done(std::move(reply));
    }
    case v1::AgentRequest::kEndpointMaps:
      return done(EndpointMapsReply(request.endpoint_maps()));
    case v1::AgentRequest::kFlows:
      *reply.mutable_flows() =
          flow_log_->Last(request.flows().limit() == 0 ? kDefaultFlows : request.flows().limit());
      reply.mutable_flows()->set_lost(FlowsLost());
      return done(std::move(reply));
    default:
      break;
  }
  reply.set_code(static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  reply.set_message(
      "a request without a verb that this agent knows: add, del, list, config, status, "
      "maps, endpoint-maps or flows");
  done(std::move(reply));
}

}  // namespace trivium
