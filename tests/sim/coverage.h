// The places where the simulation can break something, and how often it did. Value type.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace trivium::sim {

// Each is counted when it takes effect, not when it is planned.
enum class Point {
  kCrashBetweenTasks,
  kCrashAtMapWrite,
  kCrashAtFileWrite,
  kCrashAtPublish,
  kCrashAtRequest,
  kCrashAtQuery,
  kCrashAtCommit,
  kPowerLoss,
  kPause,
  kClockForward,
  kClockBack,
  kBusLost,
  kBusLate,
  kBusRepeated,
  kBusReordered,
  kBusPartition,
  kBusOneWay,
  kBusServersRestart,
  kBusClientCut,
  kSlowReader,
  kReaderOverflow,
  kStorePartition,
  kStoreRegionDown,
  kStoreSlow,
  kStoreAnswerLost,
  kCommitNotReached,
  kCommitAnswerLost,
  kCommitLate,
  kCommitRaceLost,
  kRestoreOfBackup,
  kCompaction,
  kCompactedPastReader,
  kLeaseStolen,
  kEpochBumped,
  kCopyLost,
  kCopyTorn,
  kCopyOld,
  kFileWriteFailed,
  kFileAppendTorn,
  kMapWriteFailed,
  kMapFull,
  kNodeDeleted,
  kNamespaceDeleted,
  kPodRelabelled,
  kCount,
};
inline constexpr size_t kPoints = static_cast<size_t>(Point::kCount);

absl::string_view NameOf(Point point);

class Coverage {
 public:
  void Hit(Point point, uint64_t times = 1) { hits_[static_cast<size_t>(point)] += times; }
  uint64_t hits(Point point) const { return hits_[static_cast<size_t>(point)]; }
  void Add(const Coverage& other) {
    for (size_t i = 0; i < kPoints; ++i) hits_[i] += other.hits_[i];
  }

 private:
  std::array<uint64_t, kPoints> hits_{};
};

}  // namespace trivium::sim
