#include "controlplane/writer/identity_allocator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/labels.h"

namespace trivium {
namespace {

// The cluster's blocks, ascending.
std::vector<v1::IdentityBlock> BlocksOf(const Mirror& mesh, uint32_t cluster_id) {
  std::vector<v1::IdentityBlock> blocks;
  for (const auto& [key, stored] : mesh.All(v1::KIND_IDENTITY_BLOCK)) {
    const v1::IdentityBlock& block = stored.object->identity_block();
    if (block.cluster_id() == cluster_id) blocks.push_back(block);
  }
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.first() < b.first(); });
  return blocks;
}

// The lowest number above every one in use; 0 if the blocks hold none.
uint32_t NextNumber(const std::vector<v1::IdentityBlock>& blocks, const ClusterIndex& index) {
  uint32_t next = 0;
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    const uint32_t highest = index.HighestIdentity(block->first(), block->count());
    if (highest == 0) {
      next = block->first();
      continue;
    }
    if (highest + 1 < block->first() + block->count()) next = highest + 1;
    break;
  }
  return next;
}

}  // namespace

absl::StatusOr<v1::Identity> FindOrAddIdentity(const PlanContext& context, std::vector<v1::Label> labels,
                                               std::vector<v1::NamedPort> named_ports) {
  std::sort(named_ports.begin(), named_ports.end(), [](const v1::NamedPort& a, const v1::NamedPort& b) {
    return std::make_tuple(a.name(), a.protocol(), a.port()) <
           std::make_tuple(b.name(), b.protocol(), b.port());
  });
  const std::string form = policy::CanonicalForm(labels, named_ports);
  Draft* draft = context.draft;
  uint32_t number = draft->index().IdentityByForm(form);
  if (number != 0) {
    const v1::Object* object = draft->Find(v1::KIND_IDENTITY, absl::StrCat(number));
    if (object != nullptr) return object->identity();
    return absl::InternalError(absl::StrCat("identity ", number, " is indexed but not there"));
  }
  number = NextNumber(BlocksOf(context.mesh, context.config.cluster_id), draft->index());
  if (number == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no identity number is left for cluster ", context.config.cluster,
                     ": a new block is being leased from the mesh, try again in a moment"));
  }
  v1::Object object;
  v1::Identity* identity = object.mutable_identity();
  *identity->mutable_meta() = NewMeta(context.random);
  identity->set_id(number);
  for (v1::Label& label : labels) *identity->add_labels() = std::move(label);
  for (v1::NamedPort& port : named_ports) *identity->add_named_ports() = std::move(port);
  v1::Identity result = *identity;
  draft->Upsert(std::move(object));
  return result;
}

uint32_t FreeIdentities(const Mirror& mesh, uint32_t cluster_id, const ClusterIndex& index) {
  const std::vector<v1::IdentityBlock> blocks = BlocksOf(mesh, cluster_id);
  const uint32_t next = NextNumber(blocks, index);
  if (next == 0) return 0;
  uint32_t free = 0;
  for (const v1::IdentityBlock& block : blocks) {
    const uint32_t end = block.first() + block.count();
    if (end > next) free += end - std::max(next, block.first());
  }
  return free;
}

}  // namespace trivium
