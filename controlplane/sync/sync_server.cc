#include "controlplane/sync/sync_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/codec.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr uint64_t kShortDelta = 500;  // revisions

void SetError(const absl::Status& status, v1::SyncReply* reply) {
  reply->set_code(static_cast<uint32_t>(status.code()));
  reply->set_message(std::string(status.message()));
}

}  // namespace

SyncServer::SyncServer(std::string instance, Mirrors* mirrors, Store* store, Bus* bus, Executor* executor,
                       const Clock* clock, SnapshotCache* snapshots, Options options)
    : instance_(std::move(instance)),
      mirrors_(mirrors),
      store_(store),
      bus_(bus),
      executor_(executor),
      clock_(clock),
      snapshots_(snapshots),
      options_(options) {}

absl::Status SyncServer::Start() {
  TRIVIUM_RETURN_IF_ERROR(bus_->Subscribe(subjects::EveryChunk(instance_), "", executor_,
                                          [this, alive = alive_.Watch()](const Message& message) {
                                            if (!alive.expired()) Enqueue(true, message);
                                          }));
  return bus_->Subscribe(subjects::kEverySync, kQueue, executor_,
                         [this, alive = alive_.Watch()](const Message& message) {
                           if (!alive.expired()) Enqueue(false, message);
                         });
}

void SyncServer::Enqueue(bool chunk, Message message) {
  queue_.push_back({chunk, std::move(message)});
  if (queue_.size() > options_.max_queued) {
    queue_.pop_front();
    ++counters_.dropped;
  }
  if (!std::exchange(serving_, true)) Serve();
}

void SyncServer::Serve() {
  const absl::Duration start = clock_->Monotonic();
  // A quarter of a second's worth may go at once after a pause: one asker alone is not held up.
  paid_until_ = std::max(paid_until_, start - absl::Milliseconds(250));
  absl::Duration now = start;
  while (!queue_.empty() && now - start < options_.turn && paid_until_ < now) {
    const Queued next = std::move(queue_.front());
    queue_.pop_front();
    next.chunk ? OnChunk(next.message) : OnSync(next.message);
    now = clock_->Monotonic();
  }
  serving_ = !queue_.empty();
  if (!serving_) return;
  auto again = [this, alive = alive_.Watch()] {
    if (!alive.expired()) Serve();
  };
  if (paid_until_ < now) return executor_->Post(std::move(again));
  executor_->PostAfter(paid_until_ - now, std::move(again));
}

void SyncServer::OnSync(const Message& message) {
  if (message.reply_to.empty()) return;
  const absl::StatusOr<RpcSubject> subject = ParseRpcSubject(message.subject);
  v1::SyncRequest request;
  v1::SyncReply reply;
  if (!subject.ok() || subject->service != "sync") {
    SetError(absl::InvalidArgumentError("not a sync subject"), &reply);
  } else if (!request.ParseFromString(message.payload)) {
    SetError(absl::InvalidArgumentError("the payload is not a SyncRequest"), &reply);
  } else {
    return Sync(subject->cluster, request, [this, to = message.reply_to](const v1::SyncReply& answer) {
      Respond(to, answer.SerializeAsString());
    });
  }
  Respond(message.reply_to, reply.SerializeAsString());
}

void SyncServer::OnChunk(const Message& message) {
  if (message.reply_to.empty()) return;
  v1::ChunkRequest request;
  if (request.ParseFromString(message.payload)) return Respond(message.reply_to, *Chunk(request));
  v1::ChunkReply reply;
  reply.set_code(static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  reply.set_message("the payload is not a ChunkRequest");
  Respond(message.reply_to, reply.SerializeAsString());
}

void SyncServer::Respond(const std::string& reply_to, const std::string& payload) {
  paid_until_ += absl::Seconds(1) *
                 (static_cast<double>(payload.size()) / static_cast<double>(options_.bytes_per_second));
  const absl::Status status = bus_->Publish(reply_to, payload);
  if (!status.ok()) {
    // The asker asks again when its time is over.
    spdlog::warn("cannot answer a sync error=\"{}\"", std::string(status.message()));
  }
}

std::shared_ptr<const std::string> SyncServer::Chunk(const v1::ChunkRequest& request) {
  absl::StatusOr<Id128> id = Id128::FromBytes(request.snapshot_id());
  absl::Status problem = id.status();
  if (id.ok()) {
    auto reply = snapshots_->Chunk(*id, request.index());
    if (reply.ok()) {
      ++counters_.chunks;
      return *std::move(reply);
    }
    problem = reply.status();
  }
  v1::ChunkReply reply;
  reply.set_code(static_cast<uint32_t>(problem.code()));
  reply.set_message(std::string(problem.message()));
  return std::make_shared<const std::string>(reply.SerializeAsString());
}

void SyncServer::Sync(const std::string& cluster, const v1::SyncRequest& request, Answer answer) {
  v1::SyncReply reply;
  Mirrors::Entry* entry = mirrors_->Find(cluster);
  if (entry == nullptr || !entry->mirror->loaded() || entry->mirror->replica().corrupt()) {
    SetError(entry == nullptr
                 ? absl::NotFoundError(absl::StrCat("the mesh has no cluster \"", cluster, "\""))
                 : absl::UnavailableError(absl::StrCat("cluster ", cluster, " is not loaded here yet")),
             &reply);
    return answer(reply);
  }
  const ClusterMirror& mirror = *entry->mirror;
  *reply.mutable_head() = mirror.replica().head();
  const v1::Head& have = request.have();
  const Position& held = mirror.position();
  if (have.epoch() > held.epoch || (have.epoch() == held.epoch && have.revision() > held.revision)) {
    // The asker is ahead of this mirror: catch up, and let it see how far this one is.
    entry->follower->OnHead(have);
    return answer(reply);
  }
  if (have.epoch() != held.epoch) return Snapshot(mirror, std::move(answer));
  if (have.revision() == held.revision) {
    if (have.batch() != held.batch.ToBytes()) return Snapshot(mirror, std::move(answer));
    return answer(reply);
  }
  // At least so many changes: the state itself is the shorter way.
  const uint64_t behind = held.revision - have.revision();
  if (behind > std::max<uint64_t>(kShortDelta, mirror.mirror().size())) {
    return Snapshot(mirror, std::move(answer));
  }
  if (FromTail(mirror, request, &reply)) {
    // Nothing to send: what the asker holds is not of this history.
    if (reply.envelopes().empty()) return Snapshot(mirror, std::move(answer));
    ++counters_.deltas;
    return answer(reply);
  }
  if (behind > options_.max_log_revisions) return Snapshot(mirror, std::move(answer));
  FromSql(&mirror, request, std::move(answer));
}

size_t SyncServer::Limit(const v1::SyncRequest& request) const {
  if (request.max_bytes() == 0) return options_.max_reply_bytes;
  return std::min<size_t>(request.max_bytes(), options_.max_reply_bytes);
}

bool SyncServer::FromTail(const ClusterMirror& mirror, const v1::SyncRequest& request, v1::SyncReply* reply) {
  const auto& tail = mirror.tail();
  const uint64_t next = request.have().revision() + 1;
  if (tail.empty() || tail.front().revision > next) return false;
  const size_t start = next - tail.front().revision;
  if (tail[start].prev_batch.ToBytes() != request.have().batch()) return true;
  size_t bytes = 0;
  for (size_t i = start; i < tail.size(); ++i) {
    bytes += tail[i].envelope.size();
    if (bytes > Limit(request) && i > start) break;
    reply->add_envelopes(tail[i].envelope);
  }
  return true;
}

void SyncServer::FromSql(const ClusterMirror* mirror, const v1::SyncRequest& request, Answer answer) {
  auto shared = std::make_shared<Answer>(std::move(answer));
  store_->ReadLog(mirror->ref(), request.have().revision(), 500, Limit(request), executor_,
                  [this, alive = alive_.Watch(), mirror, shared,
                   have = request.have()](const absl::StatusOr<std::vector<LogRow>>& rows) {
                    if (alive.expired()) return;
                    // Whatever is wrong with the log, the mirror's state is whole.
                    if (!rows.ok() || rows->empty()) return Snapshot(*mirror, std::move(*shared));
                    const absl::StatusOr<Batch> first = DecodeBatch(rows->front().envelope);
                    if (!first.ok() || first->epoch != have.epoch() ||
                        first->revision != have.revision() + 1 ||
                        first->prev_batch.ToBytes() != have.batch()) {
                      return Snapshot(*mirror, std::move(*shared));
                    }
                    ++counters_.deltas_from_sql;
                    v1::SyncReply reply;
                    *reply.mutable_head() = mirror->replica().head();
                    for (const LogRow& row : *rows) reply.add_envelopes(row.envelope);
                    (*shared)(reply);
                  });
}

void SyncServer::Snapshot(const ClusterMirror& mirror, Answer answer) {
  snapshots_->Open(mirror.replica(), [this, head = mirror.replica().head(), answer = std::move(answer)](
                                         absl::StatusOr<v1::SnapshotOpen> open) mutable {
    v1::SyncReply reply;
    *reply.mutable_head() = head;
    if (open.ok()) {
      ++counters_.snapshots;
      *reply.mutable_snapshot() = *std::move(open);
    } else {
      SetError(open.status(), &reply);
    }
    answer(reply);
  });
}

}  // namespace trivium
