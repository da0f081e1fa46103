#include "schema/snapshot_writer.h"

#include <google/protobuf/io/coded_stream.h>

#include <utility>

#include "base/status.h"
#include "schema/codec.h"
#include "schema/compression.h"
#include "schema/wire.h"

namespace trivium {
namespace {

// Plain chunks are cut below the wire limit, so that even incompressible ones fit.
constexpr size_t kPlainLimit = kMaxChunkBytes - kMaxObjectBytes;

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

size_t VarintSize(uint64_t value) { return google::protobuf::io::CodedOutputStream::VarintSize64(value); }

// A length-delimited field; ByteSizeLong of the message has just been called.
void AppendMessage(int field, const google::protobuf::MessageLite& message, std::string* out) {
  AppendVarint(wire::Bytes(field), out);
  const size_t size = static_cast<size_t>(message.GetCachedSize());
  AppendVarint(size, out);
  const size_t at = out->size();
  out->resize(at + size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out->data()) + at);
}

}  // namespace

SnapshotWriter::SnapshotWriter(const v1::Head& head) {
  head.ByteSizeLong();
  AppendMessage(v1::Snapshot::kHeadFieldNumber, head, &head_);
  plain_ = head_;
}

absl::Status SnapshotWriter::EndChunk() {
  TRIVIUM_ASSIGN_OR_RETURN(std::string chunk, Compress(plain_));
  chunks_.push_back(std::move(chunk));
  plain_ = head_;
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Add(const v1::SnapshotObject& object) {
  if (plain_.size() >= kPlainLimit) TRIVIUM_RETURN_IF_ERROR(EndChunk());
  object.ByteSizeLong();
  AppendMessage(v1::Snapshot::kObjectsFieldNumber, object, &plain_);
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Add(const v1::Object& object, uint64_t revision) {
  if (plain_.size() >= kPlainLimit) TRIVIUM_RETURN_IF_ERROR(EndChunk());
  // A SnapshotObject around it, without copying it into one.
  const size_t size = object.ByteSizeLong();
  AppendVarint(wire::Bytes(v1::Snapshot::kObjectsFieldNumber), &plain_);
  AppendVarint(1 + VarintSize(size) + size + 1 + VarintSize(revision), &plain_);
  AppendMessage(v1::SnapshotObject::kObjectFieldNumber, object, &plain_);
  AppendVarint(wire::Number(v1::SnapshotObject::kRevisionFieldNumber), &plain_);
  AppendVarint(revision, &plain_);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SnapshotWriter::Finish() {
  if (chunks_.empty() || plain_.size() > head_.size()) TRIVIUM_RETURN_IF_ERROR(EndChunk());
  return std::move(chunks_);
}

}  // namespace trivium
