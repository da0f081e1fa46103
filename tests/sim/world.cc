#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/made_up_policies.h"

namespace trivium::sim {
namespace {

constexpr absl::Duration kWarmUp = absl::Milliseconds(1500);
// All must be at the head so long after the last fault at the latest.
constexpr absl::Duration kConvergence = absl::Seconds(120);

size_t LogOf(const std::string& cluster) {
  for (size_t c = 0; c < kClusters; ++c) {
    if (cluster == kClusterNames[c]) return c + 1;
  }
  return 0;
}

const char* ClusterOf(uint32_t log) { return log == 0 ? kMeshCluster : kClusterNames[log - 1]; }

}  // namespace

World::World(Plan plan, Sabotage sabotage)
    : plan_(std::move(plan)),
      scheduler_(plan_.seed),
      luck_(plan_.seed, "world"),
      broker_random_(plan_.seed, "broker"),
      director_(scheduler_.NewExecutor()),
      network_executor_(scheduler_.NewExecutor()),
      server_(scheduler_.NewExecutor()),
      broker_(std::make_unique<FakeBroker>(network_executor_, &broker_random_)),
      network_(std::make_unique<Network>(plan_.seed, &scheduler_, &coverage_)) {
  // Some worlds have readers that hold hardly anything.
  broker_->SetBounds(luck_.Below(3) == 0 ? 4 + luck_.Below(12) : 64, 1 << 20);
  broker_->SetCourier([this](const std::string& from, const std::string& to, const Message& message) {
    return network_->Carry(from, to, message);
  });
  broker_->SetReach(
      [this](const std::string& from, const std::string& to) { return network_->Reaches(from, to); });
  around_.seed = plan_.seed;
  around_.scheduler = &scheduler_;
  around_.coverage = &coverage_;
  around_.broker = broker_.get();
  around_.database = std::make_shared<FakeDatabase>();
  around_.database->SetClock(&admin_clock_);
  around_.server = server_;
  around_.fate = [this](uint32_t process, const FakeStore::Operation& operation) {
    return network_->Query(process, sites_[process]->cluster(), operation);
  };
  around_.after_task = [this](uint32_t process) { AfterTask(process); };
  if (sabotage == Sabotage::kForgottenCommit) {
    auto luck = std::make_shared<SimRandom>(plan_.seed, "sabotage");
    around_.forget_commit = [luck] { return luck->Chance(0.05); };
  }
  if (sabotage == Sabotage::kLostMapWrite) {
    auto luck = std::make_shared<SimRandom>(plan_.seed, "sabotage");
    around_.lose_map_write = [luck] { return luck->Chance(0.01); };
  }
  around_.database->SetObserver([this](const FakeDatabase::ClusterRows& rows, const CommitRequest* request) {
    ++outcome_.commits;
    scheduler_.Note(rows.head.last_batch.lo);
    if (std::string problem = history_.OnHead(rows, request); !problem.empty()) Fail(std::move(problem));
    if (request != nullptr) CheckRemovals(rows.name, *request);
  });
  uint32_t process = 0;
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t i = 0; i < plan_.shape.control_planes[c]; ++i) {
      control_planes_.push_back(std::make_unique<ControlPlaneSite>(&around_, process++, c, i));
    }
  }
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (uint32_t i = 0; i < plan_.shape.agents[c]; ++i) {
      agents_.push_back(std::make_unique<AgentSite>(&around_, process++, c, i + 1));
    }
  }
  for (uint32_t i = 0; i < plan_.shape.subscribers; ++i) {
    subscribers_.push_back(std::make_unique<SubscriberSite>(&around_, process++, i % kClusters, i));
  }
  for (const auto& site : control_planes_) sites_.push_back(site.get());
  for (const auto& site : agents_) sites_.push_back(site.get());
  for (const auto& site : subscribers_) sites_.push_back(site.get());
  seen_.resize(sites_.size());
  for (const auto& agent : agents_) nodes_.push_back(agent.get());
  for (const auto& agent : agents_) {
    cnis_.push_back(std::make_unique<Cni>(&around_, agent.get(), plan_.shape.slots, director_));
    watches_.push_back(
        std::make_unique<AgentWatch>(plan_.seed, agent.get(), cnis_.back().get(), &history_, &nodes_));
    agent->on_map_write = [this, watch = watches_.back().get()](const FakeMapIo::Write&) {
      if (std::string problem = watch->OnMapWrite(); !problem.empty()) Fail(std::move(problem));
    };
  }
  for (uint32_t c = 0; c < kClusters; ++c) {
    people_.push_back(std::make_unique<Person>(
        &around_, c, [this, c](const Person::Request& request) { CheckAnswer(c, request); }));
  }
}

World::~World() {
  for (Site* site : sites_) site->Kill();
}

void World::Fail(std::string what) {
  if (failure_.empty()) {
    failure_ = absl::StrCat("at ", absl::ToDoubleSeconds(scheduler_.now() - start_), " s: ", what);
  }
  scheduler_.Stop();
}

void World::Later(absl::Duration delay, std::function<void()> task) {
  director_->PostAfter(delay, [task = std::move(task)] { task(); });
}

void World::StartLater(Site* site, absl::Duration delay) {
  Later(delay, [this, site] {
    if (site->up()) return;
    site->Start();
    if (site->process() >= control_planes_.size() &&
        site->process() < control_planes_.size() + agents_.size()) {
      cnis_[site->process() - control_planes_.size()]->OnStart();
    }
  });
}

void World::Crash(Site* site, absl::Duration down) {
  if (!site->up()) return;
  site->Kill();
  StartLater(site, down);
}

void World::Ask(uint32_t cluster, const std::string& verb, v1::Request request) {
  people_[cluster]->Ask(verb, std::move(request));
}

void World::AskDelete(uint32_t cluster, const std::string& kind, const std::string& ns,
                      const std::string& name) {
  v1::Request request;
  request.mutable_delete_()->set_kind(kind);
  request.mutable_delete_()->set_namespace_(ns);
  request.mutable_delete_()->set_name(name);
  Ask(cluster, "delete", std::move(request));
}

void World::Backup() {
  // One from before a cluster's first start would take its row away: only a start opens a cluster.
  for (uint32_t log = 0; log <= kClusters; ++log) {
    if (history_.head(ClusterOf(log)) == nullptr) return;
  }
  backup_ = around_.database->Save();
  has_backup_ = true;
  for (const auto& agent : agents_) agent->KeepOldCopies();
}

void World::Restore() {
  if (!has_backup_) return;
  coverage_.Hit(Point::kRestoreOfBackup);
  std::map<std::string, const Record*> before;
  for (uint32_t log = 0; log <= kClusters; ++log) before[ClusterOf(log)] = history_.head(ClusterOf(log));
  around_.database->Restore(backup_);
  history_.OnRestore(backup_);
  for (const auto& [cluster, head] : before) {
    std::set<const Record*> kept;
    for (const Record* r = history_.head(cluster); r != nullptr; r = r->prev) kept.insert(r);
    for (const Record* r = head; r != nullptr && !kept.contains(r); r = r->prev) undone_.insert(r);
  }
}

// To somebody who is not there, to nobody, or to one of the cluster's instances, perhaps a dead one.
void World::MoveLease(const Event& event) {
  const std::string cluster = kClusterNames[event.a];
  FakeDatabase::Lease lease;
  lease.holder = event.b < 2 ? "ghost" : absl::StrCat(cluster, "-", event.b - 2);
  lease.fence = 1000;
  lease.expires_at = admin_clock_.Now() + (event.b == 1 ? -event.lasts : event.lasts);
  coverage_.Hit(Point::kLeaseStolen);
  around_.database->SetLease(ClusterRef{cluster, event.a + 1, event.a + 1}, lease);
}

void World::Apply(const Event& event) {
  scheduler_.Note(event.ToString());
  Site* site = event.a < sites_.size() ? sites_[event.a] : nullptr;
  AgentSite* agent = event.a < agents_.size() ? agents_[event.a].get() : nullptr;
  const absl::Duration lasts = event.lasts;
  v1::Request request;
  switch (event.kind) {
    case Event::kApplyPolicy:
      request.mutable_apply()->add_manifests()->set_text(
          MadeUpManifest(event.b, event.c, {std::begin(kClusterNames), std::end(kClusterNames)}));
      return Ask(event.a, "apply", std::move(request));
    case Event::kDeletePolicy: {
      const MadeUpName name = MadeUpNameOf(event.b);
      return AskDelete(event.a, name.kind, name.ns, name.name);
    }
    case Event::kLabelNamespace:
      request.mutable_apply()->add_manifests()->set_text(NamespaceManifest(event.b, event.c));
      return Ask(event.a, "apply", std::move(request));
    case Event::kDeleteNamespace:
      return AskDelete(event.a, "Namespace", "", NamespaceName(event.b));
    case Event::kDeleteNode:
      return AskDelete(agent->cluster(), "Node", "", agent->config().node);
    case Event::kAddPod:
      return cnis_[event.a]->Add(event.b, event.c);
    case Event::kRelabelPod:
      if (cnis_[event.a]->Relabel(event.b, event.c)) coverage_.Hit(Point::kPodRelabelled);
      return;
    case Event::kDeletePod:
      return cnis_[event.a]->Delete(event.b);
    case Event::kCompact: {
      const Record* head = history_.head(ClusterOf(event.a));
      if (head == nullptr) return;
      coverage_.Hit(Point::kCompaction);
      const uint64_t floor = head->at.revision - luck_.Below(std::min<uint64_t>(head->at.revision, 5) + 1);
      for (const Seen& seen : seen_) {
        const Position& at = seen.at[event.a];
        if (at.epoch != 0 && at.revision < floor) coverage_.Hit(Point::kCompactedPastReader);
      }
      // By whoever runs compaction: not a process of this world.
      if (admin_ == nullptr) admin_ = std::make_unique<FakeStore>(around_.database, &admin_clock_);
      return admin_->Compact(ClusterRef{ClusterOf(event.a), event.a, event.a}, floor, absl::InfinitePast(),
                             server_, [](const absl::Status&) {});
    }
    case Event::kLease:
      return MoveLease(event);
    case Event::kBumpEpoch:
      coverage_.Hit(Point::kEpochBumped);
      request.mutable_bump_epoch()->set_reason("simulated");
      return Ask(event.a, "bump-epoch", std::move(request));
    case Event::kBackup:
      return Backup();
    case Event::kCrash:
      if (site->up()) coverage_.Hit(Point::kCrashBetweenTasks);
      return Crash(site, lasts);
    case Event::kCrashAtEffect:
      if (site->up()) site->life()->DieAfter(event.b);
      restart_after_[event.a] = lasts;
      return;
    case Event::kPowerLoss:
      agent->Kill();
      agent->LosePower();
      cnis_[event.a]->OnPowerLoss();
      watches_[event.a]->OnPowerLoss();
      return StartLater(agent, lasts);
    case Event::kSpoilCopy:
      agent->Kill();
      agent->SpoilCopies(event.b);
      return StartLater(agent, lasts);
    case Event::kPause:
      if (!site->up() || site->executor()->paused()) return;
      coverage_.Hit(Point::kPause);
      site->executor()->SetPaused(true);
      return Later(lasts, [site, executor = site->executor()] {
        if (site->executor() == executor) executor->SetPaused(false);
      });
    case Event::kClockJump: {
      const absl::Duration by = absl::Seconds(static_cast<int64_t>(event.c) - (int64_t{1} << 31));
      coverage_.Hit(by < absl::ZeroDuration() ? Point::kClockBack : Point::kClockForward);
      return site->clock()->Jump(by);
    }
    case Event::kBusNoise:
      network_->SetNoise(event.a, event.b);
      return Later(lasts, [this] { network_->SetNoise(0, 0); });
    case Event::kBusPartition:
      coverage_.Hit(Point::kBusPartition);
      network_->Part(event.a, event.b, true);
      return Later(lasts, [this, event] { network_->Part(event.a, event.b, false); });
    case Event::kBusOneWay:
      network_->Swallow(event.a, event.b, true);
      return Later(lasts, [this, event] { network_->Swallow(event.a, event.b, false); });
    case Event::kBusServers:
      coverage_.Hit(Point::kBusServersRestart);
      for (Site* each : sites_) {
        if (each->cluster() == event.a) CutClient(each, lasts);
      }
      broker_->SetConnected(people_[event.a]->client(), false);
      return Later(lasts, [this, event] { broker_->SetConnected(people_[event.a]->client(), true); });
    case Event::kBusCut:
      if (site->up()) coverage_.Hit(Point::kBusClientCut);
      return CutClient(site, lasts);
    case Event::kStorePartition:
      network_->PartStore(event.a, event.b, true);
      return Later(lasts, [this, event] { network_->PartStore(event.a, event.b, false); });
    case Event::kStoreRegion:
      network_->SetRegionDown(event.b, true);
      return Later(lasts, [this, event] { network_->SetRegionDown(event.b, false); });
    case Event::kStoreSlow:
      network_->SetStoreSlow(absl::Milliseconds(event.a));
      return Later(lasts, [this] { network_->SetStoreSlow(absl::ZeroDuration()); });
    case Event::kStoreNoise:
      network_->SetStoreNoise(event.a);
      return Later(lasts, [this] { network_->SetStoreNoise(0); });
    case Event::kRestore:
      return Restore();
    case Event::kFilesFail:
      agent->files_fail = true;
      return Later(lasts, [agent] { agent->files_fail = false; });
    case Event::kMapsFail:
      agent->maps_fail = event.b / 100.0;
      return Later(lasts, [agent] { agent->maps_fail = 0; });
    case Event::kMapFull: {
      const MapId map = static_cast<MapId>(event.b);
      agent->maps()->SetCapacity(map, agent->maps()->content(map).size() + event.c);
      return Later(lasts, [agent, map] { agent->maps()->SetCapacity(map, AgentSite::kMapCapacity); });
    }
    case Event::kSlowReader:
      coverage_.Hit(Point::kSlowReader);
      return Gasp(site, lasts, absl::Milliseconds(event.b));
  }
}

// Lets a process work for an instant only, now and then.
void World::Gasp(Site* site, absl::Duration left, absl::Duration every) {
  if (!site->up()) return;
  SimExecutor* executor = site->executor();
  executor->SetPaused(true);
  Later(every, [this, site, executor, left, every] {
    if (site->executor() != executor) return;
    executor->SetPaused(false);
    if (left <= every || calm_) return;
    Later(absl::Milliseconds(1), [this, site, executor, left, every] {
      if (site->executor() == executor && !calm_) Gasp(site, left - every, every);
    });
  });
}

void World::CutClient(Site* site, absl::Duration lasts) {
  if (!site->up()) return;
  broker_->SetConnected(site->client(), false);
  Later(lasts, [this, client = site->client()] { broker_->SetConnected(client, true); });
}

void World::CheckReplica(uint32_t process, const Replica& replica, bool remote) {
  const size_t log = LogOf(replica.cluster());
  Site* site = sites_[process];
  Seen& seen = seen_[process];
  if (seen.run != site->runs()) seen = Seen{site->runs(), {}};
  if (seen.at[log] == replica.position()) return;
  const Position before = std::exchange(seen.at[log], replica.position());
  const Position& now = replica.position();
  // What a restore has undone may be left for what took its place; and until there is a new epoch, whoever
  // still holds what was undone may be believed.
  const bool back = now.epoch < before.epoch || (now.epoch == before.epoch && now.revision < before.revision);
  if (back && !undone_.contains(history_.Find(replica.cluster(), before)) &&
      !undone_.contains(history_.Find(replica.cluster(), now))) {
    return Fail(absl::StrCat(site->name(), " went back in the log of ", replica.cluster(), ": from ",
                             before.epoch, "/", before.revision, " to ", now.epoch, "/", now.revision));
  }
  const std::string problem = history_.Judge(replica, remote, luck_.Below(8) == 0);
  if (!problem.empty()) Fail(absl::StrCat(site->name(), ": ", problem));
}

void World::AfterTask(uint32_t process) {
  Site* site = sites_[process];
  CheckBounds(site);
  if (process < control_planes_.size()) {
    ControlPlaneSite* cp = control_planes_[process].get();
    if (cp->app() != nullptr && !site->life()->dead()) {
      for (const auto& [name, entry] : cp->app()->mirrors()->all()) {
        CheckReplica(process, entry->mirror->replica(), false);
      }
      if (!cp->failure().ok() && !cp->serving()) {
        ++give_ups_;
        last_give_up_ = absl::StrCat(cp->name(), ": ", std::string(cp->failure().message()));
        return Crash(site, absl::Milliseconds(500));  // as by systemd
      }
    }
  } else if (process < control_planes_.size() + agents_.size()) {
    const size_t index = process - control_planes_.size();
    AgentSite* agent = agents_[index].get();
    if (std::string problem = watches_[index]->AfterTask(); !problem.empty()) Fail(std::move(problem));
    if (agent->app() != nullptr && !site->life()->dead()) {
      if (!agent->failure().ok()) {
        ++give_ups_;
        last_give_up_ = absl::StrCat(agent->name(), ": ", std::string(agent->failure().message()));
        return Crash(site, absl::Milliseconds(500));
      }
      for (const auto& [name, feed] : agent->app()->inbox().feeds()) {
        const bool remote = name != kMeshCluster && name != agent->config().cluster;
        CheckReplica(process, feed->replica(), remote);
      }
    }
  } else if (SubscriberSite* reader = subscribers_[process - control_planes_.size() - agents_.size()].get();
             reader->app() != nullptr) {
    for (const auto& [name, replica] : reader->app()->replicas()) CheckReplica(process, replica, false);
  }
  if (site->up() && site->life()->dead()) {
    absl::Duration down = absl::Milliseconds(200);
    if (const auto it = restart_after_.find(process); it != restart_after_.end()) down = it->second;
    Crash(site, down);
  }
}

void World::Heal() {
  calm_ = true;
  network_->Heal();
  broker_->SetAllConnected(true);
  for (const auto& agent : agents_) {
    agent->files_fail = false;
    agent->maps_fail = 0;
    for (int m = 0; m < kMapCount; ++m) {
      agent->maps()->SetCapacity(static_cast<MapId>(m), AgentSite::kMapCapacity);
    }
  }
  for (Site* site : sites_) {
    if (!site->up()) {
      StartLater(site, absl::ZeroDuration());
    } else {
      site->executor()->SetPaused(false);
      site->life()->Spare();
    }
  }
}

void World::MakeNamespaces() {
  for (uint32_t c = 0; c < kClusters; ++c) {
    const Record* head = history_.head(kClusterNames[c]);
    if (head == nullptr || !people_[c]->idle()) continue;
    for (uint32_t number = 0; number < kNamespaces; ++number) {
      if (head->state->contains({v1::KIND_NAMESPACE, NamespaceName(number)})) continue;
      v1::Request request;
      request.mutable_apply()->add_manifests()->set_text(NamespaceManifest(number, 0));
      Ask(c, "apply", std::move(request));
    }
  }
}

Outcome World::Run() {
  start_ = scheduler_.now();
  for (Site* site : sites_) StartLater(site, absl::Milliseconds(luck_.Below(50)));
  for (uint32_t c = 0; c < kClusters; ++c) {
    v1::Request request;
    for (uint32_t number = 0; number < kNamespaces; ++number) {
      request.mutable_apply()->add_manifests()->set_text(NamespaceManifest(number, 0));
    }
    Ask(c, "apply", std::move(request));
  }
  CheckHeap();
  const absl::Duration warm_up = luck_.Below(8) == 0 ? absl::ZeroDuration() : kWarmUp;
  for (const Event& event : plan_.events) {
    Later(warm_up + event.at, [this, event] { Apply(event); });
  }
  scheduler_.RunFor(warm_up + plan_.length);
  const absl::Duration calm_since = scheduler_.now();
  if (!scheduler_.stopped()) Heal();
  const auto converge = [this](absl::Duration since) {
    std::string waiting = "not looked yet";
    while (!scheduler_.stopped() && !waiting.empty()) {
      MakeNamespaces();
      scheduler_.RunFor(absl::Milliseconds(250));
      waiting = NotConverged();
      if (!waiting.empty() && scheduler_.now() - since > kConvergence) {
        Fail(absl::StrCat(
            "not converged ", absl::ToInt64Seconds(kConvergence), " s after the last fault: ", waiting,
            give_ups_ == 0 ? "" : absl::StrCat("; gave up ", give_ups_, " times, last ", last_give_up_)));
      }
    }
  };
  converge(calm_since);
  outcome_.to_converge = scheduler_.now() - calm_since;
  // It stays so, but for what control planes write by themselves: who is alive, whose identity nobody has.
  if (!scheduler_.stopped()) {
    scheduler_.RunFor(absl::Seconds(2));
    converge(scheduler_.now());
    if (!scheduler_.stopped()) CheckEnd();
  }
  outcome_.most_waiting = scheduler_.most_waiting();
  for (Site* site : sites_) site->Kill();
  outcome_.failure = failure_;
  outcome_.trace = scheduler_.trace();
  outcome_.steps = scheduler_.steps();
  outcome_.virtual_time = scheduler_.now() - start_;
  for (const auto& watch : watches_) {
    outcome_.flows_judged += watch->flows();
    outcome_.map_writes += watch->writes();
  }
  outcome_.coverage = coverage_;
  return outcome_;
}

}  // namespace trivium::sim
