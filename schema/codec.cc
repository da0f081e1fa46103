#include "schema/codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/compression.h"
#include "schema/digest.h"
#include "schema/snapshot_writer.h"

namespace trivium {
namespace {

constexpr size_t kCompressFrom = 512;  // smaller messages gain nothing

}  // namespace

v1::Head Batch::Head() const {
  v1::Head head;
  head.set_cluster(cluster);
  head.set_epoch(epoch);
  head.set_revision(revision);
  head.set_batch(batch.ToBytes());
  head.set_digest(digest.ToBytes());
  return head;
}

absl::StatusOr<Batch> EncodeBatch(const std::string& cluster, uint64_t epoch, uint64_t revision,
                                  Id128 prev_batch, Id128 digest, v1::Changes changes) {
  v1::ChangeBatch message;
  message.set_cluster(cluster);
  message.set_epoch(epoch);
  message.set_revision(revision);
  message.set_prev_batch(prev_batch.ToBytes());
  message.set_digest(digest.ToBytes());
  message.set_count(static_cast<uint32_t>(changes.changes_size()));
  changes.SerializeToString(message.mutable_changes());
  if (message.changes().size() > kMaxBatchBytes + kMaxObjectBytes) {
    return absl::InvalidArgumentError(absl::StrCat("batch of ", message.changes().size(), " bytes; at most ",
                                                   kMaxBatchBytes + kMaxObjectBytes));
  }
  Batch batch{cluster,
              epoch,
              revision,
              prev_batch,
              BatchId(prev_batch, epoch, revision, message.changes()),
              digest,
              std::move(changes),
              {}};
  message.set_batch(batch.batch.ToBytes());

  v1::Envelope envelope;
  envelope.set_wire_version(kWireVersion);
  envelope.set_min_reader(1);
  std::string plain = message.SerializeAsString();
  if (plain.size() >= kCompressFrom) {
    TRIVIUM_ASSIGN_OR_RETURN(std::string packed, Compress(plain));
    if (packed.size() < plain.size()) {
      envelope.set_compression(v1::Envelope::ZSTD);
      plain = std::move(packed);
    }
  }
  envelope.set_bytes(std::move(plain));
  batch.envelope = envelope.SerializeAsString();
  return batch;
}

absl::StatusOr<Batch> DecodeBatch(absl::string_view bytes, uint32_t reader_version) {
  if (bytes.size() > kMaxEnvelopeBytes) {
    return absl::DataLossError(
        absl::StrCat("envelope of ", bytes.size(), " bytes; at most ", kMaxEnvelopeBytes));
  }
  v1::Envelope envelope;
  if (!envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("not an envelope");
  }
  if (envelope.min_reader() > reader_version) {
    return absl::FailedPreconditionError(absl::StrCat("this message needs a reader of version ",
                                                      envelope.min_reader(), ", this one is ", reader_version,
                                                      ": upgrade this program"));
  }
  std::string plain;
  switch (envelope.compression()) {
    case v1::Envelope::NONE:
      plain = std::move(*envelope.mutable_bytes());
      break;
    case v1::Envelope::ZSTD: {
      TRIVIUM_ASSIGN_OR_RETURN(plain, Decompress(envelope.bytes(), kMaxEnvelopeBytes));
      break;
    }
    default:
      return absl::DataLossError(absl::StrCat("unknown compression ", envelope.compression()));
  }
  v1::ChangeBatch message;
  if (!message.ParseFromString(plain)) return absl::DataLossError("not a change batch");
  Batch batch;
  batch.cluster = message.cluster();
  batch.epoch = message.epoch();
  batch.revision = message.revision();
  const absl::StatusOr<Id128> prev = Id128::FromBytes(message.prev_batch());
  const absl::StatusOr<Id128> id = Id128::FromBytes(message.batch());
  const absl::StatusOr<Id128> digest = Id128::FromBytes(message.digest());
  if (!prev.ok() || !id.ok() || !digest.ok()) return absl::DataLossError("a batch with a malformed id");
  batch.prev_batch = *prev;
  batch.batch = *id;
  batch.digest = *digest;
  if (BatchId(*prev, batch.epoch, batch.revision, message.changes()) != *id) {
    return absl::DataLossError(
        absl::StrCat("batch ", id->ToHex(), " of ", batch.cluster, " is not the hash of its content"));
  }
  if (!batch.changes.ParseFromString(message.changes()) ||
      batch.changes.changes_size() != static_cast<int>(message.count())) {
    return absl::DataLossError("a batch with malformed changes");
  }
  batch.envelope.assign(bytes.data(), bytes.size());
  return batch;
}

absl::StatusOr<std::vector<std::string>> EncodeSnapshot(const v1::Snapshot& snapshot) {
  SnapshotWriter writer(snapshot.head());
  for (const v1::SnapshotObject& object : snapshot.objects()) TRIVIUM_RETURN_IF_ERROR(writer.Add(object));
  return writer.Finish();
}

absl::StatusOr<v1::Snapshot> DecodeSnapshotChunk(absl::string_view chunk) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string plain, Decompress(chunk, kMaxChunkPlainBytes));
  v1::Snapshot snapshot;
  if (!snapshot.ParseFromString(plain)) return absl::DataLossError("not a snapshot chunk");
  return snapshot;
}

}  // namespace trivium
