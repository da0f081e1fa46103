// The truth: rows and log in SQL, as the writer and its readers see them. Asynchronous: the caller's executor
// is never blocked, callbacks run on it exactly once (unless the store is destroyed first). SqlStore
// (store/sql_store.h) and FakeStore (tests/support/fake_store.h) pass tests/contract/store_contract.h.
//
// Errors: kAborted = lost the compare-and-set (nothing was written); kUnavailable = no server within the
// deadline. An ambiguous commit is resolved inside Commit by reading the log; if even that is impossible,
// Commit answers kUnavailable and the caller runs the very same CommitRequest again: the compare-and-set and
// the batch id make that safe (a batch that is already there answers OK). kFailedPrecondition = wrong schema
// version; kDataLoss = a log that contradicts itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "base/id128.h"
#include "controlplane/store/reachability.h"
#include "schema/codec.h"
#include "schema/object.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

// Where a cluster's rows live.
struct ClusterRef {
  std::string name;
  uint32_t home = 0;        // number of its home region; 0 for the mesh itself
  uint32_t cluster_id = 0;  // 0 for the mesh itself
};

struct StoredHead {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  Id128 prev_batch;
  Id128 last_batch;
  Id128 digest;
  uint64_t log_floor = 0;  // the log holds revisions above it
};

// A caller's request that a batch answers: kept so that its repetition gets the same answer.
struct RequestRow {
  Id128 request_id;
  std::string actor;
  std::string result;  // a serialized v1::Reply
};

// What a break-glass script leaves as a cluster's digest (docs/epochs.md): the control plane that sees it
// begins a new epoch, with the digest of what is there.
inline constexpr Id128 kUnknownDigest{~uint64_t{0}, ~uint64_t{0}};

struct AuditRow {
  std::string actor;
  std::string source;
  Id128 request_id;
  std::string verb;  // "apply", "delete", "register-node", ...
  v1::Kind kind = v1::KIND_UNSPECIFIED;
  std::string key;
  std::string manifest;  // as the caller wrote it; empty for deletes
  int64_t time_us = 0;
};

// One revision, ready to commit. The changes inside `batch` are what the object tables get.
struct CommitRequest {
  ClusterRef cluster;
  StoredHead expected;  // the head this revision follows
  Batch batch;          // epoch == expected.epoch, revision == expected.revision + 1
  // Original text of what came as a manifest, by object key. An upsert without one keeps the text it had.
  std::vector<std::pair<ObjectKey, std::string>> manifests;
  std::vector<RequestRow> requests;
  std::vector<AuditRow> audit;
};

struct LogRow {
  uint64_t revision = 0;
  std::string envelope;
};

// A number whose identity was deleted and that no other may have yet.
struct RetiredIdentity {
  v1::Identity identity;  // as it was
  uint64_t epoch = 0;     // of the revision that deleted it
  uint64_t revision = 0;
};

// What decides which retired numbers are free again.
struct IdentityLife {
  std::vector<RetiredIdentity> retired;
  // What the least advanced registered node of the whole mesh has confirmed of the cluster; `node` is empty,
  // and the numbers mean nothing, if no node is registered.
  uint64_t epoch = 0;
  uint64_t revision = 0;
  std::string node;  // "cluster/node"
};

// Which control plane commits a cluster's changes, for speed's sake (controlplane/lease/).
struct WriterLease {
  uint32_t cluster_id = 0;
  std::string holder;   // an instance
  uint64_t fence = 0;   // how often the holder has changed
  absl::Duration left;  // by SQL's clock when it was asked; not positive: free for anybody
};

// How much of a log is kept. Ages are by SQL's clock.
struct LogBounds {
  absl::Duration at_least = absl::Minutes(15);  // what is younger stays, whatever the rest says
  absl::Duration at_most = absl::Hours(1);      // what is older goes
  uint64_t revisions = 100'000;                 // of the rest so many of the latest stay
};

struct Trimmed {
  uint64_t log_floor = 0;
  bool more = false;  // the bounds allow more than one step
};

// A new epoch of a cluster's history, and what it followed.
struct NewEpoch {
  StoredHead before;
  StoredHead after;
};

class Store {
 public:
  template <typename T>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<T>)>;
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~Store() = default;

  // Creates the row of cluster_rev (epoch 1, revision 0) unless it is there; answers the head either way.
  // kFailedPrecondition if the numbers belong to a cluster of another name.
  virtual void OpenCluster(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) = 0;
  virtual void ReadHead(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) = 0;
  // All clusters homed in one region, one query, by cluster_id. Home 0 is the mesh alone.
  virtual void ReadHeads(uint32_t home, Executor* executor, Callback<std::vector<v1::Head>> done) = 0;

  // OK once committed. kAborted: another batch took the place; re-read the log and plan again.
  virtual void Commit(std::shared_ptr<const CommitRequest> request, Executor* executor, Done done) = 0;

  // Rows with revision > after, ascending, up to `limit` rows or `max_bytes`, whichever comes first (at least
  // one row if there is any). kOutOfRange if `after` < log_floor.
  virtual void ReadLog(const ClusterRef& cluster, uint64_t after, size_t limit, size_t max_bytes,
                       Executor* executor, Callback<std::vector<LogRow>> done) = 0;
  // The whole state at one revision, in one snapshot of the database. kDataLoss if its digest is not the
  // head's.
  virtual void ReadSnapshot(const ClusterRef& cluster, Executor* executor, Callback<v1::Snapshot> done) = 0;

  // The serialized v1::Reply that an earlier request with this id got, if any. Another actor's request id:
  // kNotFound is answered as nullopt too, so that nobody reads another's answer.
  virtual void FindRequest(const ClusterRef& cluster, Id128 request_id, const std::string& actor,
                           Executor* executor, Callback<std::optional<std::string>> done) = 0;
  // kNotFound if the object is unknown or did not come as a manifest.
  virtual void ReadManifest(const ClusterRef& cluster, const ObjectKey& key, Executor* executor,
                            Callback<std::string> done) = 0;

  // Both of one snapshot of the database. Deleting an identity retires its number, an upsert takes it back.
  virtual void ReadIdentityLife(const ClusterRef& cluster, Executor* executor,
                                Callback<IdentityLife> done) = 0;

  // Gives `holder` the leases of those clusters of one home that nobody else holds, for `lifetime` from now
  // on by SQL's clock; answers all of them as they stand then, by cluster_id.
  virtual void HoldLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                          absl::Duration lifetime, Executor* executor,
                          Callback<std::vector<WriterLease>> done) = 0;
  // Ends those that `holder` has.
  virtual void ReleaseLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                             Executor* executor, Done done) = 0;

  // Agents' reports, coalesced by the caller: the newest row of each node wins, by (start_ms, sequence).
  virtual void WriteAgents(const ClusterRef& cluster, std::vector<v1::AgentStatus> agents, Executor* executor,
                           Done done) = 0;

  // Whose reachability rows there are (made if there is no such row yet).
  virtual void OpenReachability(const ClusterRef& cluster, Executor* executor,
                                Callback<ReachabilityState> done) = 0;
  // kAborted, and nothing is written, if another write came between, or if the rows that are there are of a
  // later position of the cluster itself.
  virtual void WriteReachability(const ClusterRef& cluster, ReachabilityWrite write, Executor* executor,
                                 Done done) = 0;

  // Moves log_floor up to `floor` (never down, never beyond the head), then deletes log rows at or below it
  // and, of the requests those held, the ones older than `keep_requests_since`, in steps.
  virtual void Compact(const ClusterRef& cluster, uint64_t floor, absl::Time keep_requests_since,
                       Executor* executor, Done done) = 0;
  // Compacts one step (a bounded number of revisions) towards the bounds.
  virtual void TrimLog(const ClusterRef& cluster, const LogBounds& bounds, Executor* executor,
                       Callback<Trimmed> done) = 0;
  // epoch = max(epoch + 1, unix_seconds), in a transaction of its own, which also computes the digest anew
  // from the objects that are there. Revision and batch stay. `why` is its audit row; its request, if it has
  // an id, is kept with the answer of EpochReply (store/epoch_reply.h).
  virtual void BumpEpoch(const ClusterRef& cluster, uint64_t unix_seconds, const AuditRow& why,
                         Executor* executor, Callback<NewEpoch> done) = 0;
};

}  // namespace trivium
