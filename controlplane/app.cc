#include "controlplane/app.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/version.h"
#include "controlplane/writer/identity_allocator.h"
#include "controlplane/writer/plan_manifest.h"
#include "controlplane/writer/plan_mesh.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

// How much of the log is read into memory at start-up: for agents that were cut off meanwhile, and to know
// which requests are done.
constexpr uint64_t kTailRevisions = 2000;
constexpr size_t kTailBytes = 8 * 1024 * 1024;

// An agent that lies about what it holds must not be able to end one epoch after another.
constexpr absl::Duration kBetweenClaims = absl::Minutes(10);

constexpr absl::Duration kStepTimeout = absl::Seconds(5);
constexpr absl::Duration kFlushTimeout = absl::Seconds(2);
constexpr absl::Duration kBusPatience = absl::Seconds(3);

bool MayMend(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

absl::Status StatusOf(const v1::Reply& reply) {
  return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
}

PlannerConfig PlannerConfigOf(const ControlPlaneConfig& config) {
  return PlannerConfig{config.cluster, config.cluster_id, config.address_space, config.pod_cidrs};
}

IdentityKeeper::Options KeeperOptionsOf(const ControlPlaneConfig& config) {
  IdentityKeeper::Options options;
  options.grace = absl::Seconds(config.identity_grace_s);
  options.check_every = std::clamp(options.grace / 4, absl::Seconds(1), absl::Seconds(10));
  return options;
}

// Reports and beacons come at least once a second; what is left of the time is for them to be late, and for
// the commit.
LivenessDetector::Options DetectorOptionsOf(const ControlPlaneConfig& config) {
  LivenessDetector::Options options;
  options.silence = absl::Milliseconds(config.liveness_ms) * 0.7;
  return options;
}

Publisher::Options PublisherOptionsOf(const ControlPlaneConfig& config) {
  Publisher::Options options;
  options.region = config.region;
  options.principal = config.Principal();
  options.beacon_every = absl::Milliseconds(config.beacon_ms);
  options.beacon_patience = options.beacon_every * 0.8;
  return options;
}

}  // namespace

App::App(const ControlPlaneConfig& config, Drivers drivers)
    : config_(config),
      drivers_(drivers),
      mirrors_(ClusterRef{config.cluster, config.home, config.cluster_id}, drivers.store, drivers.executor,
               drivers.random, Follower::Options()),
      publisher_(
          drivers.bus, drivers.store, drivers.executor, PublisherOptionsOf(config),
          [this] { return mirrors_.Homes(); }, [this](const v1::Heads& heads) { mirrors_.OnHeads(heads); }),
      writer_(mirrors_.own(), mirrors_.own_follower(), drivers.store, drivers.executor, drivers.clock,
              drivers.random, Writer::Options(), [this](const Batch& batch) { publisher_.Publish(batch); }),
      mesh_writer_(mirrors_.mesh(), mirrors_.mesh_follower(), drivers.store, drivers.executor, drivers.clock,
                   drivers.random, Writer::Options(),
                   [this](const Batch& batch) { publisher_.Publish(batch); }),
      planner_(PlannerConfigOf(config), &mirrors_.mesh()->mirror(), drivers.random),
      agents_(mirrors_.own(), drivers.store, drivers.executor, drivers.clock),
      identities_(mirrors_.own(), drivers.store, drivers.executor, drivers.clock, KeeperOptionsOf(config),
                  [this](std::vector<uint32_t> numbers) { RetireIdentities(std::move(numbers)); }),
      mover_(mirrors_.own(), &planner_, drivers.executor,
             [this](NamespaceMover::Plan plan, Writer::Answer answer) {
               Submit(&writer_, "move-endpoints", std::move(plan), std::move(answer));
             }),
      liveness_(config.instance, PlannerConfigOf(config), mirrors_.own(), drivers.executor, drivers.clock,
                drivers.random, DetectorOptionsOf(config),
                [this](LivenessObserver::Plan plan, Writer::Answer answer) {
                  Submit(&writer_, "observe", std::move(plan), std::move(answer));
                }),
      reader_(config.instance, &mirrors_, &agents_, &publisher_, drivers.store, drivers.executor),
      waiter_(mirrors_.own(), &agents_, drivers.executor, [this] { return mover_.settled(); }),
      api_(&planner_, &writer_, &reader_, &waiter_, drivers.bus, drivers.executor, drivers.clock),
      snapshots_(config.instance, drivers.clock, drivers.random, SnapshotCache::Options()),
      sync_(config.instance, &mirrors_, drivers.store, drivers.bus, drivers.executor, &snapshots_,
            SyncServer::Options()),
      backoff_(absl::Milliseconds(100), absl::Seconds(2), drivers.random) {
  for (ClusterMirror* mirror : {mirrors_.mesh(), mirrors_.own()}) {
    mirror->Observe([this, alive = alive_.Watch()](const Batch*) {
      if (!alive.expired() && serving_) LeaseIfNeeded();
    });
  }
  mirrors_.own_follower()->OnRestore(
      [this](Follower::Done done) { HandleRestore(mirrors_.own(), std::move(done)); });
  mirrors_.mesh_follower()->OnRestore(
      [this](Follower::Done done) { HandleRestore(mirrors_.mesh(), std::move(done)); });
  agents_.Observe([this, alive = alive_.Watch()](const v1::AgentStatus& status) {
    if (alive.expired()) return;
    WatchClaims(status);
    liveness_.OnReport(status);
  });
  mirrors_.ObserveBeacons([this](const v1::Heads& heads) { liveness_.OnBeacon(heads); });
}

void App::Start(absl::AnyInvocable<void(absl::Status)> started) {
  started_ = std::move(started);
  ListenToFeed();
}

void App::Fail(const absl::Status& status) { std::exchange(started_, nullptr)(status); }

void App::Proceed(const absl::Status& status, absl::string_view what, Next again, Next next) {
  if (status.ok()) {
    backoff_.Reset();
    return (this->*next)();
  }
  if (!MayMend(status)) return Fail(Annotate(status, what));
  spdlog::warn("start-up waits step=\"{}\" error=\"{}\"", std::string(what), std::string(status.message()));
  drivers_.executor->PostAfter(backoff_.Next(), [this, alive = alive_.Watch(), again] {
    if (!alive.expired()) (this->*again)();
  });
}

// Before anything is read: what is published while the state is being read must not be missed.
void App::ListenToFeed() {
  const absl::Status status = drivers_.bus->Subscribe(subjects::kFeedAndHeads, "", drivers_.executor,
                                                      [this, alive = alive_.Watch()](const Message& message) {
                                                        if (!alive.expired()) mirrors_.OnFeed(message);
                                                      });
  if (!status.ok()) return Fail(Annotate(status, "subscribing to the feed"));
  // Without a bus for that long it goes on alone: beacons show what was missed, once the bus is there.
  drivers_.executor->PostAfter(kBusPatience, [this, alive = alive_.Watch()] {
    if (alive.expired() || std::exchange(listening_, true)) return;
    spdlog::warn("the bus is not there yet");
    OpenMesh();
  });
  drivers_.bus->WatchState(drivers_.executor, [this, alive = alive_.Watch()](Bus::State state) {
    if (alive.expired()) return;
    liveness_.OnBus(state == Bus::State::kConnected);
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
  drivers_.store->OpenCluster(mirrors_.mesh()->ref(), drivers_.executor,
                              [this, alive = alive_.Watch()](const absl::StatusOr<StoredHead>& head) {
                                if (alive.expired()) return;
                                if (!head.ok())
                                  return Proceed(head.status(), "opening the mesh", &App::OpenMesh, nullptr);
                                mirrors_.mesh_follower()->CatchUp([this, alive](const absl::Status& status) {
                                  if (!alive.expired())
                                    Proceed(status, "reading the mesh", &App::OpenMesh, &App::ReadMeshTail);
                                });
                              });
}

void App::ReadMeshTail() {
  const uint64_t head = mirrors_.mesh()->position().revision;
  ReadTail(mirrors_.mesh(), &mesh_writer_, head > kTailRevisions ? head - kTailRevisions : 0,
           std::make_shared<std::vector<Batch>>(), &App::RegisterCluster);
}

void App::RegisterCluster() {
  ClusterRegistration wanted;
  wanted.region = config_.region;
  wanted.home = config_.home;
  wanted.cluster = config_.cluster;
  wanted.cluster_id = config_.cluster_id;
  wanted.address_space = config_.address_space;
  wanted.pod_cidrs = config_.pod_cidrs;
  Submit(
      &mesh_writer_, "register-cluster",
      [random = drivers_.random, wanted](const Caller& caller, Draft* draft) {
        return PlanRegisterCluster(wanted, caller, random, draft);
      },
      [this](const v1::Reply& reply) {
        Proceed(StatusOf(reply), "registering the cluster", &App::RegisterCluster, &App::OpenOwn);
      });
}

void App::OpenOwn() {
  drivers_.store->OpenCluster(mirrors_.own()->ref(), drivers_.executor,
                              [this, alive = alive_.Watch()](const absl::StatusOr<StoredHead>& head) {
                                if (alive.expired()) return;
                                if (!head.ok())
                                  return Proceed(head.status(), "opening the cluster", &App::OpenOwn,
                                                 nullptr);
                                mirrors_.own_follower()->CatchUp([this, alive](const absl::Status& status) {
                                  if (!alive.expired())
                                    Proceed(status, "reading the cluster", &App::OpenOwn, &App::ReadOwnTail);
                                });
                              });
}

void App::ReadOwnTail() {
  const uint64_t head = mirrors_.own()->position().revision;
  ReadTail(mirrors_.own(), &writer_, head > kTailRevisions ? head - kTailRevisions : 0,
           std::make_shared<std::vector<Batch>>(), &App::MakeDefaultNamespace);
}

// The last part of the log, for memory. Nothing depends on it: where it cannot be read, SQL is asked instead.
void App::ReadTail(ClusterMirror* mirror, Writer* writer, uint64_t after,
                   std::shared_ptr<std::vector<Batch>> read, Next next) {
  const uint64_t start = read->empty() ? after : read->back().revision;
  drivers_.store->ReadLog(
      mirror->ref(), start, 500, kTailBytes, drivers_.executor,
      [this, alive = alive_.Watch(), mirror, writer, after, read, next,
       start](const absl::StatusOr<std::vector<LogRow>>& rows) {
        if (alive.expired()) return;
        if (rows.ok() && !rows->empty()) {
          for (const LogRow& row : *rows) {
            absl::StatusOr<Batch> batch = DecodeBatch(row.envelope);
            if (!batch.ok()) return Fail(batch.status());
            read->push_back(*std::move(batch));
          }
          if (read->back().revision < mirror->position().revision) {
            return ReadTail(mirror, writer, after, read, next);
          }
        }
        mirror->PrependTail(*read);
        const absl::Duration now = drivers_.clock->Monotonic();
        for (const Batch& batch : *read) writer->memory()->Learn(batch, now);
        if (rows.ok() && after == 0) {
          writer->memory()->SetCompleteSince(-absl::InfiniteDuration());  // the whole history was read
        } else if (rows.ok() && !read->empty() && read->front().changes.changes_size() > 0) {
          const absl::Time oldest = absl::FromUnixMicros(read->front().changes.changes(0).time_us());
          writer->memory()->SetCompleteSince(now -
                                             std::max(absl::ZeroDuration(), drivers_.clock->Now() - oldest));
        }
        (this->*next)();
      });
}

void App::MakeDefaultNamespace() {
  Submit(
      &writer_, "start",
      [this](const Caller& caller, Draft* draft) {
        return PlanAtomically(caller, draft, [&] {
          return PlanDefaultNamespace(
              PlanContext{planner_.config(), mirrors_.mesh()->mirror(), drivers_.random, caller, draft});
        });
      },
      [this](const v1::Reply& reply) {
        Proceed(StatusOf(reply), "making the default namespace", &App::MakeDefaultNamespace,
                &App::LeaseFirstBlock);
      });
}

void App::LeaseFirstBlock() {
  Submit(
      &mesh_writer_, "lease-block",
      [this](const Caller& caller, Draft* draft) {
        return PlanLeaseBlock(config_.cluster_id, 1, caller, drivers_.random, draft);
      },
      [this](const v1::Reply& reply) {
        Proceed(StatusOf(reply), "leasing identity numbers", &App::LeaseFirstBlock, &App::Serve);
      });
}

void App::Serve() {
  serving_ = true;
  LeaseIfNeeded();
  for (const absl::Status& status : {agents_.Start(drivers_.bus), sync_.Start(), api_.Start()}) {
    if (!status.ok()) return Fail(Annotate(status, "subscribing"));
  }
  publisher_.StartBeacons();
  identities_.Start();
  mover_.Start();
  liveness_.Start();
  const Position& at = mirrors_.own()->position();
  spdlog::info("serving cluster={} instance={} version={} epoch={} revision={}", config_.cluster,
               config_.instance, kVersion, at.epoch, at.revision);
  std::exchange(started_, nullptr)(absl::OkStatus());
}

void App::Submit(Writer* writer, absl::string_view verb,
                 std::function<absl::StatusOr<Planned>(const Caller&, Draft*)> plan, Writer::Answer answer) {
  Caller caller;
  caller.principal = Principal{config_.cluster, "cp", config_.instance};
  caller.source = absl::StrCat("trivium-controlplane/", kVersion, " ", verb);
  caller.request_id = drivers_.random->NewId();
  caller.time_us = absl::ToUnixMicros(drivers_.clock->Now());
  Writer::Write write;
  write.actor = caller.principal.ToString();
  write.plan = [caller, plan = std::move(plan)](Draft* draft) { return plan(caller, draft); };
  write.timeout = kStepTimeout;
  write.answer = [alive = alive_.Watch(), answer = std::move(answer)](const v1::Reply& reply) mutable {
    if (!alive.expired()) answer(reply);
  };
  writer->Submit(std::move(write));
}

void App::LeaseIfNeeded() {
  if (leasing_ || mirrors_.own()->index() == nullptr) return;
  const Mirror& mesh = mirrors_.mesh()->mirror();
  if (FreeIdentities(mesh, config_.cluster_id, *mirrors_.own()->index()) >= config_.identities_ahead) return;
  size_t blocks = 0;
  for (const auto& [key, stored] : mesh.All(v1::KIND_IDENTITY_BLOCK)) {
    blocks += stored.object->identity_block().cluster_id() == config_.cluster_id ? 1 : 0;
  }
  leasing_ = true;
  Submit(
      &mesh_writer_, "lease-block",
      [this, enough = blocks + 1](const Caller& caller, Draft* draft) {
        return PlanLeaseBlock(config_.cluster_id, enough, caller, drivers_.random, draft);
      },
      [this](const v1::Reply& reply) {
        leasing_ = false;
        if (reply.code() == 0) return LeaseIfNeeded();
        spdlog::warn("cannot lease identity numbers error=\"{}\"", reply.message());
        drivers_.executor->PostAfter(absl::Seconds(1), [this, alive = alive_.Watch()] {
          if (!alive.expired()) LeaseIfNeeded();
        });
      });
}

void App::RetireIdentities(std::vector<uint32_t> numbers) {
  Submit(
      &writer_, "retire-identities",
      [numbers = std::move(numbers)](const Caller& caller, Draft* draft) {
        return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
          trivium::RetireIdentities(numbers, draft);
          return Planned();
        });
      },
      [](const v1::Reply& reply) {
        // The next check finds what is left to do.
        if (reply.code() != 0) spdlog::warn("cannot retire identities error=\"{}\"", reply.message());
      });
}

void App::HandleRestore(ClusterMirror* mirror, Follower::Done done) {
  auto shared = std::make_shared<Follower::Done>(std::move(done));
  drivers_.store->BumpEpoch(
      mirror->ref(), static_cast<uint64_t>(absl::ToUnixSeconds(drivers_.clock->Now())), drivers_.executor,
      [alive = alive_.Watch(), shared, mirror](const absl::StatusOr<StoredHead>& head) {
        if (alive.expired()) return;
        if (head.ok()) {
          spdlog::error("began a new epoch after a restore cluster={} epoch={} revision={}",
                        mirror->ref().name, head->epoch, head->revision);
        }
        (*shared)(head.status());
      });
}

// An agent that holds more than this mirror: the mirror is behind, or SQL has lost something.
void App::WatchClaims(const v1::AgentStatus& status) {
  const Position& held = mirrors_.own()->position();
  for (const v1::AppliedCluster& applied : status.applied()) {
    const absl::StatusOr<Id128> batch = Id128::FromBytes(applied.batch());
    if (applied.cluster() != config_.cluster || !batch.ok() || applied.epoch() != held.epoch ||
        applied.received() <= held.revision || drivers_.clock->Monotonic() < next_claim_) {
      continue;
    }
    mirrors_.own_follower()->OnClaim(Position{applied.epoch(), applied.received(), *batch},
                                     [this, alive = alive_.Watch()] {
                                       if (alive.expired()) return;
                                       next_claim_ = drivers_.clock->Monotonic() + kBetweenClaims;
                                     });
  }
}

void App::Drain(absl::AnyInvocable<void()> done) {
  api_.Stop();
  auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(done));
  waiter_.Drain();
  writer_.Drain([this, shared] {
    mesh_writer_.Drain([this, shared] {
      drivers_.bus->FlushAsync(kFlushTimeout, drivers_.executor, [shared](const absl::Status& status) {
        if (!status.ok()) spdlog::warn("leaving without a flush error=\"{}\"", std::string(status.message()));
        (*shared)();
      });
    });
  });
}

}  // namespace trivium
