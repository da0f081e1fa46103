#include "nodeagent/mirror/cluster_copy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/mirror/frames.h"
#include "schema/codec.h"

namespace trivium {
namespace {

constexpr char kSnapshotSuffix[] = ".snapshot";

}  // namespace

ClusterCopy::ClusterCopy(Files* files, const std::string& folder, const std::string& cluster)
    : files_(files),
      snapshot_path_(absl::StrCat(folder, "/", cluster, kSnapshotSuffix)),
      log_path_(absl::StrCat(folder, "/", cluster, ".log")) {}

absl::StatusOr<std::vector<std::string>> ClusterCopy::List(Files* files, const std::string& folder) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> names, files->List(folder));
  std::vector<std::string> clusters;
  for (const std::string& name : names) {
    if (absl::EndsWith(name, kSnapshotSuffix)) {
      clusters.push_back(name.substr(0, name.size() - sizeof(kSnapshotSuffix) + 1));
    }
  }
  return clusters;
}

absl::Status ClusterCopy::Discard(absl::string_view why) {
  const std::string path = snapshot_path_;
  TRIVIUM_RETURN_IF_ERROR(Remove());
  return absl::DataLossError(absl::StrCat(path, " was unusable and is removed: ", why));
}

absl::Status ClusterCopy::LoadSnapshot(Replica* replica) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, files_->Read(snapshot_path_));
  const Frames frames = ReadFrames(text);
  if (frames.good != text.size()) return absl::DataLossError("torn");
  SnapshotLoad load = replica->BeginLoad();
  for (const absl::string_view frame : frames.frames) TRIVIUM_RETURN_IF_ERROR(load.Add(frame));
  snapshot_bytes_ = text.size();
  return replica->Load(std::move(load));
}

absl::Status ClusterCopy::LoadLog(Replica* replica) {
  const absl::StatusOr<std::string> text = files_->Read(log_path_);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  TRIVIUM_RETURN_IF_ERROR(text.status());
  size_t good = 0;
  for (const absl::string_view frame : ReadFrames(*text).frames) {
    const absl::StatusOr<Batch> batch = DecodeBatch(frame);
    if (absl::IsFailedPrecondition(batch.status())) {
      sealed_ = true;  // a newer agent wrote it: keep it, go no further
      log_bytes_ = text->size();
      return absl::OkStatus();
    }
    if (!batch.ok()) break;
    const Replica::Outcome outcome = replica->Apply(*batch);
    // Older ones: the snapshot was written, the log not yet cut.
    if (outcome != Replica::Outcome::kApplied && outcome != Replica::Outcome::kIgnored) break;
    good = static_cast<size_t>(frame.data() + frame.size() - text->data());
  }
  if (good < text->size()) TRIVIUM_RETURN_IF_ERROR(files_->Truncate(log_path_, good));
  log_bytes_ = good;
  return absl::OkStatus();
}

absl::Status ClusterCopy::Load(Replica* replica) {
  const absl::Status snapshot = LoadSnapshot(replica);
  if (absl::IsNotFound(snapshot)) return files_->Remove(log_path_);
  if (absl::IsDataLoss(snapshot) || absl::IsFailedPrecondition(snapshot)) return Discard(snapshot.message());
  TRIVIUM_RETURN_IF_ERROR(snapshot);
  return LoadLog(replica);
}

absl::Status ClusterCopy::Append(const Batch& batch) {
  if (sealed_) {
    return absl::FailedPreconditionError(
        absl::StrCat(log_path_, " ends with a batch for newer agents: nothing can be appended"));
  }
  if (log_ == nullptr) {
    if (torn_) TRIVIUM_RETURN_IF_ERROR(files_->Truncate(log_path_, log_bytes_));
    torn_ = false;
    TRIVIUM_ASSIGN_OR_RETURN(log_, files_->OpenAppend(log_path_));
  }
  std::string frame;
  AppendFrame(batch.envelope, &frame);
  if (const absl::Status status = log_->Append(frame); !status.ok()) {
    // Part of it may be there: nothing may come after that.
    log_ = nullptr;
    torn_ = true;
    return status;
  }
  log_bytes_ += frame.size();
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status ClusterCopy::Replace(const Replica& replica) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> chunks, EncodeSnapshot(replica.ToSnapshot()));
  return Replace(chunks);
}

absl::Status ClusterCopy::Replace(const std::vector<std::string>& chunks) {
  std::string text;
  for (const std::string& chunk : chunks) AppendFrame(chunk, &text);
  TRIVIUM_RETURN_IF_ERROR(files_->WriteUnsynced(snapshot_path_, text));
  snapshot_bytes_ = text.size();
  // From here on a crash leaves a log that the snapshot has overtaken: loading ignores it, or cuts it as a
  // fork.
  log_ = nullptr;
  TRIVIUM_RETURN_IF_ERROR(files_->Remove(log_path_));
  log_bytes_ = 0;
  sealed_ = torn_ = dirty_ = false;
  new_snapshot_ = true;
  return absl::OkStatus();
}

bool ClusterCopy::WantsReplacing() const { return log_bytes_ > std::max(kMinLog, 2 * snapshot_bytes_); }

std::vector<std::string> ClusterCopy::TakeUnsynced() {
  std::vector<std::string> paths;
  if (std::exchange(new_snapshot_, false)) paths.push_back(snapshot_path_);
  if (std::exchange(dirty_, false)) paths.push_back(log_path_);
  return paths;
}

void ClusterCopy::SyncFailed(const std::string& path) {
  (path == snapshot_path_ ? new_snapshot_ : dirty_) = true;
}

absl::Status ClusterCopy::Remove() {
  log_ = nullptr;
  log_bytes_ = snapshot_bytes_ = 0;
  sealed_ = torn_ = dirty_ = new_snapshot_ = false;
  TRIVIUM_RETURN_IF_ERROR(files_->Remove(snapshot_path_));
  return files_->Remove(log_path_);
}

}  // namespace trivium
