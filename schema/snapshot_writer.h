// Cuts a state into snapshot chunks, object by object. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/feed.pb.h"

namespace trivium {

class SnapshotWriter {
 public:
  explicit SnapshotWriter(const v1::Head& head);

  absl::Status Add(const v1::Object& object, uint64_t revision);
  absl::Status Add(const v1::SnapshotObject& object);
  // Compressed, each at most kMaxChunkBytes; at least one. Nothing may be added afterwards.
  absl::StatusOr<std::vector<std::string>> Finish();

 private:
  absl::Status EndChunk();

  std::string head_;   // as it stands at the beginning of every chunk
  std::string plain_;  // of the chunk in work
  std::vector<std::string> chunks_;
};

}  // namespace trivium
