#include "tests/sim/coverage.h"

namespace trivium::sim {

absl::string_view NameOf(Point point) {
  switch (point) {
    case Point::kCrashBetweenTasks:
      return "crash between two tasks";
    case Point::kCrashAtMapWrite:
      return "crash at a map write";
    case Point::kCrashAtFileWrite:
      return "crash at a file write";
    case Point::kCrashAtPublish:
      return "crash at a publish";
    case Point::kCrashAtRequest:
      return "crash at a request";
    case Point::kCrashAtQuery:
      return "crash at a query";
    case Point::kCrashAtCommit:
      return "crash at a commit";
    case Point::kPowerLoss:
      return "power loss: unsynced bytes and maps gone";
    case Point::kPause:
      return "process paused";
    case Point::kClockForward:
      return "wall clock jumps forward";
    case Point::kClockBack:
      return "wall clock jumps back";
    case Point::kBusLost:
      return "message lost";
    case Point::kBusLate:
      return "message late";
    case Point::kBusRepeated:
      return "message repeated";
    case Point::kBusReordered:
      return "message reordered";
    case Point::kBusPartition:
      return "bus: regions parted";
    case Point::kBusOneWay:
      return "bus: one direction black-holed";
    case Point::kBusServersRestart:
      return "bus: servers of a region restarted";
    case Point::kBusClientCut:
      return "bus: one client cut";
    case Point::kSlowReader:
      return "slow reader";
    case Point::kReaderOverflow:
      return "slow reader lost messages";
    case Point::kStorePartition:
      return "store: out of a process's reach";
    case Point::kStoreRegionDown:
      return "store: a region down";
    case Point::kStoreSlow:
      return "store: slow";
    case Point::kStoreAnswerLost:
      return "store: a query's answer lost";
    case Point::kCommitNotReached:
      return "commit: not committed, answer unknown";
    case Point::kCommitAnswerLost:
      return "commit: committed, answer lost";
    case Point::kCommitLate:
      return "commit: committed after the error";
    case Point::kCommitRaceLost:
      return "commit: race lost";
    case Point::kRestoreOfBackup:
      return "store: old backup restored";
    case Point::kCompaction:
      return "store: log compacted";
    case Point::kCompactedPastReader:
      return "store: log compacted past who follows it";
    case Point::kLeaseStolen:
      return "store: writer lease taken away";
    case Point::kEpochBumped:
      return "store: new epoch by hand";
    case Point::kCopyLost:
      return "durable copy lost";
    case Point::kCopyTorn:
      return "durable copy torn";
    case Point::kCopyOld:
      return "durable copy old";
    case Point::kFileWriteFailed:
      return "file write failed";
    case Point::kFileAppendTorn:
      return "file append torn";
    case Point::kMapWriteFailed:
      return "map write failed";
    case Point::kMapFull:
      return "map full";
    case Point::kNodeDeleted:
      return "node deleted while it runs";
    case Point::kNamespaceDeleted:
      return "namespace deleted with pods in it";
    case Point::kPodRelabelled:
      return "running pod relabelled";
    case Point::kCount:
      break;
  }
  return "?";
}

}  // namespace trivium::sim
