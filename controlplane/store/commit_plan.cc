#include "controlplane/store/commit_plan.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "controlplane/store/object_rows.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {
namespace {

absl::Status CheckFollows(const CommitRequest& request) {
  const Batch& batch = request.batch;
  const StoredHead& head = request.expected;
  if (batch.epoch == head.epoch && batch.revision == head.revision + 1 &&
      batch.prev_batch == head.last_batch) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("batch of epoch ", batch.epoch, " revision ", batch.revision,
                                                 " does not follow the expected head at epoch ", head.epoch,
                                                 " revision ", head.revision));
}

void AddHeadAndLog(const CommitRequest& request, Pipeline* pipeline) {
  const Batch& batch = request.batch;
  pipeline->Add(sql::kAdvanceHead, ClusterParams(request.cluster)
                                       .Id(batch.batch)
                                       .Id(batch.digest)
                                       .Int(static_cast<int64_t>(request.expected.epoch))
                                       .Int(static_cast<int64_t>(request.expected.revision))
                                       .Id(request.expected.last_batch));
  pipeline->Add(sql::kInsertLog, ClusterParams(request.cluster)
                                     .Id(batch.batch)
                                     .Int(static_cast<int64_t>(batch.epoch))
                                     .Id(batch.prev_batch)
                                     .Int(batch.changes.changes_size())
                                     .Int(static_cast<int64_t>(batch.envelope.size()))
                                     .Bytes(batch.envelope));
}

// What the batch leaves of each object: its last change.
std::map<ObjectKey, const v1::Change*> LastChanges(const Batch& batch) {
  std::map<ObjectKey, const v1::Change*> last;
  for (const v1::Change& change : batch.changes.changes()) last[KeyOf(change)] = &change;
  return last;
}

// Endpoints and what hangs on them: addresses and the identities' references.
class EndpointEffects {
 public:
  absl::Status Add(const std::string& uid, const v1::Change& change) {
    touched_.Add(uid);
    if (change.op() == v1::Change::DELETE) return absl::OkStatus();
    identities_.AddInt(change.object().endpoint().identity());
    for (const v1::EndpointAddress& address : change.object().endpoint().addresses()) {
      const absl::StatusOr<std::string> ip = InetText(address.ip());
      if (!ip.ok()) return Annotate(ip.status(), absl::StrCat("endpoint ", uid));
      owners_[{address.space(), *ip}] = uid;
    }
    return absl::OkStatus();
  }
  // Before the endpoints' rows change, after the identities' have.
  void MoveRefs(const ClusterRef& cluster, Pipeline* pipeline) const {
    if (touched_.size() == 0) return;
    pipeline->Add(sql::kMoveIdentityRefs, ClusterParams(cluster).Array(touched_).Array(identities_));
  }
  void MoveAddresses(const ClusterRef& cluster, uint64_t revision, Pipeline* pipeline) const {
    if (touched_.size() == 0) return;
    if (!owners_.empty()) {
      ArrayText spaces;
      ArrayText ips;
      ArrayText uids;
      for (const auto& [address, uid] : owners_) {
        spaces.AddInt(address.first);
        ips.Add(address.second);
        uids.Add(uid);
      }
      pipeline->Add(
          sql::kClaimAddresses,
          ClusterParams(cluster).Int(static_cast<int64_t>(revision)).Array(spaces).Array(ips).Array(uids));
    }
    pipeline->Add(sql::kReleaseAddresses,
                  ClusterParams(cluster).Array(touched_).Int(static_cast<int64_t>(revision)));
  }

 private:
  ArrayText touched_;
  ArrayText identities_;  // of those that stay
  std::map<std::pair<uint32_t, std::string>, std::string> owners_;
};

void AddDeletes(const ClusterRef& cluster, v1::Kind kind, const ObjectRows& rows, Pipeline* pipeline) {
  if (!rows.has_deletes()) return;
  Params params = ClusterParams(cluster);
  rows.AppendDeletes(&params);
  pipeline->Add(*FindObjectTable(kind)->erase, std::move(params));
}

void AddUpserts(const CommitRequest& request, v1::Kind kind, const ObjectRows& rows, Pipeline* pipeline) {
  if (!rows.has_upserts()) return;
  Params params = ClusterParams(request.cluster).Int(static_cast<int64_t>(request.batch.revision));
  rows.AppendUpserts(&params);
  pipeline->Add(*FindObjectTable(kind)->upsert, std::move(params));
}

absl::Status AddObjects(const CommitRequest& request, Pipeline* pipeline) {
  absl::flat_hash_map<ObjectKey, const std::string*> manifests;
  for (const auto& [key, manifest] : request.manifests) manifests[key] = &manifest;
  const std::string none;
  std::map<v1::Kind, ObjectRows> rows;
  ArrayText deleted_nodes;
  ArrayText retired;
  ArrayText revived;
  const std::map<ObjectKey, const v1::Change*> last = LastChanges(request.batch);
  for (const auto& [key, change] : last) {
    if (FindObjectTable(key.kind) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("a change of an unknown kind, ", static_cast<int>(key.kind)));
    }
    if (change->op() == v1::Change::DELETE) {
      TRIVIUM_RETURN_IF_ERROR(rows[key.kind].AddDelete(key));
      if (key.kind == v1::KIND_NODE) deleted_nodes.Add(key.key);
      if (key.kind == v1::KIND_IDENTITY) retired.Add(key.key);
    } else {
      const auto manifest = manifests.find(key);
      TRIVIUM_RETURN_IF_ERROR(rows[key.kind].AddUpsert(
          key, change->object(), manifest != manifests.end() ? *manifest->second : none));
      if (key.kind == v1::KIND_IDENTITY) revived.Add(key.key);
    }
  }
  // In the batch's order, not the keys': of two endpoints that claim one address, the later one gets it.
  EndpointEffects effects;
  for (const v1::Change& change : request.batch.changes.changes()) {
    const ObjectKey key = KeyOf(change);
    if (key.kind != v1::KIND_ENDPOINT || last.at(key) != &change) continue;
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> columns, KeyColumns(key));
    TRIVIUM_RETURN_IF_ERROR(effects.Add(columns[0], change));
  }

  const ClusterRef& cluster = request.cluster;
  if (retired.size() > 0) {
    pipeline->Add(sql::kRetireIdentities, ClusterParams(cluster)
                                              .Array(retired)
                                              .Int(static_cast<int64_t>(request.batch.epoch))
                                              .Int(static_cast<int64_t>(request.batch.revision)));
  }
  if (revived.size() > 0) pipeline->Add(sql::kReviveIdentities, ClusterParams(cluster).Array(revived));
  if (const auto identities = rows.find(v1::KIND_IDENTITY); identities != rows.end()) {
    AddDeletes(cluster, v1::KIND_IDENTITY, identities->second, pipeline);
    AddUpserts(request, v1::KIND_IDENTITY, identities->second, pipeline);
    rows.erase(identities);
  }
  effects.MoveRefs(cluster, pipeline);
  for (const auto& [kind, of_kind] : rows) AddDeletes(cluster, kind, of_kind, pipeline);
  if (deleted_nodes.size() > 0) {
    pipeline->Add(sql::kDeleteAgents, ClusterParams(cluster).Array(deleted_nodes));
    pipeline->Add(sql::kDeleteAgentPositions, ClusterParams(cluster).Array(deleted_nodes));
  }
  for (const auto& [kind, of_kind] : rows) AddUpserts(request, kind, of_kind, pipeline);
  effects.MoveAddresses(cluster, request.batch.revision, pipeline);
  return absl::OkStatus();
}

void AddRequests(const CommitRequest& request, Pipeline* pipeline) {
  if (request.requests.empty()) return;
  ArrayText ids;
  ArrayText actors;
  ArrayText results;
  for (const RequestRow& row : request.requests) {
    ids.AddId(row.request_id);
    actors.Add(row.actor);
    results.AddBytes(row.result);
  }
  pipeline->Add(sql::kInsertRequests, ClusterParams(request.cluster)
                                          .Int(static_cast<int64_t>(request.batch.revision))
                                          .Array(ids)
                                          .Array(actors)
                                          .Array(results));
}

void AddAudit(const CommitRequest& request, Pipeline* pipeline) {
  if (request.audit.empty()) return;
  ArrayText items, actors, sources, ids, verbs, kinds, keys, manifests, times;
  int item = 0;
  for (const AuditRow& row : request.audit) {
    items.AddInt(item++);
    actors.Add(row.actor);
    sources.Add(row.source);
    ids.AddId(row.request_id);
    verbs.Add(row.verb);
    kinds.Add(KindName(row.kind));
    keys.Add(row.key);
    manifests.Add(row.manifest);
    times.Add(absl::FormatTime(absl::RFC3339_full, absl::FromUnixMicros(row.time_us), absl::UTCTimeZone()));
  }
  pipeline->Add(sql::kInsertAudit, ClusterParams(request.cluster)
                                       .Int(static_cast<int64_t>(request.batch.revision))
                                       .Array(items)
                                       .Array(actors)
                                       .Array(sources)
                                       .Array(ids)
                                       .Array(verbs)
                                       .Array(kinds)
                                       .Array(keys)
                                       .Array(manifests)
                                       .Array(times));
}

}  // namespace

absl::StatusOr<Pipeline> PlanCommit(const CommitRequest& request) {
  TRIVIUM_RETURN_IF_ERROR(CheckFollows(request));
  Pipeline pipeline;
  pipeline.Begin();
  AddHeadAndLog(request, &pipeline);
  TRIVIUM_RETURN_IF_ERROR(AddObjects(request, &pipeline));
  AddRequests(request, &pipeline);
  AddAudit(request, &pipeline);
  pipeline.Commit();
  return pipeline;
}

}  // namespace trivium
