// What comes over the feed: envelopes, snapshot chunks, and, past the checks that hashes make, any changes at
// all laid over a small mesh: the mirror takes them, and the agent's maps are what its own audit wants.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "nodeagent/desired/pipeline.h"
#include "replica/replica.h"
#include "schema/codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/small_mesh.h"
#include "tests/support/fake_map_io.h"

using namespace trivium;

namespace {

void FromTheWire(absl::string_view bytes) {
  const absl::StatusOr<Batch> batch = DecodeBatch(bytes);
  if (batch.ok()) {
    Replica replica = fuzz::SmallMesh::Get().replica();
    replica.Apply(*batch);
  }
  const absl::StatusOr<v1::Snapshot> part = DecodeSnapshotChunk(bytes);
  if (part.ok()) {
    Replica replica(fuzz::SmallMesh::kCluster);
    if (replica.LoadSnapshot({*part}).ok()) {
      const auto again = EncodeSnapshot(replica.ToSnapshot());
      fuzz::Require(again.ok(), "what was loaded cannot be written");
    }
  }
}

void AnyChanges(absl::string_view bytes) {
  v1::Changes changes;
  if (!changes.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (changes.changes_size() > 50) return;
  const fuzz::SmallMesh& mesh = fuzz::SmallMesh::Get();
  Replica replica = mesh.replica();
  Mirror after = replica.mirror();
  const uint64_t revision = replica.position().revision + 1;
  std::vector<ObjectChange> objects;
  for (const v1::Change& change : changes.changes()) {
    const ObjectKey key = KeyOf(change);
    const Mirror::Stored* before = after.FindStored(key.kind, key.key);
    ObjectChange object{key.kind, key.key, before == nullptr ? nullptr : before->object, nullptr, revision};
    if (change.op() == v1::Change::DELETE) {
      after.Delete(key);
    } else {
      object.after = std::make_shared<const v1::Object>(change.object());
      after.Upsert(object.after, revision);
    }
    objects.push_back(std::move(object));
  }
  const auto encoded = EncodeBatch(replica.cluster(), replica.position().epoch, revision,
                                   replica.position().batch, after.digest(), changes);
  if (!encoded.ok()) return;
  const auto decoded = DecodeBatch(encoded->envelope);
  fuzz::Require(decoded.ok(), absl::StrCat("an encoded batch cannot be read: ", decoded.status().message()));
  fuzz::Require(decoded->batch == encoded->batch, "another batch");
  fuzz::Require(replica.Apply(*decoded) == Replica::Outcome::kApplied, "the next batch was not applied");

  FakeMapIo maps;
  Pipeline pipeline(mesh.pipeline_options(), RealClock());
  fuzz::Require(pipeline.Adopt(&maps).ok(), "empty maps cannot be adopted");
  mesh.Tell(&pipeline);
  fuzz::Require(pipeline.Flush(&maps).complete, "the small mesh does not fit");
  for (const ObjectChange& object : objects) pipeline.OnObject(fuzz::SmallMesh::kClusterId, object);
  pipeline.Flush(&maps);
  const auto differences = pipeline.Audit(&maps, 3);
  fuzz::Require(differences.ok() && differences->empty(),
                differences.ok() && !differences->empty() ? differences->front() : "the audit failed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view rest = fuzz::Text(data, size).substr(1);
  if (data[0] % 2 == 0) {
    FromTheWire(rest);
  } else {
    AnyChanges(rest);
  }
  return 0;
}
