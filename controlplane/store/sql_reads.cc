#include "controlplane/store/sql_reads.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/db/statements.h"
#include "controlplane/store/epoch_reply.h"
#include "controlplane/store/object_rows.h"
#include "schema/digest.h"

namespace trivium {
namespace {

int64_t Signed(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
}

// One read per kind, in the order of ObjectTables().
void AddObjectReads(const ClusterRef& cluster, Pipeline* pipeline) {
  for (const ObjectTable& table : ObjectTables()) pipeline->Add(*table.read, ClusterParams(cluster));
}

// The results of AddObjectReads, from `first` on, as objects; the digest over them.
absl::StatusOr<Id128> CollectObjects(const ClusterRef& cluster, const std::vector<SqlResult>& results,
                                     size_t first, v1::Snapshot* snapshot) {
  Digest digest;
  for (size_t t = 0; t < ObjectTables().size(); ++t) {
    const v1::Kind kind = ObjectTables()[t].kind;
    const SqlResult& rows = results[first + t];
    for (int i = 0; i < rows.rows(); ++i) {
      v1::SnapshotObject* object = snapshot->add_objects();
      object->set_revision(static_cast<uint64_t>(rows.Int(i, 0)));
      if (!object->mutable_object()->ParseFromString(rows.Bytes(i, 1)) || KindOf(object->object()) != kind) {
        return absl::DataLossError(absl::StrCat("row ", i, " of the ", KindName(kind), " objects of ",
                                                cluster.name, " holds no ", KindName(kind)));
      }
      digest.Add(KeyHash(kind, KeyOf(object->object()).key), object->revision());
    }
  }
  return digest.value();
}

}  // namespace

Params ClusterParams(const ClusterRef& cluster) { return Params().Int(cluster.home).Int(cluster.cluster_id); }

absl::StatusOr<StoredHead> HeadOf(const ClusterRef& cluster, const SqlResult& result) {
  if (result.rows() == 0) {
    return absl::NotFoundError(absl::StrCat("cluster ", cluster.name, " (", cluster.cluster_id, " of home ",
                                            cluster.home, ") has no row: open it first"));
  }
  StoredHead head;
  head.epoch = static_cast<uint64_t>(result.Int(0, 0));
  head.revision = static_cast<uint64_t>(result.Int(0, 1));
  head.prev_batch = result.Id(0, 2);
  head.last_batch = result.Id(0, 3);
  head.digest = result.Id(0, 4);
  head.log_floor = static_cast<uint64_t>(result.Int(0, 5));
  return head;
}

absl::StatusOr<StoredHead> OpenClusterOnce(Connection& connection, const ClusterRef& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(
      const std::vector<SqlResult> results,
      connection.Run(Pipeline()
                         .Add(sql::kOpenCluster, ClusterParams(cluster).Text(cluster.name).Id(Id128{}))
                         .Add(sql::kReadHead, ClusterParams(cluster))));
  TRIVIUM_ASSIGN_OR_RETURN(const StoredHead head, HeadOf(cluster, results[1]));
  if (const std::string name = results[1].Bytes(0, 6); name != cluster.name) {
    return absl::FailedPreconditionError(absl::StrCat("cluster ", cluster.cluster_id, " of home ",
                                                      cluster.home, " is named ", name, ", not ",
                                                      cluster.name));
  }
  return head;
}

absl::StatusOr<StoredHead> ReadHeadOnce(Connection& connection, const ClusterRef& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                           connection.Run(Pipeline().Add(sql::kReadHead, ClusterParams(cluster))));
  return HeadOf(cluster, results[0]);
}

absl::StatusOr<std::vector<v1::Head>> ReadHeadsOnce(Connection& connection, uint32_t home,
                                                    absl::Duration limit) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                           connection.Run(Pipeline().Add(sql::kReadHeads, Params().Int(home)), limit));
  const SqlResult& rows = results[0];
  std::vector<v1::Head> heads;
  for (int i = 0; i < rows.rows(); ++i) {
    StoredHead stored;
    stored.epoch = static_cast<uint64_t>(rows.Int(i, 1));
    stored.revision = static_cast<uint64_t>(rows.Int(i, 2));
    stored.last_batch = rows.Id(i, 3);
    stored.digest = rows.Id(i, 4);
    stored.log_floor = static_cast<uint64_t>(rows.Int(i, 5));
    heads.push_back(ToHead(rows.Bytes(i, 0), stored));
  }
  return heads;
}

absl::StatusOr<std::vector<LogRow>> ReadLogOnce(Connection& connection, const ClusterRef& cluster,
                                                uint64_t after, size_t limit, size_t max_bytes) {
  TRIVIUM_ASSIGN_OR_RETURN(
      const std::vector<SqlResult> results,
      connection.Run(
          Pipeline()
              .BeginSnapshot()
              .Add(sql::kReadHead, ClusterParams(cluster))
              .Add(sql::kReadLog,
                   ClusterParams(cluster).Int(Signed(after)).Int(Signed(limit)).Int(Signed(max_bytes)))
              .Commit()));
  TRIVIUM_ASSIGN_OR_RETURN(const StoredHead head, HeadOf(cluster, results[1]));
  if (after < head.log_floor) {
    return absl::OutOfRangeError(absl::StrCat("the log of ", cluster.name, " starts after revision ",
                                              head.log_floor, "; asked for what follows ", after));
  }
  const SqlResult& rows = results[2];
  std::vector<LogRow> log;
  for (int i = 0; i < rows.rows(); ++i) {
    log.push_back({static_cast<uint64_t>(rows.Int(i, 0)), rows.Bytes(i, 1)});
    if (log.back().revision != after + log.size()) {
      return absl::DataLossError(absl::StrCat("the log of ", cluster.name, " lacks revision ",
                                              after + log.size(), " and goes on with ", log.back().revision));
    }
  }
  if (log.empty() && limit > 0 && after < head.revision) {
    return absl::DataLossError(absl::StrCat("the log of ", cluster.name, " ends at revision ", after,
                                            " and its head is at ", head.revision));
  }
  return log;
}

absl::StatusOr<v1::Snapshot> ReadSnapshotOnce(Connection& connection, const ClusterRef& cluster) {
  Pipeline pipeline;
  pipeline.BeginSnapshot().Add(sql::kReadHead, ClusterParams(cluster));
  AddObjectReads(cluster, &pipeline);
  pipeline.Commit();
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results, connection.Run(pipeline));
  TRIVIUM_ASSIGN_OR_RETURN(const StoredHead head, HeadOf(cluster, results[1]));
  v1::Snapshot snapshot;
  *snapshot.mutable_head() = ToHead(cluster.name, head);
  TRIVIUM_ASSIGN_OR_RETURN(const Id128 digest, CollectObjects(cluster, results, 2, &snapshot));
  if (digest != head.digest) {
    return absl::DataLossError(absl::StrCat("the objects of ", cluster.name, " at revision ", head.revision,
                                            " have the digest ", digest.ToHex(), ", their head has ",
                                            head.digest.ToHex()));
  }
  return snapshot;
}

absl::StatusOr<IdentityLife> ReadIdentityLifeOnce(Connection& connection, const ClusterRef& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                           connection.Run(Pipeline()
                                              .BeginSnapshot()
                                              .Add(sql::kReadRetiredIdentities, ClusterParams(cluster))
                                              .Add(sql::kReadConfirmed, Params().Text(cluster.name))
                                              .Commit()));
  IdentityLife life;
  const SqlResult& rows = results[1];
  for (int i = 0; i < rows.rows(); ++i) {
    RetiredIdentity& retired = life.retired.emplace_back();
    retired.epoch = static_cast<uint64_t>(rows.Int(i, 0));
    retired.revision = static_cast<uint64_t>(rows.Int(i, 1));
    v1::Object object;
    if (!object.ParseFromString(rows.Bytes(i, 2)) || !object.has_identity()) {
      return absl::DataLossError(
          absl::StrCat("row ", i, " of the retired identities of ", cluster.name, " holds no identity"));
    }
    retired.identity = std::move(*object.mutable_identity());
  }
  if (results[2].rows() > 0) {
    life.epoch = static_cast<uint64_t>(results[2].Int(0, 0));
    life.revision = static_cast<uint64_t>(results[2].Int(0, 1));
    life.node = absl::StrCat(results[2].Bytes(0, 2), "/", results[2].Bytes(0, 3));
  }
  return life;
}

absl::StatusOr<NewEpoch> BumpEpochOnce(Connection& connection, const ClusterRef& cluster,
                                       uint64_t unix_seconds, const AuditRow& why) {
  Pipeline raise;
  raise.Begin()
      .Add(sql::kReadHead, ClusterParams(cluster))
      .Add(sql::kRaiseEpoch, ClusterParams(cluster).Int(Signed(unix_seconds)));
  AddObjectReads(cluster, &raise);
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results, connection.Run(raise));
  v1::Snapshot objects;
  const absl::StatusOr<StoredHead> before = HeadOf(cluster, results[1]);
  const absl::StatusOr<StoredHead> after = HeadOf(cluster, results[2]);
  const absl::StatusOr<Id128> digest = CollectObjects(cluster, results, 3, &objects);
  for (const absl::Status& status : {before.status(), after.status(), digest.status()}) {
    if (status.ok()) continue;
    TRIVIUM_RETURN_IF_ERROR(connection.Run(Pipeline().AddText("ROLLBACK")).status());
    return status;
  }
  NewEpoch epoch{*before, *after};
  if (epoch.after.digest != *digest) {
    spdlog::warn("store: digest computed anew cluster={} revision={} was={} is={}", cluster.name,
                 epoch.after.revision, epoch.after.digest.ToHex(), digest->ToHex());
    epoch.after.digest = *digest;
  }
  const int64_t revision = Signed(epoch.after.revision);
  Pipeline note;
  note.Add(sql::kSetDigest, ClusterParams(cluster).Id(*digest))
      .Add(sql::kAuditEpoch, ClusterParams(cluster)
                                 .Int(revision)
                                 .Text(why.actor)
                                 .Text(why.source)
                                 .Id(why.request_id)
                                 .Text(why.verb)
                                 .Text(std::string(KindName(why.kind)))
                                 .Text(why.key)
                                 .Text(why.manifest)
                                 .Text(absl::FormatTime(absl::RFC3339_full, absl::FromUnixMicros(why.time_us),
                                                        absl::UTCTimeZone())));
  if (!why.request_id.IsZero()) {
    note.Add(sql::kInsertRequests,
             ClusterParams(cluster)
                 .Int(revision)
                 .Array(ArrayText().AddId(why.request_id))
                 .Array(ArrayText().Add(why.actor))
                 .Array(ArrayText().AddBytes(EpochReply(cluster.name, epoch).SerializeAsString())));
  }
  TRIVIUM_RETURN_IF_ERROR(connection.Run(note.Commit()).status());
  return epoch;
}

}  // namespace trivium
