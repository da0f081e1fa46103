#include "controlplane/start_steps.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "schema/codec.h"

namespace trivium {
namespace {

constexpr uint64_t kTailRevisions = 2000;
constexpr size_t kTailBytes = 8 * 1024 * 1024;
constexpr size_t kTailRows = 500;

bool MayMend(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

}  // namespace

struct StartSteps::Tail {
  ClusterMirror* mirror;
  Writer* writer;
  uint64_t after;
  std::vector<Batch> read;
  Step next;
};

StartSteps::StartSteps(const Drivers& drivers)
    : drivers_(drivers), backoff_(absl::Milliseconds(100), absl::Seconds(2), drivers.random) {}

void StartSteps::End(const absl::Status& status) {
  if (done_) std::exchange(done_, nullptr)(status);
}

void StartSteps::Proceed(const absl::Status& status, absl::string_view what, Step again, Step next) {
  if (status.ok()) {
    backoff_.Reset();
    return next();
  }
  if (!MayMend(status)) return End(Annotate(status, what));
  spdlog::warn("start-up waits step=\"{}\" error=\"{}\"", std::string(what), std::string(status.message()));
  drivers_.executor->PostAfter(backoff_.Next(), [alive = alive_.Watch(), again = std::move(again)] {
    if (!alive.expired()) again();
  });
}

void StartSteps::ReadTail(ClusterMirror* mirror, Writer* writer, Step next) {
  const uint64_t head = mirror->position().revision;
  const uint64_t after = head > kTailRevisions ? head - kTailRevisions : 0;
  ReadMore(std::make_shared<Tail>(Tail{mirror, writer, after, {}, std::move(next)}));
}

void StartSteps::ReadMore(std::shared_ptr<Tail> tail) {
  const uint64_t start = tail->read.empty() ? tail->after : tail->read.back().revision;
  drivers_.store->ReadLog(
      tail->mirror->ref(), start, kTailRows, kTailBytes, drivers_.executor,
      [this, alive = alive_.Watch(), tail](const absl::StatusOr<std::vector<LogRow>>& rows) {
        if (alive.expired()) return;
        if (rows.ok() && !rows->empty()) {
          for (const LogRow& row : *rows) {
            absl::StatusOr<Batch> batch = DecodeBatch(row.envelope);
            if (!batch.ok()) return End(batch.status());
            tail->read.push_back(*std::move(batch));
          }
          if (tail->read.back().revision < tail->mirror->position().revision) return ReadMore(tail);
        }
        tail->mirror->PrependTail(tail->read);
        RequestMemory* memory = tail->writer->memory();
        const absl::Duration now = drivers_.clock->Monotonic();
        for (const Batch& batch : tail->read) memory->Learn(batch, now);
        if (rows.ok() && tail->after == 0) {
          memory->SetCompleteSince(-absl::InfiniteDuration());  // the whole history was read
        } else if (rows.ok() && !tail->read.empty() && tail->read.front().changes.changes_size() > 0) {
          const absl::Time oldest = absl::FromUnixMicros(tail->read.front().changes.changes(0).time_us());
          memory->SetCompleteSince(now - std::max(absl::ZeroDuration(), drivers_.clock->Now() - oldest));
        }
        tail->next();
      });
}

}  // namespace trivium
