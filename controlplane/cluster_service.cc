#include "controlplane/cluster_service.h"

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

// An agent that lies about what it holds must not be able to end one epoch after another.
constexpr absl::Duration kBetweenClaims = absl::Minutes(10);
constexpr absl::Duration kClocksDiffer = absl::Hours(24);

constexpr absl::Duration kStepTimeout = absl::Seconds(5);

absl::Status StatusOf(const v1::Reply& reply) {
  return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
}

PlannerConfig PlannerConfigOf(const ServedCluster& cluster) {
  return PlannerConfig{cluster.name, cluster.id, cluster.address_space, cluster.pod_cidrs};
}

IdentityKeeper::Options KeeperOptionsOf(const ControlPlaneConfig& config) {
  IdentityKeeper::Options options;
  options.grace = absl::Seconds(config.identity_grace_s);
  options.check_every = std::clamp(options.grace / 4, absl::Seconds(1), absl::Seconds(10));
  return options;
}

ReachabilityKeeper::Options ReachabilityOptionsOf(const ControlPlaneConfig& config) {
  ReachabilityKeeper::Options options;
  options.keep = config.reachability_keep;
  options.max_rows = config.reachability_max_rows;
  return options;
}

// Reports and beacons come at least once a second; what is left of the time is for them to be late, and for
// the commit.
LivenessDetector::Options DetectorOptionsOf(const ControlPlaneConfig& config) {
  LivenessDetector::Options options;
  options.silence = absl::Milliseconds(config.liveness_ms) * 0.7;
  return options;
}

Writer::Options WriterOptionsFor(const ControlPlaneConfig& config, const Mirrors& mirrors,
                                 const Pacer& pacer) {
  Writer::Options options;
  options.plan_ahead_from = config.plan_ahead_from;
  options.between_commits = [&](size_t changes) { return pacer.Pause(mirrors.Nodes(), changes); };
  return options;
}

}  // namespace

ClusterService::ClusterService(const ControlPlaneConfig& config, const ServedCluster& cluster,
                               const Shared& shared)
    : instance_(config.instance),
      identities_ahead_(config.identities_ahead),
      cluster_(cluster),
      drivers_(shared.drivers),
      mesh_(shared.mirrors->mesh()),
      mesh_writer_(shared.mesh_writer),
      leases_(shared.leases),
      mirror_(shared.mirrors->Find(cluster.name)->mirror.get()),
      follower_(shared.mirrors->Find(cluster.name)->follower.get()),
      writer_(mirror_, follower_, drivers_.store, drivers_.executor, drivers_.clock, drivers_.random,
              WriterOptionsFor(config, *shared.mirrors, pacer_),
              [this, publisher = shared.publisher](const Batch& batch) {
                publisher->Publish(batch);
                pacer_.OnPublished(batch.epoch, batch.revision, drivers_.clock->Monotonic());
              }),
      forwarder_(principal(), leases_, drivers_.bus, drivers_.executor, drivers_.clock, Forwarder::Options()),
      planner_(PlannerConfigOf(cluster), &mesh_->mirror(), drivers_.random),
      agents_(mirror_, drivers_.store, drivers_.executor, drivers_.clock),
      identities_(
          mirror_, drivers_.store, drivers_.executor, drivers_.clock, KeeperOptionsOf(config),
          [this] { return Commits(); },
          [this](std::vector<uint32_t> numbers) { RetireIdentities(std::move(numbers)); }),
      mover_(
          mirror_, &planner_, drivers_.executor, [this] { return Commits(); },
          [this](NamespaceMover::Plan plan, Writer::Answer answer) {
            Submit(&writer_, "move-endpoints", std::move(plan), std::move(answer));
          }),
      liveness_(
          PlannerConfigOf(cluster), mirror_, drivers_.executor, drivers_.clock, drivers_.random,
          DetectorOptionsOf(config), [this] { return Commits(); },
          [this](LivenessObserver::Plan plan, Writer::Answer answer) {
            Submit(&writer_, "observe", std::move(plan), std::move(answer));
          }),
      log_(mirror_->ref(), drivers_.store, drivers_.executor, LogOptionsOf(config),
           [this] { return leases_->Holds(cluster_.name); }),
      reader_(config.instance, shared.mirrors, mirror_, &agents_, shared.publisher, drivers_.store,
              drivers_.executor),
      waiter_(mirror_, &agents_, drivers_.executor, [this] { return mover_.settled(); }),
      epochs_(follower_, mirror_->ref(), drivers_.store, drivers_.executor, drivers_.clock),
      differ_(shared.mirrors, mirror_, &planner_, drivers_.executor, drivers_.clock, PolicyDiffer::Options()),
      reachability_(config.instance, mirror_, shared.mirrors, drivers_.store, drivers_.executor,
                    ReachabilityOptionsOf(config), [this] { return leases_->Holds(cluster_.name); }),
      api_(config.instance, &planner_, &writer_, &forwarder_, &reader_, &waiter_, &epochs_, &differ_,
           &reachability_, drivers_.bus, drivers_.executor, drivers_.clock),
      start_(drivers_) {
  for (ClusterMirror* mirror : {mesh_, mirror_}) {
    mirror->Observe([this, alive = alive_.Watch()](const Batch*) {
      if (!alive.expired() && serving_) LeaseIfNeeded();
    });
  }
  agents_.Observe([this, alive = alive_.Watch()](const v1::AgentStatus& status) {
    if (alive.expired()) return;
    for (const v1::AppliedCluster& applied : status.applied()) {
      if (applied.cluster() != cluster_.name) continue;
      WatchClaim(applied);
      pacer_.OnReport(applied, drivers_.clock->Monotonic());
    }
    liveness_.OnReport(status);
  });
}

void ClusterService::Start(absl::AnyInvocable<void(absl::Status)> started) {
  start_.Begin(std::move(started));
  Register();
}

void ClusterService::Register() {
  ClusterRegistration wanted;
  wanted.region = cluster_.region;
  wanted.home = cluster_.home;
  wanted.cluster = cluster_.name;
  wanted.cluster_id = cluster_.id;
  wanted.address_space = cluster_.address_space;
  wanted.pod_cidrs = cluster_.pod_cidrs;
  Submit(
      mesh_writer_, "register-cluster",
      [random = drivers_.random, wanted](const Caller& caller, Draft* draft) {
        return PlanRegisterCluster(wanted, caller, random, draft);
      },
      [this](const v1::Reply& reply) {
        start_.Proceed(
            StatusOf(reply), "registering the cluster", [this] { Register(); }, [this] { Open(); });
      });
}

void ClusterService::Open() {
  drivers_.store->OpenCluster(
      mirror_->ref(), drivers_.executor,
      [this, alive = alive_.Watch()](const absl::StatusOr<StoredHead>& head) {
        if (alive.expired()) return;
        start_.Proceed(
            head.status(), "opening the cluster", [this] { Open(); },
            [this, alive] {
              follower_->CatchUp([this, alive](const absl::Status& status) {
                if (alive.expired()) return;
                start_.Proceed(
                    status, "reading the cluster", [this] { Open(); },
                    [this] { start_.ReadTail(mirror_, &writer_, [this] { MakeDefaultNamespace(); }); });
              });
            });
      });
}

void ClusterService::MakeDefaultNamespace() {
  Submit(
      &writer_, "start",
      [this](const Caller& caller, Draft* draft) {
        return PlanAtomically(caller, draft, [&] {
          return PlanDefaultNamespace(
              PlanContext{planner_.config(), mesh_->mirror(), drivers_.random, caller, draft});
        });
      },
      [this](const v1::Reply& reply) {
        start_.Proceed(
            StatusOf(reply), "making the default namespace", [this] { MakeDefaultNamespace(); },
            [this] { LeaseFirstBlock(); });
      });
}

void ClusterService::LeaseFirstBlock() {
  Submit(
      mesh_writer_, "lease-block",
      [this](const Caller& caller, Draft* draft) {
        return PlanLeaseBlock(cluster_.id, 1, caller, drivers_.random, draft);
      },
      [this](const v1::Reply& reply) {
        start_.Proceed(
            StatusOf(reply), "leasing identity numbers", [this] { LeaseFirstBlock(); }, [this] { Serve(); });
      });
}

void ClusterService::Serve() {
  serving_ = true;
  LeaseIfNeeded();
  for (const absl::Status& status : {agents_.Start(drivers_.bus), api_.Start()}) {
    if (!status.ok()) return start_.End(Annotate(status, "subscribing"));
  }
  leases_->Want(mirror_->ref());
  identities_.Start();
  mover_.Start();
  liveness_.Start();
  log_.Start();
  reachability_.Start();
  const Position& at = mirror_->position();
  spdlog::info("serving cluster={} instance={} version={} epoch={} revision={}", cluster_.name, instance_,
               kVersion, at.epoch, at.revision);
  start_.End(absl::OkStatus());
}

void ClusterService::Submit(Writer* writer, absl::string_view verb,
                            std::function<absl::StatusOr<Planned>(const Caller&, Draft*)> plan,
                            Writer::Answer answer) {
  Caller caller;
  caller.principal = principal();
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

void ClusterService::LeaseIfNeeded() {
  if (leasing_ || mirror_->index() == nullptr) return;
  const Mirror& mesh = mesh_->mirror();
  if (FreeIdentities(mesh, cluster_.id, *mirror_->index()) >= identities_ahead_) return;
  size_t blocks = 0;
  for (const auto& [key, stored] : mesh.All(v1::KIND_IDENTITY_BLOCK)) {
    blocks += stored.object->identity_block().cluster_id() == cluster_.id ? 1 : 0;
  }
  leasing_ = true;
  Submit(
      mesh_writer_, "lease-block",
      [this, enough = blocks + 1](const Caller& caller, Draft* draft) {
        return PlanLeaseBlock(cluster_.id, enough, caller, drivers_.random, draft);
      },
      [this](const v1::Reply& reply) {
        leasing_ = false;
        if (reply.code() == 0) return LeaseIfNeeded();
        spdlog::warn("cannot lease identity numbers cluster={} error=\"{}\"", cluster_.name, reply.message());
        drivers_.executor->PostAfter(absl::Seconds(1), [this, alive = alive_.Watch()] {
          if (!alive.expired()) LeaseIfNeeded();
        });
      });
}

void ClusterService::RetireIdentities(std::vector<uint32_t> numbers) {
  Submit(
      &writer_, "retire-identities",
      [numbers = std::move(numbers)](const Caller& caller, Draft* draft) {
        return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
          trivium::RetireIdentities(numbers, draft);
          return Planned();
        });
      },
      [this](const v1::Reply& reply) {
        // The next check finds what is left to do.
        if (reply.code() != 0) {
          spdlog::warn("cannot retire identities cluster={} error=\"{}\"", cluster_.name, reply.message());
        }
      });
}

// An agent that holds more than this mirror: the mirror is behind, or SQL has lost something. Epochs are
// times; one from far ahead is no epoch that ever was, and a new one would have to be beyond it.
void ClusterService::WatchClaim(const v1::AppliedCluster& applied) {
  const auto latest_epoch = static_cast<uint64_t>(absl::ToUnixSeconds(drivers_.clock->Now() + kClocksDiffer));
  const Position& held = mirror_->position();
  const absl::StatusOr<Id128> batch = Id128::FromBytes(applied.batch());
  if (!batch.ok() || drivers_.clock->Monotonic() < next_claim_ || applied.epoch() > latest_epoch) return;
  const Position claim{applied.epoch(), applied.received(), *batch};
  if (std::pair(claim.epoch, claim.revision) <= std::pair(held.epoch, held.revision)) return;
  follower_->OnClaim(claim, [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    next_claim_ = drivers_.clock->Monotonic() + kBetweenClaims;
  });
}

void ClusterService::Drain(absl::AnyInvocable<void()> done) {
  api_.Stop();
  forwarder_.Stop();
  waiter_.Drain();
  writer_.Drain([this, done = std::move(done)]() mutable {
    const Writer::Counters& written = writer_.counters();
    const Forwarder::Counters& forwarded = forwarder_.counters();
    spdlog::info(
        "drained cluster={} instance={} commits={} changes={} lost_races={} forwarded={} taken_back={}",
        cluster_.name, instance_, written.commits, written.changes, written.lost_races, forwarded.answered,
        forwarded.taken_back);
    done();
  });
}

}  // namespace trivium
