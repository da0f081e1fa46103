#include "nodeagent/inbox/cluster_feed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "schema/codec.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr absl::Duration kNeighbourWait = absl::Milliseconds(50);
constexpr uint64_t kMaxJitterMs = 50;
constexpr absl::Duration kMinPatience = absl::Milliseconds(500);
constexpr absl::Duration kMaxPatience = absl::Seconds(8);  // where everybody asks at once
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr uint32_t kMaxSyncBytes = 512 * 1024;

}  // namespace

ClusterFeed::ClusterFeed(Options options, Deps deps, SyncGate* gate)
    : options_(std::move(options)),
      deps_(deps),
      gate_(gate),
      replica_(options_.cluster, options_.keep_whole, Mirror::Endpoints::kRecords),
      copy_(deps_.files, options_.folder, options_.cluster),
      backoff_(kMinBackoff, kMaxBackoff, deps_.random),
      patience_(kMinPatience) {}

ClusterFeed::~ClusterFeed() = default;

Executor::TimerId ClusterFeed::After(absl::Duration delay, std::function<void()> task) {
  return deps_.executor->PostAfter(delay, [alive = alive_.Watch(), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

void ClusterFeed::SetProblem(std::string problem) {
  if (problem == problem_) return;
  if (!problem.empty())
    spdlog::error("cannot follow a log cluster={} revision={} error=\"{}\"", options_.cluster,
                  replica_.position().revision, problem);
  problem_ = std::move(problem);
  deps_.listener->OnState(this);
}

void ClusterFeed::SetSynced() {
  if (synced_) return;
  synced_ = true;
  deps_.listener->OnState(this);
}

void ClusterFeed::Load() {
  const Mirror before = replica_.mirror().Empty();
  if (const absl::Status status = copy_.Load(&replica_); !status.ok()) {
    spdlog::error("a durable copy is of no use cluster={} error=\"{}\"", options_.cluster, status.ToString());
  }
  ReportAll(before, replica_.mirror(), replica_.position().revision);
}

void ClusterFeed::ReportAll(const Mirror& before, const Mirror& after, uint64_t revision) {
  FeedListener* const listener = deps_.listener;
  for (int k = v1::Kind_MIN; k <= v1::Kind_MAX; ++k) {
    const v1::Kind kind = static_cast<v1::Kind>(k);
    for (const auto& [key, stored] : before.All(kind)) {
      if (stored.object != nullptr && after.FindStored(kind, key) == nullptr) {
        listener->OnObject(this, {kind, key, stored.object, nullptr, revision});
      }
    }
    for (const auto& [key, stored] : after.All(kind)) {
      if (stored.object == nullptr) continue;
      const Mirror::Stored* old = before.FindStored(kind, key);
      listener->OnObject(this,
                         {kind, key, old == nullptr ? nullptr : old->object, stored.object, stored.revision});
    }
  }
  before.endpoint_records().ForEach([&](const EndpointRecord& record) {
    if (after.endpoint_records().RevisionOf(record.uid) == 0) listener->OnEndpoint(this, &record, nullptr);
  });
  after.endpoint_records().ForEach([&](const EndpointRecord& record) {
    const auto old = before.endpoint_records().Find(record.uid);
    if (old != record) listener->OnEndpoint(this, old.has_value() ? &*old : nullptr, &record);
  });
  listener->OnMoved(this);
}

void ClusterFeed::Report(const Replica::Before& before) {
  const Mirror::Held after = replica_.mirror().Hold(before.key);
  const auto record = [](const Mirror::Held& held) {
    return held.record.has_value() ? &*held.record : nullptr;
  };
  const auto object = [](const Mirror::Held& held) {
    return held.stored.has_value() ? held.stored->object : nullptr;
  };
  // What is not kept whole is of no use to the maps.
  if (record(before.held) != nullptr || record(after) != nullptr) {
    deps_.listener->OnEndpoint(this, record(before.held), record(after));
  } else if (object(before.held) != nullptr || object(after) != nullptr) {
    deps_.listener->OnObject(this, {before.key.kind, before.key.key, object(before.held), object(after),
                                    replica_.position().revision});
  }
}

Replica::Outcome ClusterFeed::Take(const Batch& batch) {
  const Replica::Outcome foreseen = replica_.Judge(batch);
  if (foreseen != Replica::Outcome::kApplied) {
    counters_.ignored += foreseen == Replica::Outcome::kIgnored;
    return foreseen;
  }
  if (const absl::Status status = copy_.Append(batch); !status.ok()) {
    SetProblem(absl::StrCat("cannot keep the durable copy: ", status.message()));
    return Replica::Outcome::kGap;
  }
  std::vector<Replica::Before> changes;
  const Replica::Outcome outcome = replica_.Apply(batch, &changes);
  if (outcome != Replica::Outcome::kApplied) return outcome;
  ++counters_.applied;
  if (batch.changes.changes_size() > 0) {
    counters_.newest_change_us = batch.changes.changes(batch.changes.changes_size() - 1).time_us();
  }
  spdlog::debug("applied cluster={} epoch={} revision={} changes={}", options_.cluster, batch.epoch,
                batch.revision, batch.changes.changes_size());
  SetProblem("");
  for (const Replica::Before& change : changes) Report(change);
  deps_.listener->OnMoved(this);
  if (copy_.WantsReplacing()) {
    if (const absl::Status status = copy_.Replace(replica_); !status.ok()) {
      spdlog::warn("cannot compact a durable copy cluster={} revision={} error=\"{}\"", options_.cluster,
                   replica_.position().revision, status.ToString());
    }
  }
  return outcome;
}

void ClusterFeed::OnEnvelope(absl::string_view payload) {
  if (stopped_) return;
  absl::StatusOr<Batch> batch = DecodeBatch(payload);
  if (absl::IsFailedPrecondition(batch.status())) {
    stopped_ = true;
    return SetProblem(std::string(batch.status().message()));
  }
  if (!batch.ok()) {
    ++counters_.refused;
    spdlog::warn("malformed batch cluster={} error=\"{}\"", options_.cluster, batch.status().ToString());
    return;
  }
  OnBatch(*std::move(batch));
}

void ClusterFeed::OnBatch(Batch batch) {
  switch (Take(batch)) {
    case Replica::Outcome::kApplied:
      return DrainBuffer();
    case Replica::Outcome::kIgnored:
      return;
    case Replica::Outcome::kGap:
      // The newest ones go when it is full: they will be fetched with the rest.
      if (buffer_.size() < kMaxBuffered || batch.revision < buffer_.rbegin()->first) {
        const uint64_t revision = batch.revision;
        buffer_.insert_or_assign(revision, std::move(batch));
        if (buffer_.size() > kMaxBuffered) buffer_.erase(std::prev(buffer_.end()));
      }
      return WaitForNeighbours();
    case Replica::Outcome::kFork:
    case Replica::Outcome::kNewerEpoch:
    case Replica::Outcome::kCorrupt:
      return StartSync(true);
  }
}

void ClusterFeed::DrainBuffer() {
  while (!buffer_.empty() && buffer_.begin()->first <= replica_.position().revision + 1) {
    const Batch batch = std::move(buffer_.begin()->second);
    buffer_.erase(buffer_.begin());
    const Replica::Outcome outcome = Take(batch);
    if (outcome == Replica::Outcome::kApplied || outcome == Replica::Outcome::kIgnored) continue;
    if (outcome != Replica::Outcome::kGap) StartSync(true);
    return;
  }
}

void ClusterFeed::OnHead(const v1::Head& head) {
  if (stopped_) return;
  if (std::pair(head.epoch(), head.revision()) > std::pair(counters_.head_epoch, counters_.head_revision)) {
    counters_.head_epoch = head.epoch();
    counters_.head_revision = head.revision();
  }
  switch (replica_.JudgeHead(head)) {
    case Replica::Outcome::kApplied:
      return SetSynced();
    case Replica::Outcome::kIgnored:
      return;
    case Replica::Outcome::kGap:
      return WaitForNeighbours();
    case Replica::Outcome::kFork:
    case Replica::Outcome::kNewerEpoch:
    case Replica::Outcome::kCorrupt:
      return StartSync(true);
  }
}

void ClusterFeed::WaitForNeighbours() {
  if (waiting_ || syncing_) return;
  waiting_ = true;
  const Position held = replica_.position();
  After(kNeighbourWait, [this, held] {
    waiting_ = false;
    // What filled the hole has come by itself, unless there is another one behind it.
    if (replica_.position() == held || !buffer_.empty()) {
      ++counters_.gaps;
      StartSync(false);
    }
  });
}

void ClusterFeed::Resync() {
  if (retry_ == Executor::kNoTimer) return StartSync(false);
  // What failed over the lost connection need not wait on the new one.
  deps_.executor->Cancel(std::exchange(retry_, Executor::kNoTimer));
  backoff_.Reset();
  patience_ = kMinPatience;
  EnterSyncSoon();
}

void ClusterFeed::StartSync(bool snapshot) {
  if (stopped_) return;
  want_snapshot_ |= snapshot;
  if (syncing_) {
    again_ = true;
    return;
  }
  syncing_ = true;
  EnterSyncSoon();
}

void ClusterFeed::EnterSyncSoon() {
  After(absl::Milliseconds(deps_.random->Below(kMaxJitterMs + 1)), [this] { EnterSync(); });
}

void ClusterFeed::EnterSync() {
  gate_->Enter([this, alive = alive_.Watch()](SyncGate::Place place) {
    if (alive.expired()) return;  // the place goes back by itself
    place_ = std::move(place);
    SendSync();
  });
}

void ClusterFeed::SendSync() {
  again_ = false;
  ++counters_.syncs;
  v1::SyncRequest request;
  request.set_reader_version(kWireVersion);
  request.set_max_bytes(kMaxSyncBytes);
  request.mutable_have()->set_cluster(options_.cluster);
  if (!want_snapshot_) *request.mutable_have() = replica_.head();
  deps_.bus->Request(subjects::Sync(options_.cluster, options_.principal), request.SerializeAsString(),
                     patience_, deps_.executor,
                     [this, alive = alive_.Watch()](absl::StatusOr<std::string> bytes) {
                       if (!alive.expired()) OnSyncReply(std::move(bytes));
                     });
}

void ClusterFeed::RetrySync(absl::string_view why) {
  const absl::Duration delay = backoff_.Next();
  spdlog::debug("catching up waits cluster={} revision={} again_in_ms={} error=\"{}\"", options_.cluster,
                replica_.position().revision, absl::ToInt64Milliseconds(delay), std::string(why));
  fetch_ = nullptr;
  place_.Release();
  retry_ = After(delay, [this] {
    retry_ = Executor::kNoTimer;
    EnterSync();
  });
}

void ClusterFeed::FinishSync() {
  syncing_ = false;
  want_snapshot_ = false;
  place_.Release();
  backoff_.Reset();
  SetSynced();
  DrainBuffer();
  if (again_ && !syncing_) StartSync(false);
}

void ClusterFeed::OnSyncReply(absl::StatusOr<std::string> bytes) {
  if (!bytes.ok()) {
    if (absl::IsDeadlineExceeded(bytes.status())) patience_ = std::min(2 * patience_, kMaxPatience);
    return RetrySync(bytes.status().message());
  }
  patience_ = kMinPatience;
  v1::SyncReply reply;
  if (!reply.ParseFromString(*bytes)) return RetrySync("the answer is no SyncReply");
  if (reply.code() != 0) return RetrySync(reply.message());
  if (reply.has_snapshot()) return Fetch(reply.snapshot());
  bool progress = false;
  for (const std::string& envelope : reply.envelopes()) {
    const absl::StatusOr<Batch> batch = DecodeBatch(envelope);
    if (absl::IsFailedPrecondition(batch.status())) {
      stopped_ = true;
      syncing_ = false;
      place_.Release();
      return SetProblem(std::string(batch.status().message()));
    }
    if (!batch.ok()) return RetrySync(batch.status().message());
    const Replica::Outcome outcome = Take(*batch);
    if (outcome == Replica::Outcome::kIgnored) continue;
    if (outcome == Replica::Outcome::kGap) return RetrySync("the answer leaves a hole, or cannot be kept");
    if (outcome != Replica::Outcome::kApplied) {
      want_snapshot_ = true;
      return RetrySync("the log does not continue what is held");
    }
    progress = true;
  }
  DrainBuffer();
  switch (replica_.JudgeHead(reply.head())) {
    case Replica::Outcome::kApplied:
      return FinishSync();
    case Replica::Outcome::kIgnored:
      // The answering control plane is behind what is held, or of an older epoch: no proof of being in step.
      return RetrySync("the answer's head is behind what is held");
    case Replica::Outcome::kGap:
      if (progress) return SendSync();
      return RetrySync("nothing new, though the head is ahead");
    default:
      want_snapshot_ = true;
      return RetrySync("the head does not continue what is held");
  }
}

void ClusterFeed::Fetch(const v1::SnapshotOpen& open) {
  fetch_ =
      std::make_unique<SnapshotFetch>(open, options_.principal, replica_.BeginLoad(), deps_.bus,
                                      deps_.executor, [this](absl::StatusOr<SnapshotFetch::Result> fetched) {
                                        const std::unique_ptr<SnapshotFetch> finished = std::move(fetch_);
                                        if (!fetched.ok()) return RetrySync(fetched.status().message());
                                        LoadSnapshot(*std::move(fetched));
                                      });
  fetch_->Start();
}

void ClusterFeed::LoadSnapshot(SnapshotFetch::Result fetched) {
  absl::Status status = replica_.CheckLoad(fetched.load);
  if (!status.ok()) {
    // A snapshot that is older than what is held proves nothing against it.
    if (absl::IsFailedPrecondition(status)) want_snapshot_ = false;
    return RetrySync(status.message());
  }
  // The new state must be durable before anybody sees it: until then the old replica stays.
  if (status = copy_.Replace(fetched.chunks); !status.ok()) {
    SetProblem(absl::StrCat("cannot keep the durable copy: ", status.message()));
    return RetrySync(status.message());
  }
  fetched.chunks.clear();
  Mirror before = replica_.mirror().Empty();
  if (status = replica_.Load(std::move(fetched.load), &before); !status.ok()) {
    return RetrySync(status.message());
  }
  ++counters_.snapshots;
  spdlog::info("took a snapshot cluster={} epoch={} revision={} objects={}", options_.cluster,
               replica_.position().epoch, replica_.position().revision, replica_.mirror().size());
  want_snapshot_ = false;
  SetProblem("");
  ReportAll(before, replica_.mirror(), replica_.position().revision);
  // It may be a few seconds old: the log after it, and the proof of being in step.
  SendSync();
}

bool ClusterFeed::SyncCopy() {
  if (copy_syncs_ > 0) return false;
  for (const std::string& path : copy_.TakeUnsynced()) {
    ++copy_syncs_;
    deps_.file_sync->Sync(path, deps_.executor, [this, alive = alive_.Watch(), path](absl::Status status) {
      if (!alive.expired()) OnCopySynced(path, status);
    });
  }
  return copy_syncs_ > 0;
}

void ClusterFeed::OnCopySynced(const std::string& path, const absl::Status& status) {
  --copy_syncs_;
  // One that is gone was replaced meanwhile, and what took its place has a sync of its own.
  if (!status.ok() && !absl::IsNotFound(status)) {
    copy_.SyncFailed(path);
    copy_sync_failed_ = true;
    SetProblem(absl::StrCat("cannot keep the durable copy: ", status.message()));
  }
  if (copy_syncs_ > 0) return;
  const bool failed = std::exchange(copy_sync_failed_, false);
  if (std::exchange(copy_sync_problem_, failed) && !failed) SetProblem("");
}

absl::Status ClusterFeed::Clear() {
  const Replica before =
      std::exchange(replica_, Replica(options_.cluster, options_.keep_whole, Mirror::Endpoints::kRecords));
  ReportAll(before.mirror(), replica_.mirror(), before.mirror().size());
  return copy_.Remove();
}

}  // namespace trivium
