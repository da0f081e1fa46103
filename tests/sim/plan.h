// A schedule: what is asked of the mesh and what is broken, when, all drawn from one seed. Value types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace trivium::sim {

struct Event {
  enum Kind {
    // The workload.
    kApplyPolicy,      // a: cluster, b: number (made_up_policies.h), c: shape
    kDeletePolicy,     // a: cluster, b: number
    kLabelNamespace,   // a: cluster, b: namespace, c: labels
    kDeleteNamespace,  // a: cluster, b: namespace, with whatever is in it
    kDeleteNode,       // a: agent, which runs on
    kAddPod,           // a: agent, b: slot, c: labels and the like
    kRelabelPod,       // a: agent, b: slot, c: labels and the like
    kDeletePod,        // a: agent, b: slot
    kCompact,          // a: cluster (0: the mesh)
    kBackup,
    // Faults. `lasts`: until healed or restarted.
    kCrash,           // a: process
    kCrashAtEffect,   // a: process, b: how many more effects
    kPowerLoss,       // a: agent
    kSpoilCopy,       // a: agent, b: lost, torn or old; crashes it too
    kPause,           // a: process
    kClockJump,       // a: process, c: seconds + 2^31
    kBusNoise,        // a, b: percentages of the four kinds
    kBusPartition,    // a, b: regions
    kBusOneWay,       // a, b: regions
    kBusServers,      // a: region
    kBusCut,          // a: process
    kStorePartition,  // a: process, b: home (4: all)
    kStoreRegion,     // b: home
    kStoreSlow,       // a: most milliseconds
    kStoreNoise,      // a: percentage
    kRestore,
    kFilesFail,   // a: agent
    kMapsFail,    // a: agent, b: percentage
    kMapFull,     // a: agent, b: map, c: room left
    kSlowReader,  // a: process, b: milliseconds of pause between gasps
    // Drawn apart from the others, so that older seeds keep their course.
    kLease,      // a: cluster, b: to nobody, ended, or to the n-th instance; lasts: by its row
    kBumpEpoch,  // a: cluster
  } kind = kCrash;
  absl::Duration at;
  absl::Duration lasts;
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;

  std::string ToString() const;
};

// Who lives in the world of this seed.
struct Shape {
  std::vector<uint32_t> control_planes;  // per cluster
  std::vector<uint32_t> agents;          // per cluster
  uint32_t subscribers = 0;
  uint32_t slots = 3;  // pods per node
  uint32_t control_plane_count() const;
  uint32_t agent_count() const;
  uint32_t process_count() const { return control_plane_count() + agent_count() + subscribers; }
};

struct Plan {
  uint64_t seed = 0;
  Shape shape;
  absl::Duration length;
  std::vector<Event> events;  // by time

  static Plan FromSeed(uint64_t seed);
};

inline constexpr uint32_t kClusters = 3;
inline constexpr const char* kClusterNames[kClusters] = {"aws", "azure", "gcp"};

}  // namespace trivium::sim
