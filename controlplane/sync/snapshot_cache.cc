#include "controlplane/sync/snapshot_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/codec.h"

namespace trivium {

SnapshotCache::SnapshotCache(std::string instance, Clock* clock, Random* random, Options options)
    : instance_(std::move(instance)), clock_(clock), random_(random), options_(options) {}

absl::StatusOr<v1::SnapshotOpen> SnapshotCache::Open(const Replica& replica) {
  Expire();
  const absl::Duration now = clock_->Monotonic();
  if (const auto latest = latest_.find(replica.cluster()); latest != latest_.end()) {
    const auto it = snapshots_.find(latest->second);
    if (it != snapshots_.end() && now - it->second.made < options_.share_for &&
        it->second.open.head().epoch() == replica.position().epoch) {
      it->second.used = now;
      return it->second.open;
    }
  }
  Cut cut;
  TRIVIUM_ASSIGN_OR_RETURN(cut.chunks, EncodeSnapshot(replica.ToSnapshot()));
  const Id128 id = random_->NewId();
  cut.open.set_snapshot_id(id.ToBytes());
  cut.open.set_builder(instance_);
  *cut.open.mutable_head() = replica.head();
  cut.open.set_chunks(static_cast<uint32_t>(cut.chunks.size()));
  uint64_t bytes = 0;
  for (const std::string& chunk : cut.chunks) bytes += chunk.size();
  cut.open.set_bytes(bytes);
  cut.open.set_compression(v1::Envelope::ZSTD);
  cut.made = cut.used = now;
  v1::SnapshotOpen open = cut.open;
  snapshots_.emplace(id, std::move(cut));
  latest_[replica.cluster()] = id;
  Expire();
  return open;
}

absl::StatusOr<std::string> SnapshotCache::Chunk(const Id128& id, uint32_t index) {
  Expire();
  const auto it = snapshots_.find(id);
  if (it == snapshots_.end()) {
    return absl::NotFoundError(absl::StrCat("snapshot ", id.ToHex(), " has expired: open another"));
  }
  if (index >= it->second.chunks.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", index, " of a snapshot of ", it->second.chunks.size()));
  }
  it->second.used = clock_->Monotonic();
  return it->second.chunks[index];
}

void SnapshotCache::Expire() {
  const absl::Duration now = clock_->Monotonic();
  size_t bytes = 0;
  for (auto it = snapshots_.begin(); it != snapshots_.end();) {
    if (now - it->second.used >= options_.keep_for) {
      it = snapshots_.erase(it);
    } else {
      bytes += it->second.open.bytes();
      ++it;
    }
  }
  while (bytes > options_.max_bytes && snapshots_.size() > 1) {
    auto oldest = snapshots_.begin();
    for (auto it = snapshots_.begin(); it != snapshots_.end(); ++it) {
      if (it->second.used < oldest->second.used) oldest = it;
    }
    bytes -= oldest->second.open.bytes();
    snapshots_.erase(oldest);
  }
}

}  // namespace trivium
