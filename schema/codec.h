// Encoding of the log's messages: the only code that makes or reads envelopes and snapshot chunks. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/id128.h"
#include "trivium/v1/feed.pb.h"

namespace trivium {

// This build's reader and writer version. History: 1 = first.
inline constexpr uint32_t kWireVersion = 1;

inline constexpr size_t kMaxBatchChanges = 1000;
inline constexpr size_t kMaxBatchBytes = 256 * 1024;   // of encoded changes
inline constexpr size_t kMaxObjectBytes = 256 * 1024;  // of one encoded object
inline constexpr size_t kMaxChunkBytes = 768 * 1024;   // of one snapshot chunk on the wire
// What a reader accepts before it looks inside; also the limit after decompression of an envelope.
inline constexpr size_t kMaxEnvelopeBytes = 1024 * 1024;
inline constexpr size_t kMaxChunkPlainBytes = 16 * 1024 * 1024;

// A batch as held in memory: the decoded message and the envelope's bytes it came in.
struct Batch {
  std::string cluster;
  uint64_t epoch = 0;
  uint64_t revision = 0;
  Id128 prev_batch;
  Id128 batch;
  Id128 digest;
  v1::Changes changes;
  std::string envelope;  // as stored and forwarded

  v1::Head Head() const;
};

// Fills batch id and envelope from the other fields. Compresses when that pays.
// kInvalidArgument if the changes exceed kMaxBatchBytes.
absl::StatusOr<Batch> EncodeBatch(const std::string& cluster, uint64_t epoch, uint64_t revision,
                                  Id128 prev_batch, Id128 digest, v1::Changes changes);

// kDataLoss for bytes that are not a batch, too large, or whose batch id is not the hash of their content;
// kFailedPrecondition if the envelope wants a newer reader than `reader_version`.
absl::StatusOr<Batch> DecodeBatch(absl::string_view envelope, uint32_t reader_version = kWireVersion);

// Cuts a snapshot's objects into compressed chunks of at most kMaxChunkBytes; each is a Snapshot with the
// same head. Always at least one chunk.
absl::StatusOr<std::vector<std::string>> EncodeSnapshot(const v1::Snapshot& snapshot);
absl::StatusOr<v1::Snapshot> DecodeSnapshotChunk(absl::string_view chunk);

}  // namespace trivium
