#include "controlplane/app.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/store/epoch_reply.h"
#include "controlplane/version.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr absl::Duration kFlushTimeout = absl::Seconds(2);
constexpr absl::Duration kBusPatience = absl::Seconds(3);
// For being ready.
constexpr absl::Duration kMinSqlPatience = absl::Seconds(5);
constexpr absl::Duration kMirrorPatience = absl::Seconds(2);

std::vector<ClusterRef> RefsOf(const ControlPlaneConfig& config) {
  std::vector<ClusterRef> refs;
  for (const ServedCluster& one : config.clusters) refs.push_back(ClusterRef{one.name, one.home, one.id});
  return refs;
}

Publisher::Options PublisherOptionsOf(const ControlPlaneConfig& config) {
  Publisher::Options options;
  options.region = config.clusters.front().region;
  options.beacon_every = absl::Milliseconds(config.beacon_ms);
  options.beacon_patience = options.beacon_every * 0.8;
  return options;
}

}  // namespace

App::App(const ControlPlaneConfig& config, const Drivers& drivers)
    : drivers_(drivers),
      sql_patience_(std::max(kMinSqlPatience, 3 * absl::Milliseconds(config.beacon_ms))),
      mirrors_(RefsOf(config), drivers.store, drivers.executor, drivers.random, Follower::Options()),
      publisher_(
          drivers.bus, drivers.store, drivers.executor, PublisherOptionsOf(config),
          [this] { return mirrors_.Homes(); }, [this](const v1::Heads& heads) { OnHeads(heads); }),
      mesh_writer_(mirrors_.mesh(), mirrors_.mesh_follower(), drivers.store, drivers.executor, drivers.clock,
                   drivers.random, Writer::Options(),
                   [this](const Batch& batch) { publisher_.Publish(batch); }),
      leases_(config.instance, drivers.store, drivers.executor, drivers.clock, LeaseKeeper::Options()),
      snapshots_(config.instance, drivers.executor, drivers.clock, drivers.random, SnapshotCache::Options()),
      sync_(config.instance, &mirrors_, drivers.store, drivers.bus, drivers.executor, drivers.clock,
            &snapshots_, SyncServer::Options()),
      mesh_log_(mirrors_.mesh()->ref(), drivers.store, drivers.executor, LogOptionsOf(config),
                // The mesh has no lease: those that hold others' look after its log.
                [this] { return leases_.Holds(clusters_.front()->name()); }),
      start_(drivers) {
  mirrors_.OnRestore([this](ClusterMirror* mirror, uint64_t lost, Follower::Done done) {
    HandleRestore(mirror, lost, std::move(done));
  });
  for (const ServedCluster& cluster : config.clusters) {
    clusters_.push_back(std::make_unique<ClusterService>(
        config, cluster, ClusterService::Shared{drivers, &mirrors_, &publisher_, &mesh_writer_, &leases_}));
  }
  mirrors_.ObserveBeacons([this](const v1::Heads& heads) {
    for (const auto& cluster : clusters_) cluster->OnBeacon(heads);
  });
}

void App::Start(absl::AnyInvocable<void(absl::Status)> started) {
  start_.Begin(std::move(started));
  ListenToFeed();
}

// Before anything is read: what is published while the state is being read must not be missed.
void App::ListenToFeed() {
  const absl::Status status = drivers_.bus->Subscribe(subjects::kFeedAndHeads, "", drivers_.executor,
                                                      [this, alive = alive_.Watch()](const Message& message) {
                                                        if (!alive.expired()) mirrors_.OnFeed(message);
                                                      });
  if (!status.ok()) return start_.End(Annotate(status, "subscribing to the feed"));
  // Without a bus for that long it goes on alone: beacons show what was missed, once the bus is there.
  drivers_.executor->PostAfter(kBusPatience, [this, alive = alive_.Watch()] {
    if (alive.expired() || std::exchange(listening_, true)) return;
    spdlog::warn("the bus is not there yet");
    OpenMesh();
  });
  drivers_.bus->WatchState(drivers_.executor, [this, alive = alive_.Watch()](Bus::State state) {
    if (alive.expired()) return;
    connected_ = state == Bus::State::kConnected;
    for (const auto& cluster : clusters_) cluster->OnBus(state == Bus::State::kConnected);
    if (state == Bus::State::kConnected && !listening_) FlushFeed();
  });
}

void App::FlushFeed() {
  drivers_.bus->FlushAsync(kFlushTimeout, drivers_.executor,
                           [this, alive = alive_.Watch()](const absl::Status& flushed) {
                             if (alive.expired() || !flushed.ok() || std::exchange(listening_, true)) return;
                             OpenMesh();
                           });
}

void App::OpenMesh() {
  drivers_.store->OpenCluster(
      mirrors_.mesh()->ref(), drivers_.executor,
      [this, alive = alive_.Watch()](const absl::StatusOr<StoredHead>& head) {
        if (alive.expired()) return;
        start_.Proceed(
            head.status(), "opening the mesh", [this] { OpenMesh(); },
            [this, alive] {
              mirrors_.mesh_follower()->CatchUp([this, alive](const absl::Status& status) {
                if (alive.expired()) return;
                start_.Proceed(
                    status, "reading the mesh", [this] { OpenMesh(); },
                    [this] { start_.ReadTail(mirrors_.mesh(), &mesh_writer_, [this] { StartClusters(); }); });
              });
            });
      });
}

void App::StartClusters() {
  for (const auto& cluster : clusters_) {
    cluster->Start([this, one = cluster.get()](const absl::Status& status) { OnServing(one, status); });
  }
}

void App::OnServing(ClusterService* cluster, const absl::Status& status) {
  if (!status.ok()) return start_.End(Annotate(status, "cluster " + cluster->name()));
  publisher_.SpeakFor(cluster->principal().ToString());
  if (++serving_ == 1) {
    const absl::Status listening = sync_.Start();
    if (!listening.ok()) return start_.End(Annotate(listening, "subscribing"));
    publisher_.StartBeacons();
    mesh_log_.Start();
  }
  if (serving_ == clusters_.size()) start_.End(absl::OkStatus());
}

void App::OnHeads(const v1::Heads& heads) {
  for (const v1::Head& head : heads.heads()) {
    const Mirrors::Entry* entry = mirrors_.Find(head.cluster());
    if (entry == nullptr) continue;
    heads_.OnHead(head, entry->mirror->position(), drivers_.clock->Monotonic());
  }
  mirrors_.OnHeads(heads);
}

bool App::SqlUp() const {
  const absl::Duration now = drivers_.clock->Monotonic();
  return std::all_of(clusters_.begin(), clusters_.end(), [this, now](const auto& cluster) {
    return heads_.SinceRead(cluster->name(), now) <= sql_patience_;
  });
}

std::vector<std::string> App::NotReady() const {
  const absl::Duration now = drivers_.clock->Monotonic();
  std::vector<std::string> reasons;
  if (!connected_) reasons.push_back("NATS: not connected");
  for (const auto& cluster : clusters_) {
    const std::string about = absl::StrCat("cluster ", cluster->name(), ": ");
    const absl::Duration silence = heads_.SinceRead(cluster->name(), now);
    if (!cluster->serving()) {
      reasons.push_back(absl::StrCat(about, "starting, not serving yet"));
    } else if (silence == absl::InfiniteDuration()) {
      reasons.push_back(absl::StrCat(about, "SQL: no head read yet"));
    } else if (silence > sql_patience_) {
      reasons.push_back(absl::StrCat(about, "SQL: no head read for ", absl::ToInt64Seconds(silence), " s"));
    }
    const Position& held = cluster->mirror()->position();
    if (heads_.BehindFor(cluster->name(), held, now) > kMirrorPatience) {
      reasons.push_back(absl::StrCat(about, "the mirror is at revision ", held.revision, ", SQL at ",
                                     heads_.Revision(cluster->name())));
    }
  }
  return reasons;
}

void App::HandleRestore(ClusterMirror* mirror, uint64_t lost, Follower::Done done) {
  auto shared = std::make_shared<Follower::Done>(std::move(done));
  const absl::Time now = drivers_.clock->Now();
  const AuditRow why = EpochAudit(
      mirror->ref().name, clusters_.front()->principal().ToString(),
      absl::StrCat("trivium-controlplane/", kVersion, " restore"),
      "the database is not what was committed: it was restored, or changed by hand", absl::ToUnixMicros(now));
  drivers_.store->BumpEpoch(
      mirror->ref(), std::max(static_cast<uint64_t>(absl::ToUnixSeconds(now)), lost + 1), why,
      drivers_.executor, [alive = alive_.Watch(), shared, mirror](const absl::StatusOr<NewEpoch>& epoch) {
        if (alive.expired()) return;
        if (epoch.ok()) {
          spdlog::error("began a new epoch after a restore cluster={} epoch={} revision={}",
                        mirror->ref().name, epoch->after.epoch, epoch->after.revision);
        }
        (*shared)(epoch.status());
      });
}

void App::Drain(absl::AnyInvocable<void()> done) {
  auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(done));
  auto open = std::make_shared<size_t>(clusters_.size() + 1);
  const auto finish = [this, shared, open] {
    if (--*open > 0) return;
    mesh_writer_.Drain([this, shared] {
      drivers_.bus->FlushAsync(kFlushTimeout, drivers_.executor, [shared](const absl::Status& status) {
        if (!status.ok()) spdlog::warn("leaving without a flush error=\"{}\"", std::string(status.message()));
        (*shared)();
      });
    });
  };
  // Others commit from now on.
  leases_.Leave(finish);
  for (const auto& cluster : clusters_) cluster->Drain(finish);
}

}  // namespace trivium
