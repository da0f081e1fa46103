#include "tests/sim/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nodeagent/reconcile/map_io.h"
#include "tests/sim/scheduler.h"
#include "tests/support/made_up_policies.h"

namespace trivium::sim {
namespace {

const char* NameOf(Event::Kind kind) {
  switch (kind) {
    case Event::kApplyPolicy:
      return "apply-policy";
    case Event::kDeletePolicy:
      return "delete-policy";
    case Event::kLabelNamespace:
      return "label-namespace";
    case Event::kDeleteNamespace:
      return "delete-namespace";
    case Event::kDeleteNode:
      return "delete-node";
    case Event::kAddPod:
      return "add-pod";
    case Event::kRelabelPod:
      return "relabel-pod";
    case Event::kDeletePod:
      return "delete-pod";
    case Event::kCompact:
      return "compact";
    case Event::kBackup:
      return "backup";
    case Event::kCrash:
      return "crash";
    case Event::kCrashAtEffect:
      return "crash-at-effect";
    case Event::kPowerLoss:
      return "power-loss";
    case Event::kSpoilCopy:
      return "spoil-copy";
    case Event::kPause:
      return "pause";
    case Event::kClockJump:
      return "clock-jump";
    case Event::kBusNoise:
      return "bus-noise";
    case Event::kBusPartition:
      return "bus-partition";
    case Event::kBusOneWay:
      return "bus-one-way";
    case Event::kBusServers:
      return "bus-servers-restart";
    case Event::kBusCut:
      return "bus-cut";
    case Event::kStorePartition:
      return "store-partition";
    case Event::kStoreRegion:
      return "store-region-down";
    case Event::kStoreSlow:
      return "store-slow";
    case Event::kStoreNoise:
      return "store-noise";
    case Event::kRestore:
      return "restore-backup";
    case Event::kFilesFail:
      return "files-fail";
    case Event::kMapsFail:
      return "maps-fail";
    case Event::kMapFull:
      return "map-full";
    case Event::kSlowReader:
      return "slow-reader";
    case Event::kLease:
      return "writer-lease";
    case Event::kBumpEpoch:
      return "bump-epoch";
  }
  return "?";
}

// Draws one fault of the kinds that this schedule is about.
Event Fault(Event::Kind kind, const Shape& shape, SimRandom* random) {
  Event event;
  event.kind = kind;
  event.a = static_cast<uint32_t>(random->Below(shape.process_count()));
  event.lasts = absl::Milliseconds(50 + random->Below(random->Chance(0.2) ? 8000 : 1500));
  const uint32_t agent = static_cast<uint32_t>(random->Below(shape.agent_count()));
  switch (kind) {
    case Event::kCrashAtEffect:
      event.b = static_cast<uint32_t>(random->Below(random->Chance(0.5) ? 8 : 60));
      break;
    case Event::kPowerLoss:
    case Event::kFilesFail:
      event.a = agent;
      break;
    case Event::kSpoilCopy:
      event.a = agent;
      event.b = static_cast<uint32_t>(random->Below(3));
      break;
    case Event::kPause:
      event.lasts = absl::Milliseconds(100 + random->Below(random->Chance(0.2) ? 20000 : 3000));
      break;
    case Event::kClockJump:
      event.c = static_cast<uint32_t>((int64_t{1} << 31) +
                                      static_cast<int64_t>(random->Below(random->Chance(0.5) ? 20 : 7200)) *
                                          (random->Chance(0.5) ? 1 : -1));
      break;
    case Event::kBusNoise:
      event.a = static_cast<uint32_t>(random->Below(30));
      event.b = static_cast<uint32_t>(random->Below(30));
      break;
    case Event::kBusPartition:
    case Event::kBusOneWay:
      event.a = static_cast<uint32_t>(random->Below(kClusters));
      event.b = (event.a + 1 + static_cast<uint32_t>(random->Below(kClusters - 1))) % kClusters;
      break;
    case Event::kBusServers:
      event.a = static_cast<uint32_t>(random->Below(kClusters));
      event.lasts = absl::Milliseconds(20 + random->Below(1500));
      break;
    case Event::kStorePartition:
      event.a = static_cast<uint32_t>(random->Below(shape.control_plane_count()));
      event.b = static_cast<uint32_t>(random->Below(kClusters + 2));
      break;
    case Event::kStoreRegion:
      event.b = static_cast<uint32_t>(random->Below(kClusters + 1));
      break;
    case Event::kStoreSlow:
      event.a = static_cast<uint32_t>(20 + random->Below(800));
      break;
    case Event::kStoreNoise:
      event.a = static_cast<uint32_t>(5 + random->Below(40));
      break;
    case Event::kMapsFail:
      event.a = agent;
      event.b = static_cast<uint32_t>(random->Chance(0.3) ? 100 : 5 + random->Below(60));
      break;
    case Event::kMapFull:
      event.a = agent;
      event.b = static_cast<uint32_t>(random->Below(kMapCount));
      event.c = static_cast<uint32_t>(random->Below(3));
      break;
    case Event::kSlowReader:
      event.b = static_cast<uint32_t>(100 + random->Below(900));
      break;
    default:
      break;
  }
  return event;
}

Event Work(const Shape& shape, SimRandom* random) {
  Event event;
  event.a = static_cast<uint32_t>(random->Below(kClusters));
  const auto pod = [&](Event::Kind kind) {
    event.kind = kind;
    event.a = static_cast<uint32_t>(random->Below(shape.agent_count()));
    event.b = static_cast<uint32_t>(random->Below(shape.slots));
    event.c = static_cast<uint32_t>(random->Below(1 << 16));
  };
  switch (random->Below(14)) {
    case 0:
    case 1:
    case 2:
      event.kind = Event::kApplyPolicy;
      event.b = static_cast<uint32_t>(random->Below(kMadeUpNames));
      event.c = static_cast<uint32_t>(random->Below(1 << 20));
      break;
    case 3:
      event.kind = Event::kDeletePolicy;
      event.b = static_cast<uint32_t>(random->Below(kMadeUpNames));
      break;
    case 4:
      event.kind = Event::kLabelNamespace;
      event.b = static_cast<uint32_t>(random->Below(2));
      event.c = static_cast<uint32_t>(random->Below(3));
      break;
    case 5:
      event.kind = Event::kCompact;
      event.a = static_cast<uint32_t>(random->Below(kClusters + 1));
      if (random->Chance(0.5)) break;
      if (random->Chance(0.5)) {
        event.kind = Event::kDeleteNode;
        event.a = static_cast<uint32_t>(random->Below(shape.agent_count()));
      } else {
        event.kind = Event::kDeleteNamespace;
        event.a = static_cast<uint32_t>(random->Below(kClusters));
        event.b = random->Chance(0.8) ? 1 : 0;
      }
      break;
    case 6:
    case 7:
      pod(Event::kDeletePod);
      break;
    case 8:
      pod(Event::kRelabelPod);
      break;
    default:
      pod(Event::kAddPod);
      break;
  }
  return event;
}

}  // namespace

std::string Event::ToString() const {
  return absl::StrFormat("%9.3f s  %-20s a=%d b=%d c=%d lasts=%.3f s", absl::ToDoubleSeconds(at),
                         NameOf(kind), a, b, c, absl::ToDoubleSeconds(lasts));
}

uint32_t Shape::control_plane_count() const {
  uint32_t count = 0;
  for (const uint32_t n : control_planes) count += n;
  return count;
}

uint32_t Shape::agent_count() const {
  uint32_t count = 0;
  for (const uint32_t n : agents) count += n;
  return count;
}

Plan Plan::FromSeed(uint64_t seed) {
  SimRandom random(seed, "plan");
  Plan plan;
  plan.seed = seed;
  for (uint32_t c = 0; c < kClusters; ++c) {
    plan.shape.control_planes.push_back(c == 0 ? 2 : 1 + static_cast<uint32_t>(random.Below(4) == 0));
    plan.shape.agents.push_back(c == 0 ? 2 : 1 + static_cast<uint32_t>(random.Below(4) == 0));
  }
  plan.shape.subscribers = 1 + static_cast<uint32_t>(random.Below(2));
  plan.length = absl::Milliseconds(3000 + random.Below(7000));

  std::vector<Event> events;
  const auto length_ms = static_cast<uint64_t>(absl::ToInt64Milliseconds(plan.length));
  const uint64_t work = 8 + random.Below(30);
  for (uint64_t i = 0; i < work; ++i) {
    events.push_back(Work(plan.shape, &random));
    events.back().at = absl::Microseconds(random.Below(length_ms * 1000));
  }
  // Some schedules know every kind of fault, most only a few, so that these meet often.
  std::vector<Event::Kind> kinds;
  for (int k = Event::kCrash; k <= Event::kSlowReader; ++k) {
    if (k == Event::kRestore) continue;
    if (random.Chance(0.3)) kinds.push_back(static_cast<Event::Kind>(k));
  }
  if (kinds.empty()) kinds.push_back(Event::kCrash);
  const uint64_t faults = random.Below(12);
  for (uint64_t i = 0; i < faults; ++i) {
    events.push_back(Fault(kinds[random.Below(kinds.size())], plan.shape, &random));
    events.back().at = absl::Microseconds(random.Below(length_ms * 1000));
  }
  if (random.Chance(0.15)) {
    Event backup;
    backup.kind = Event::kBackup;
    backup.at = absl::Milliseconds(random.Below(length_ms * 3 / 4));
    Event restore;
    restore.kind = Event::kRestore;
    restore.at = std::min(backup.at + absl::Milliseconds(100 + random.Below(length_ms / 2)), plan.length);
    events.push_back(backup);
    events.push_back(restore);
  }
  const uint64_t leases = random.Chance(0.3) ? 1 + random.Below(5) : 0;
  for (uint64_t i = 0; i < leases; ++i) {
    Event event;
    event.kind = Event::kLease;
    event.at = absl::Microseconds(random.Below(length_ms * 1000));
    event.lasts = absl::Milliseconds(random.Below(6000));
    event.a = static_cast<uint32_t>(random.Below(kClusters));
    event.b = static_cast<uint32_t>(random.Below(4));
    events.push_back(event);
  }
  if (random.Chance(0.1)) {
    Event event;
    event.kind = Event::kBumpEpoch;
    event.at = absl::Microseconds(random.Below(length_ms * 1000));
    event.a = static_cast<uint32_t>(random.Below(kClusters));
    events.push_back(event);
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& x, const Event& y) { return x.at < y.at; });
  plan.events = std::move(events);
  return plan;
}

}  // namespace trivium::sim
