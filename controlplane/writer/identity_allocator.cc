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

// The lowest number above every one that is in use or retired; 0 if the blocks hold none.
uint32_t FreshNumber(const std::vector<v1::IdentityBlock>& blocks, const ClusterIndex& index) {
  uint32_t next = 0;
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    const uint32_t highest = std::max(index.HighestIdentity(block->first(), block->count()),
                                      index.retired().Highest(block->first(), block->count()));
    if (highest == 0) {
      next = block->first();
      continue;
    }
    if (highest + 1 < block->first() + block->count()) next = highest + 1;
    break;
  }
  return next;
}

// Fresh ones first, so that a number that was released rests as long as it can.
uint32_t NextNumber(const std::vector<v1::IdentityBlock>& blocks, const Draft& draft) {
  const ClusterIndex& index = draft.index();
  const auto deleted = [&draft](uint32_t number) {
    return draft.Deletes(ObjectKey{v1::KIND_IDENTITY, absl::StrCat(number)});
  };
  const uint32_t fresh = FreshNumber(blocks, index);
  if (fresh != 0 && !deleted(fresh)) return fresh;
  uint64_t numbers = 0;
  for (const v1::IdentityBlock& block : blocks) numbers += block.count();
  if (!index.retired().complete() || index.identities() + index.retired().size() >= numbers) return 0;
  for (const uint32_t from : {index.search_from(), 0u}) {
    for (const v1::IdentityBlock& block : blocks) {
      const uint32_t end = block.first() + block.count();
      uint32_t number = std::max(block.first(), from);
      while (number < end && (number = index.LowestFree(number, end - number)) != 0) {
        if (!deleted(number)) {
          index.set_search_from(number);
          return number;
        }
        ++number;
      }
    }
  }
  return 0;
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
  number = draft->index().retired().ByForm(form);
  if (number == 0 || draft->Find(v1::KIND_IDENTITY, absl::StrCat(number)) != nullptr) {
    number = NextNumber(BlocksOf(context.mesh, context.config.cluster_id), *draft);
  }
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

void RetireIdentities(const std::vector<uint32_t>& numbers, Draft* draft) {
  const uint32_t highest = draft->index().HighestIdentity(0, kIdentityLimit);
  for (const uint32_t number : numbers) {
    const ObjectKey key{v1::KIND_IDENTITY, absl::StrCat(number)};
    if (number == highest || draft->index().References(number) > 0) continue;
    if (draft->Find(key.kind, key.key) != nullptr) draft->Delete(key);
  }
}

uint32_t FreeIdentities(const Mirror& mesh, uint32_t cluster_id, const ClusterIndex& index) {
  const std::vector<v1::IdentityBlock> blocks = BlocksOf(mesh, cluster_id);
  const uint32_t fresh = FreshNumber(blocks, index);
  uint32_t free = 0;
  for (const v1::IdentityBlock& block : blocks) {
    const uint32_t end = block.first() + block.count();
    if (index.retired().complete()) {
      free += block.count();
    } else if (fresh != 0 && end > fresh) {
      free += end - std::max(fresh, block.first());
    }
  }
  if (!index.retired().complete()) return free;
  const size_t taken = index.identities() + index.retired().size();
  return free - std::min<uint32_t>(free, static_cast<uint32_t>(taken));
}

}  // namespace trivium
