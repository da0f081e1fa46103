#include "controlplane/store/epoch_reply.h"

#include <utility>

namespace trivium {

AuditRow EpochAudit(const std::string& cluster, std::string actor, std::string source, std::string why,
                    int64_t time_us) {
  AuditRow row;
  row.actor = std::move(actor);
  row.source = std::move(source);
  row.verb = "bump-epoch";
  row.kind = v1::KIND_CLUSTER;
  row.key = cluster;
  row.manifest = std::move(why);
  row.time_us = time_us;
  return row;
}

v1::Head ToHead(const std::string& cluster, const StoredHead& stored) {
  v1::Head head;
  head.set_cluster(cluster);
  head.set_epoch(stored.epoch);
  head.set_revision(stored.revision);
  head.set_batch(stored.last_batch.ToBytes());
  head.set_digest(stored.digest.ToBytes());
  head.set_log_floor(stored.log_floor);
  return head;
}

v1::Reply EpochReply(const std::string& cluster, const NewEpoch& epoch) {
  v1::Reply reply;
  reply.set_epoch(epoch.after.epoch);
  *reply.mutable_bump_epoch()->mutable_before() = ToHead(cluster, epoch.before);
  *reply.mutable_bump_epoch()->mutable_after() = ToHead(cluster, epoch.after);
  return reply;
}

}  // namespace trivium
