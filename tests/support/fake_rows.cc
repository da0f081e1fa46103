#include "tests/support/fake_rows.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/digest.h"

namespace trivium {
namespace {

using ClusterRows = FakeDatabase::ClusterRows;

absl::Status Lost(const ClusterRef& cluster, const StoredHead& head) {
  return absl::AbortedError(absl::StrCat("cluster ", cluster.name, " is at epoch ", head.epoch, " revision ",
                                         head.revision, ": another batch took the place"));
}

bool SamePlace(const StoredHead& a, const StoredHead& b) {
  return a.epoch == b.epoch && a.revision == b.revision && a.last_batch == b.last_batch;
}

void Advance(const Batch& batch, absl::Time now, ClusterRows* rows) {
  rows->head.revision = batch.revision;
  rows->head.prev_batch = rows->head.last_batch;
  rows->head.last_batch = batch.batch;
  rows->head.digest = batch.digest;
  rows->log[batch.revision] = {batch.batch, batch.envelope, now};
}

}  // namespace

Id128 DigestOf(const ClusterRows& rows) {
  Digest digest;
  for (const auto& [key, row] : rows.objects) digest.Add(KeyHash(key.kind, key.key), row.revision);
  return digest.value();
}

absl::Status CommitRows(const CommitRequest& request, absl::Time now, ClusterRows* rows) {
  const Batch& batch = request.batch;
  if (const auto it = rows->log.find(batch.revision); it != rows->log.end()) {
    if (it->second.batch == batch.batch) return absl::OkStatus();  // an earlier attempt landed
  } else if (batch.revision <= rows->head.log_floor) {
    return absl::DataLossError(absl::StrCat("the log was compacted past revision ", batch.revision));
  }
  if (!SamePlace(rows->head, request.expected)) return Lost(request.cluster, rows->head);
  Advance(batch, now, rows);
  for (const v1::Change& change : batch.changes.changes()) {
    const ObjectKey key = KeyOf(change);
    if (change.op() == v1::Change::DELETE) {
      const auto gone = rows->objects.find(key);
      if (gone == rows->objects.end()) continue;
      if (key.kind == v1::KIND_IDENTITY) {
        const v1::Identity& identity = gone->second.object.identity();
        rows->retired[identity.id()] = {identity, batch.epoch, batch.revision};
      }
      if (key.kind == v1::KIND_NODE) rows->agents.erase(key.key);
      rows->objects.erase(gone);
      continue;
    }
    FakeDatabase::ObjectRow& row = rows->objects[key];
    row.revision = batch.revision;
    row.object = change.object();
    if (key.kind == v1::KIND_IDENTITY) rows->retired.erase(row.object.identity().id());
  }
  for (const auto& [key, manifest] : request.manifests) {
    const auto it = rows->objects.find(key);
    if (it != rows->objects.end() && it->second.revision == batch.revision) it->second.manifest = manifest;
  }
  for (const RequestRow& row : request.requests) {
    rows->requests.try_emplace({row.request_id, row.actor},
                               FakeDatabase::Request{batch.revision, row.result, now});
  }
  rows->audit.insert(rows->audit.end(), request.audit.begin(), request.audit.end());
  return absl::OkStatus();
}

absl::Status WriteReachabilityRows(const ReachabilityWrite& write, FakeDatabase::ClusterRows* rows) {
  if (write.state.positions.empty() || write.state.positions.front().cluster != rows->name) {
    return absl::InvalidArgumentError("the first position is not the cluster's own");
  }
  ReachabilityState& state = rows->reachability_state;
  const auto own = [](const ReachabilityState& of) {
    return of.positions.empty() ? std::make_pair(uint64_t{0}, uint64_t{0})
                                : std::make_pair(of.positions[0].epoch, of.positions[0].revision);
  };
  if (state.writes != write.state.writes || own(state) > own(write.state)) {
    return absl::AbortedError("another write came between");
  }
  const std::set<uint32_t> replaced(write.replaced.begin(), write.replaced.end());
  const std::set<uint32_t> kept(write.kept.begin(), write.kept.end());
  const std::set<uint32_t> peers(write.changed_peers.begin(), write.changed_peers.end());
  const auto gone = [&](uint32_t identity) {
    return replaced.contains(identity) ||
           (write.only.has_value() &&
            std::find(write.only->begin(), write.only->end(), identity) == write.only->end());
  };
  std::erase_if(rows->reachability, [&](const ReachabilityRow& row) {
    return gone(row.identity) || (kept.contains(row.identity) && peers.contains(row.peer));
  });
  std::erase_if(rows->selections, [&](const SelectionRow& row) { return gone(row.identity); });
  rows->reachability.insert(rows->reachability.end(), write.rows.begin(), write.rows.end());
  rows->selections.insert(rows->selections.end(), write.selections.begin(), write.selections.end());
  state = write.state;
  ++state.writes;
  return absl::OkStatus();
}

absl::Status TakePlace(const ClusterRef& cluster, absl::Time now, ClusterRows* rows) {
  TRIVIUM_ASSIGN_OR_RETURN(const Batch batch,
                           EncodeBatch(cluster.name, rows->head.epoch, rows->head.revision + 1,
                                       rows->head.last_batch, rows->head.digest, v1::Changes()));
  Advance(batch, now, rows);
  return absl::OkStatus();
}

absl::Status CheckRequest(const CommitRequest& request) {
  if (request.batch.epoch != request.expected.epoch ||
      request.batch.revision != request.expected.revision + 1 ||
      request.batch.prev_batch != request.expected.last_batch) {
    return absl::InvalidArgumentError(absl::StrCat("batch of revision ", request.batch.revision,
                                                   " does not follow the expected head at revision ",
                                                   request.expected.revision));
  }
  return absl::OkStatus();
}

}  // namespace trivium
