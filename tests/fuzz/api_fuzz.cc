// Any Request before the planner of a small mesh. It is refused with a reason and leaves the draft as it was,
// or its changes are what a mirror can take: they fit a batch, its digest is the one foretold.
#include "absl/strings/str_cat.h"
#include "replica/replica.h"
#include "schema/codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/small_mesh.h"

using namespace trivium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  v1::Request request;
  if (!request.ParseFromArray(data + 1, static_cast<int>(size - 1))) return 0;
  fuzz::SmallMesh& mesh = fuzz::SmallMesh::Get();
  const char* const roles[] = {"ctl", "node", "cp", "ev"};
  const Caller caller{
      {fuzz::SmallMesh::kCluster, roles[data[0] % 4], fuzz::SmallMesh::kNode}, "fuzz", Id128{1, 2}, 1};
  Replica replica = mesh.replica();
  const uint64_t revision = replica.position().revision + 1;
  Draft draft = mesh.NewDraft(revision);
  const Id128 before = draft.DigestAfter();
  const absl::StatusOr<Planned> planned = mesh.planner().Plan(request, caller, &draft);
  if (!planned.ok() || planned->deferred) {
    fuzz::Require(draft.empty() && draft.DigestAfter() == before, "a refused request has changed something");
    fuzz::Require(planned.ok() || !planned.status().message().empty(), "refused without a reason");
    return 0;
  }
  const v1::Changes changes = draft.ToChanges();
  const auto encoded = EncodeBatch(replica.cluster(), replica.position().epoch, revision,
                                   replica.position().batch, draft.DigestAfter(), changes);
  fuzz::Require(encoded.ok(), absl::StrCat("accepted, but no batch: ", encoded.status().message()));
  const auto decoded = DecodeBatch(encoded->envelope);
  fuzz::Require(decoded.ok(), absl::StrCat("accepted, but unreadable: ", decoded.status().message()));
  fuzz::Require(replica.Apply(*decoded) == Replica::Outcome::kApplied, "accepted, but its digest is another");
  return 0;
}
