// Who may talk to whom, in SQL (docs/sql.md: admin_reachability, admin_policy_selections): works it out from
// the mirrors when somebody asks, and where the configuration says so keeps it fresh: then the instance that
// holds the cluster's writer lease looks once a second whether a mirror has moved, and writes what is
// different. The work is done in turns, so that it holds up nothing else of the process.
//
// Rows are never of two minds: each write follows the one before it (compare-and-set), begins only if what is
// there is of no later position in any cluster's history, and who loses to another stops.
//
// Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "controlplane/reachability/reachability_table.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/mirrors.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class ReachabilityKeeper {
 public:
  struct Options {
    bool keep = false;              // fresh, rather than as of the last request
    uint64_t max_rows = 1'000'000;  // beyond, nothing is written, and that is said
    absl::Duration look_every = absl::Seconds(1);
    absl::Duration after_refusal = absl::Minutes(1);  // until it is tried again
    size_t judgements_at_once = 500;                  // of one turn
    size_t rows_at_once = 2000;                       // of one write
    int patience = 60;  // looks at another's unfinished work, before a request is given up
  };
  struct Counters {
    uint64_t whole = 0;        // runs from nothing
    uint64_t incremental = 0;  // runs from what was there
    uint64_t writes = 0;
    uint64_t lost = 0;     // to another's write
    uint64_t refused = 0;  // too many rows
    uint64_t failed = 0;
  };
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;

  // `holds`: whether this instance is to keep the rows fresh. No pointer is owned.
  ReachabilityKeeper(std::string instance, const ClusterMirror* own, const Mirrors* mirrors, Store* store,
                     Executor* executor, Options options, std::function<bool()> holds);
  ReachabilityKeeper(const ReachabilityKeeper&) = delete;
  ReachabilityKeeper& operator=(const ReachabilityKeeper&) = delete;

  // Looks from now on, if it is to keep.
  void Start();
  // Everything anew; answered once it is written, by this instance or by another that was ahead of it.
  void Refresh(Answer answer);

  const Counters& counters() const { return counters_; }
  const ReachabilityTable& table() const { return table_; }

 private:
  void LookAgain(absl::Duration delay);
  void Look();
  void Run(bool whole);
  void Begin(const absl::StatusOr<ReachabilityState>& state);
  void Compute();
  void WriteNext(ReachabilityWrite write);
  void Refuse(uint64_t rows);
  // Another instance is ahead, or at it: waits for what it writes, if somebody waits for that.
  void LeaveToOther(const absl::Status& why);
  void AwaitOther(const absl::Status& why, int looks);
  void Finish(const absl::Status& status, uint64_t rows, const std::vector<ClusterPosition>& positions);

  const std::string instance_;
  const ClusterMirror* const own_;
  const Mirrors* const mirrors_;
  Store* const store_;
  Executor* const executor_;
  const Options options_;
  const std::function<bool()> holds_;
  ReachabilityTable table_;
  std::vector<ClusterPosition> seen_;  // of the last run, whatever became of it
  bool basis_ = false;                 // SQL holds what table_ does
  uint64_t writes_ = 0;                // what the next write follows
  uint64_t rows_held_ = 0;             // by SQL, before this run
  uint64_t refusals_seen_ = 0;         // when it last looked
  bool running_ = false;
  bool whole_ = true;
  std::optional<ReachabilityWrite> ahead_;  // the write after the one that is on its way
  std::vector<Answer> answering_;           // by the run that is on
  std::vector<Answer> waiting_;             // for the next one
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
