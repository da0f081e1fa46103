#include "nodeagent/inbox/snapshot_fetch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "schema/codec.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr absl::Duration kChunkTimeout = absl::Seconds(2);
constexpr uint32_t kMaxChunks = 100000;

}  // namespace

SnapshotFetch::SnapshotFetch(v1::SnapshotOpen open, const std::string& principal, SnapshotLoad load, Bus* bus,
                             Executor* executor, Done done)
    : open_(std::move(open)),
      subject_(IsSubjectToken(open_.builder()) ? subjects::Chunk(open_.builder(), principal) : ""),
      bus_(bus),
      executor_(executor),
      done_(std::move(done)),
      result_{std::move(load), {}} {}

void SnapshotFetch::Start() {
  if (open_.chunks() == 0 || open_.chunks() > kMaxChunks) {
    return Finish(absl::DataLossError(absl::StrCat("a snapshot of ", open_.chunks(), " chunks")));
  }
  if (subject_.empty()) return Finish(absl::DataLossError("a snapshot without a proper builder"));
  AskMore();
}

void SnapshotFetch::Finish(absl::StatusOr<Result> result) {
  if (done_ == nullptr) return;
  // The owner may destroy this in the callback.
  std::exchange(done_, nullptr)(std::move(result));
}

void SnapshotFetch::AskMore() {
  while (asked_ < open_.chunks() && asked_ < result_.chunks.size() + kAhead) Ask(asked_++, 1);
}

void SnapshotFetch::Ask(uint32_t index, int attempt) {
  v1::ChunkRequest request;
  request.set_snapshot_id(open_.snapshot_id());
  request.set_index(index);
  bus_->Request(subject_, request.SerializeAsString(), kChunkTimeout, executor_,
                [this, alive = alive_.Watch(), index, attempt](absl::StatusOr<std::string> bytes) {
                  if (!alive.expired() && done_ != nullptr) OnReply(index, attempt, std::move(bytes));
                });
}

void SnapshotFetch::OnReply(uint32_t index, int attempt, absl::StatusOr<std::string> bytes) {
  if (!bytes.ok()) {
    if (attempt < kAttempts) return Ask(index, attempt + 1);
    return Finish(bytes.status());
  }
  v1::ChunkReply reply;
  if (!reply.ParseFromString(*bytes)) return Finish(absl::DataLossError("the answer is no ChunkReply"));
  if (reply.code() != 0) {
    return Finish(absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message()));
  }
  if (reply.chunk().size() > kMaxChunkBytes) return Finish(absl::DataLossError("a chunk above the limit"));
  waiting_[index] = std::move(*reply.mutable_chunk());
  while (!waiting_.empty() && waiting_.begin()->first == result_.chunks.size()) {
    std::string chunk = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    if (const absl::Status status = result_.load.Add(chunk); !status.ok()) return Finish(status);
    result_.chunks.push_back(std::move(chunk));
  }
  if (result_.chunks.size() == open_.chunks()) return Finish(std::move(result_));
  AskMore();
}

}  // namespace trivium
