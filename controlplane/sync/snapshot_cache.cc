#include "controlplane/sync/snapshot_cache.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {

SnapshotCache::SnapshotCache(std::string instance, Executor* executor, Clock* clock, Random* random,
                             Options options)
    : instance_(std::move(instance)),
      executor_(executor),
      clock_(clock),
      random_(random),
      options_(options) {}

void SnapshotCache::Open(const Replica& replica, Opened opened) {
  Expire();
  const std::string& cluster = replica.cluster();
  const absl::Duration now = clock_->Monotonic();
  if (const auto latest = latest_.find(cluster); latest != latest_.end()) {
    const auto it = snapshots_.find(latest->second);
    if (it != snapshots_.end() && now - it->second.made < options_.share_for &&
        it->second.open.head().epoch() == replica.position().epoch) {
      it->second.used = now;
      return opened(it->second.open);
    }
  }
  std::unique_ptr<Work>& work = at_work_[cluster];
  if (work != nullptr && work->head.epoch() == replica.position().epoch) {
    work->waiting.push_back(std::move(opened));
    return;
  }
  // Whoever waited for one of another epoch gets this one.
  std::vector<Opened> waiting = work == nullptr ? std::vector<Opened>() : std::move(work->waiting);
  waiting.push_back(std::move(opened));
  const bool running = work != nullptr;
  work = std::make_unique<Work>(replica.head());
  work->made = now;
  work->waiting = std::move(waiting);
  work->objects.reserve(replica.mirror().size());
  for (int kind = v1::Kind_MIN; kind <= v1::Kind_MAX; ++kind) {
    for (const auto& [key, stored] : replica.mirror().All(static_cast<v1::Kind>(kind))) {
      work->objects.push_back(stored);
    }
  }
  if (!running) Continue(cluster);
}

void SnapshotCache::Continue(const std::string& cluster) {
  const auto at = at_work_.find(cluster);
  Work* work = at->second.get();
  const size_t end = std::min(work->objects.size(), work->next + options_.objects_per_turn);
  absl::Status status;
  for (; work->next < end && status.ok(); ++work->next) {
    Mirror::Stored& stored = work->objects[work->next];
    status = work->writer.Add(*stored.object, stored.revision);
    stored.object = nullptr;
  }
  if (status.ok() && work->next < work->objects.size()) {
    executor_->Post([this, alive = alive_.Watch(), cluster] {
      if (!alive.expired()) Continue(cluster);
    });
    return;
  }
  const std::unique_ptr<Work> finished = std::move(at->second);
  at_work_.erase(at);
  const absl::StatusOr<v1::SnapshotOpen> open = status.ok() ? Finish(finished.get()) : status;
  for (Opened& opened : finished->waiting) opened(open);
}

absl::StatusOr<v1::SnapshotOpen> SnapshotCache::Finish(Work* work) {
  TRIVIUM_ASSIGN_OR_RETURN(std::vector<std::string> chunks, work->writer.Finish());
  Cut cut;
  uint64_t bytes = 0;
  for (std::string& chunk : chunks) {
    bytes += chunk.size();
    v1::ChunkReply reply;
    reply.set_chunk(std::move(chunk));
    cut.replies.push_back(std::make_shared<const std::string>(reply.SerializeAsString()));
  }
  const Id128 id = random_->NewId();
  cut.open.set_snapshot_id(id.ToBytes());
  cut.open.set_builder(instance_);
  *cut.open.mutable_head() = work->head;
  cut.open.set_chunks(static_cast<uint32_t>(cut.replies.size()));
  cut.open.set_bytes(bytes);
  cut.open.set_compression(v1::Envelope::ZSTD);
  cut.made = work->made;
  cut.used = clock_->Monotonic();
  v1::SnapshotOpen open = cut.open;
  latest_[work->head.cluster()] = id;
  snapshots_.emplace(id, std::move(cut));
  bytes_ += bytes;
  ++cuts_;
  Expire();
  return open;
}

absl::StatusOr<std::shared_ptr<const std::string>> SnapshotCache::Chunk(const Id128& id, uint32_t index) {
  Expire();
  const auto it = snapshots_.find(id);
  if (it == snapshots_.end()) {
    return absl::NotFoundError(absl::StrCat("snapshot ", id.ToHex(), " has expired: open another"));
  }
  if (index >= it->second.replies.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", index, " of a snapshot of ", it->second.replies.size()));
  }
  it->second.used = clock_->Monotonic();
  return it->second.replies[index];
}

void SnapshotCache::Erase(std::map<Id128, Cut>::iterator at) {
  bytes_ -= at->second.open.bytes();
  const auto latest = latest_.find(at->second.open.head().cluster());
  if (latest != latest_.end() && latest->second == at->first) latest_.erase(latest);
  snapshots_.erase(at);
}

void SnapshotCache::Expire() {
  const absl::Duration now = clock_->Monotonic();
  if (now < next_expiry_ && bytes_ <= options_.max_bytes) return;
  next_expiry_ = now + std::min(options_.keep_for, absl::Seconds(1));
  for (auto it = snapshots_.begin(); it != snapshots_.end();) {
    const auto next = std::next(it);
    if (now - it->second.used >= options_.keep_for) Erase(it);
    it = next;
  }
  while (bytes_ > options_.max_bytes && snapshots_.size() > 1) {
    auto oldest = snapshots_.begin();
    for (auto it = snapshots_.begin(); it != snapshots_.end(); ++it) {
      if (it->second.used < oldest->second.used) oldest = it;
    }
    Erase(oldest);
  }
}

}  // namespace trivium
