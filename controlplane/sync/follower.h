// Keeps one cluster's mirror at the head of its log: takes batches from the feed, notices from feed and
// beacons what is missing, and fetches that from SQL. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "base/random.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/cluster_mirror.h"
#include "schema/codec.h"

namespace trivium {

class Follower {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  struct Options {
    // How long a missing revision may come late on the feed before SQL is asked.
    absl::Duration gap_wait = absl::Milliseconds(25);
    absl::Duration retry_floor = absl::Milliseconds(50);
    absl::Duration retry_cap = absl::Seconds(2);
  };

  struct Counters {
    uint64_t gaps = 0;       // something was missing and did not come by itself in time
    uint64_t fetches = 0;    // rounds of reading SQL, for whatever reason
    uint64_t snapshots = 0;  // of those, the ones that took a whole state
  };

  // No pointer is owned; all outlive the follower.
  Follower(ClusterMirror* mirror, Store* store, Executor* executor, Random* random, Options options);

  // A batch that was published; of another cluster: ignored.
  void OnBatch(const Batch& batch);
  // What somebody read in SQL or holds. One that stays behind the mirror makes the follower look in SQL
  // whether it was restored.
  void OnHead(const v1::Head& head);

  // Somebody says to hold that much of this log. If SQL turns out to hold less, it was restored: `on_proof`
  // runs before the restore handler.
  void OnClaim(const Position& claim, absl::AnyInvocable<void()> on_proof);

  // Brings the mirror to the head that SQL has at some moment after this call. One attempt; errors:
  // kUnavailable, kDataLoss (SQL contradicts itself).
  void CatchUp(Done done);

  // Called when SQL turns out to hold less than what was held: the database was restored from a backup.
  // The handler makes a new epoch, beyond `lost`, the latest known to be lost, and answers; the follower then
  // takes a snapshot. It is called when SQL was found so more than `leave` times in a row: another cluster's
  // own control plane has the first word, but it may hold no more than the backup and find nothing wrong.
  using RestoreHandler = std::function<void(uint64_t lost, Done done)>;
  void OnRestore(RestoreHandler handler, int leave) {
    on_restore_ = std::move(handler);
    leave_ = leave;
  }

  const Counters& counters() const { return counters_; }

 private:
  static constexpr size_t kMaxEarly = 64;
  static constexpr size_t kBeaconLag = 8;  // a beacon is older than the mirror by less than so many beacons
  static constexpr size_t kReadRows = 500;
  static constexpr size_t kReadBytes = 8 * 1024 * 1024;

  // The mirror lacks something that is known to exist: fetch it until that is mended.
  void Need(absl::Duration wait);
  void Fire();
  void Start();
  void JudgeSqlHead(const Position& held, const Position& claim, const StoredHead& stored);
  void ReadLog();
  void TakeRows(const std::vector<LogRow>& rows);
  void ReadSnapshot();
  void Restore(uint64_t lost);
  void Finish(const absl::Status& status);
  void ApplyEarly();

  ClusterMirror* const mirror_;
  Store* const store_;
  Executor* const executor_;
  const Options options_;
  Backoff backoff_;
  RestoreHandler on_restore_;
  int leave_ = 0;
  int left_ = 0;  // times in a row

  bool fetching_ = false;
  std::deque<std::pair<uint64_t, uint64_t>> past_;  // the mirror's epoch and revision at the last beacons
  Position claim_;  // the most that somebody says to hold, beyond this mirror; epoch 0: nothing
  absl::AnyInvocable<void()> on_proof_;
  Position target_;                  // what SQL held when the running fetch began
  std::vector<Done> waiting_;        // for a fetch that has not begun
  std::vector<Done> serving_;        // by the running fetch
  std::map<uint64_t, Batch> early_;  // batches ahead of the mirror
  Counters counters_;
  Executor::TimerId timer_ = Executor::kNoTimer;
  Alive alive_;
};

}  // namespace trivium
