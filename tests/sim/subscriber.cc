#include "tests/sim/subscriber.h"

#include <utility>

#include "absl/strings/strip.h"
#include "schema/subjects.h"

namespace trivium::sim {

Subscriber::Subscriber(std::string principal, const std::vector<std::string>& clusters, Bus* bus,
                       Executor* executor, Random* random)
    : principal_(std::move(principal)),
      bus_(bus),
      executor_(executor),
      backoff_(absl::Milliseconds(100), absl::Seconds(2), random) {
  for (const std::string& cluster : clusters) replicas_.emplace(cluster, Replica(cluster));
}

absl::Status Subscriber::Start() {
  const absl::Status status = bus_->Subscribe(subjects::kFeedAndHeads, "", executor_,
                                              [this, alive = alive_.Watch()](const Message& message) {
                                                if (!alive.expired()) OnMessage(message);
                                              });
  for (const auto& [cluster, replica] : replicas_) Ask(cluster);
  return status;
}

void Subscriber::OnMessage(const Message& message) {
  if (message.subject == subjects::kHeads) {
    v1::Heads heads;
    if (!heads.ParseFromString(message.payload)) return;
    for (const v1::Head& head : heads.heads()) {
      const auto it = replicas_.find(head.cluster());
      if (it != replicas_.end()) Judged(it->first, it->second.JudgeHead(head));
    }
    return;
  }
  const absl::StatusOr<Batch> batch = DecodeBatch(message.payload);
  if (!batch.ok()) return;
  const auto it = replicas_.find(batch->cluster);
  if (it != replicas_.end()) Judged(it->first, it->second.Apply(*batch));
}

void Subscriber::Judged(const std::string& cluster, Replica::Outcome outcome) {
  switch (outcome) {
    case Replica::Outcome::kApplied:
    case Replica::Outcome::kIgnored:
      return;
    case Replica::Outcome::kGap:
      return Ask(cluster);
    case Replica::Outcome::kFork:
    case Replica::Outcome::kNewerEpoch:
    case Replica::Outcome::kCorrupt:
      fetches_[cluster].snapshot = true;
      return Ask(cluster);
  }
}

void Subscriber::Ask(const std::string& cluster) {
  Fetch& fetch = fetches_[cluster];
  if (std::exchange(fetch.running, true)) return;
  v1::SyncRequest request;
  request.set_reader_version(kWireVersion);
  request.mutable_have()->set_cluster(cluster);
  if (!fetch.snapshot) *request.mutable_have() = replicas_.at(cluster).head();
  bus_->Request(subjects::Sync(cluster, principal_), request.SerializeAsString(), absl::Milliseconds(500),
                executor_, [this, alive = alive_.Watch(), cluster](const absl::StatusOr<std::string>& bytes) {
                  if (!alive.expired()) OnSync(cluster, bytes);
                });
}

void Subscriber::Later(const std::string& cluster) {
  executor_->PostAfter(backoff_.Next(), [this, alive = alive_.Watch(), cluster] {
    if (alive.expired()) return;
    fetches_[cluster].running = false;
    Ask(cluster);
  });
}

void Subscriber::OnSync(const std::string& cluster, const absl::StatusOr<std::string>& bytes) {
  Fetch& fetch = fetches_[cluster];
  v1::SyncReply reply;
  if (!bytes.ok() || !reply.ParseFromString(*bytes) || reply.code() != 0) return Later(cluster);
  if (reply.has_snapshot()) {
    fetch.open = reply.snapshot();
    fetch.parts.clear();
    return AskChunk(cluster);
  }
  Replica& replica = replicas_.at(cluster);
  for (const std::string& envelope : reply.envelopes()) {
    const absl::StatusOr<Batch> batch = DecodeBatch(envelope);
    if (!batch.ok()) return Later(cluster);
    const Replica::Outcome outcome = replica.Apply(*batch);
    if (outcome == Replica::Outcome::kApplied || outcome == Replica::Outcome::kIgnored) continue;
    fetch.snapshot |= outcome != Replica::Outcome::kGap;
    return Later(cluster);
  }
  const Replica::Outcome outcome = replica.JudgeHead(reply.head());
  if (outcome != Replica::Outcome::kApplied) {
    fetch.snapshot |= outcome != Replica::Outcome::kGap && outcome != Replica::Outcome::kIgnored;
    return Later(cluster);
  }
  fetch = Fetch();
  backoff_.Reset();
}

void Subscriber::AskChunk(const std::string& cluster) {
  Fetch& fetch = fetches_[cluster];
  v1::ChunkRequest request;
  request.set_snapshot_id(fetch.open.snapshot_id());
  request.set_index(static_cast<uint32_t>(fetch.parts.size()));
  bus_->Request(subjects::Chunk(fetch.open.builder(), principal_), request.SerializeAsString(),
                absl::Seconds(1), executor_,
                [this, alive = alive_.Watch(), cluster](const absl::StatusOr<std::string>& bytes) {
                  if (!alive.expired()) OnChunk(cluster, bytes);
                });
}

void Subscriber::OnChunk(const std::string& cluster, const absl::StatusOr<std::string>& bytes) {
  Fetch& fetch = fetches_[cluster];
  v1::ChunkReply reply;
  if (!bytes.ok() || !reply.ParseFromString(*bytes) || reply.code() != 0) return Later(cluster);
  absl::StatusOr<v1::Snapshot> part = DecodeSnapshotChunk(reply.chunk());
  if (!part.ok()) return Later(cluster);
  fetch.parts.push_back(*std::move(part));
  if (fetch.parts.size() < fetch.open.chunks()) return AskChunk(cluster);
  // One that is older than what is held proves nothing against it.
  const absl::Status loaded = replicas_.at(cluster).LoadSnapshot(fetch.parts);
  fetch.parts.clear();
  fetch.snapshot = !loaded.ok() && !absl::IsFailedPrecondition(loaded);
  Later(cluster);
}

}  // namespace trivium::sim
