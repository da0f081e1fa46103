// The durable copy of one cluster's mirror: a snapshot's chunks and the envelopes after it, in two files,
// both as they came over the wire. With it the agent starts without any server. Not thread-safe.
//
// A batch is appended before anything of it reaches the maps, so that the copy is never behind the pinned
// vector as long as the machine runs. The medium is synced from time to time only: pinned maps do not survive
// what unsynced bytes do not survive.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/files.h"
#include "replica/replica.h"

namespace trivium {

class ClusterCopy {
 public:
  // Files <folder>/<cluster>.snapshot and <cluster>.log; the folder exists. `files` is not owned.
  ClusterCopy(Files* files, const std::string& folder, const std::string& cluster);

  // Brings `replica` (fresh) to what the copy holds: nothing if there is none. A torn tail is cut. kDataLoss:
  // the copy is unusable and was removed; the replica is as it was.
  absl::Status Load(Replica* replica);
  // After it the batch survives this process. A batch must follow the last.
  absl::Status Append(const Batch& batch);
  // Replaces the whole copy: by a snapshot's chunks, or by what `replica` holds.
  absl::Status Replace(const std::vector<std::string>& chunks);
  absl::Status Replace(const Replica& replica);
  // The log has outgrown the snapshot: Replace would pay.
  bool WantsReplacing() const;
  // Files that the medium may lack something of; from now on that counts as on its way there.
  std::vector<std::string> TakeUnsynced();
  // It did not get there.
  void SyncFailed(const std::string& path);
  absl::Status Remove();

  // Clusters that have a copy in `folder`.
  static absl::StatusOr<std::vector<std::string>> List(Files* files, const std::string& folder);

 private:
  static constexpr size_t kMinLog = 4 << 20;

  absl::Status LoadSnapshot(Replica* replica);
  absl::Status LoadLog(Replica* replica);
  absl::Status Discard(absl::string_view why);

  Files* const files_;
  const std::string snapshot_path_;
  const std::string log_path_;
  std::unique_ptr<AppendFile> log_;
  size_t snapshot_bytes_ = 0;
  size_t log_bytes_ = 0;
  bool sealed_ = false;        // the log ends with what this build cannot apply: nothing may follow it
  bool torn_ = false;          // an append failed: the file may be longer than log_bytes_
  bool dirty_ = false;         // the log has what the medium may lack
  bool new_snapshot_ = false;  // and so has the snapshot
};

}  // namespace trivium
