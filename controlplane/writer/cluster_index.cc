#include "controlplane/writer/cluster_index.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/labels.h"
#include "schema/object.h"

namespace trivium {
namespace {

std::string AddressKey(uint32_t space, absl::string_view ip) { return absl::StrCat(space, "/", ip); }

std::string FormOf(const v1::Identity& identity) {
  return policy::CanonicalForm(
      std::vector<v1::Label>(identity.labels().begin(), identity.labels().end()),
      std::vector<v1::NamedPort>(identity.named_ports().begin(), identity.named_ports().end()));
}

template <typename Map, typename Key>
const ClusterIndex::Keys& FindKeys(const Map& map, const Key& key) {
  static const auto* const kNone = new ClusterIndex::Keys;
  const auto it = map.find(key);
  return it == map.end() ? *kNone : it->second;
}

template <typename Map, typename Key>
void EraseKey(Map* map, const Key& key, const std::string& value) {
  const auto it = map->find(key);
  if (it == map->end()) return;
  it->second.erase(value);
  if (it->second.empty()) map->erase(it);
}

// Erases an entry only while it still points at `value`: a late delete never takes a new owner's entry.
template <typename Map, typename Key, typename Value>
void EraseIfOwned(Map* map, const Key& key, const Value& value) {
  const auto it = map->find(key);
  if (it != map->end() && it->second == value) map->erase(it);
}

}  // namespace

void ClusterIndex::Replace(const v1::Object* before, const v1::Object* after) {
  if (before != nullptr && after != nullptr && before->has_endpoint() && after->has_endpoint()) {
    return ReplaceEndpoint(before->endpoint(), after->endpoint(), KeyOf(*after).key);
  }
  if (before != nullptr) Remove(*before);
  if (after != nullptr) Add(*after);
}

// Of one key. Most changes leave it where it is.
void ClusterIndex::ReplaceEndpoint(const v1::Endpoint& before, const v1::Endpoint& after,
                                   const std::string& key) {
  if (before.namespace_() != after.namespace_() || before.name() != after.name() ||
      before.node() != after.node()) {
    RemoveEndpoint(before, key);
    return AddEndpoint(after, key);
  }
  for (const v1::EndpointAddress& a : before.addresses()) {
    EraseIfOwned(&by_address_, AddressKey(a.space(), a.ip()), key);
  }
  for (const v1::EndpointAddress& a : after.addresses()) by_address_[AddressKey(a.space(), a.ip())] = key;
  by_name_[NamespacedKey(after.namespace_(), after.name())] = key;
  if (before.identity() == after.identity()) return;
  Dereference(before.identity());
  ++references_[after.identity()];
}

void ClusterIndex::AddEndpoint(const v1::Endpoint& ep, const std::string& key) {
  for (const v1::EndpointAddress& a : ep.addresses()) by_address_[AddressKey(a.space(), a.ip())] = key;
  by_name_[NamespacedKey(ep.namespace_(), ep.name())] = key;
  by_namespace_[ep.namespace_()].insert(key);
  by_node_[ep.node()].insert(key);
  ++references_[ep.identity()];
}

void ClusterIndex::RemoveEndpoint(const v1::Endpoint& ep, const std::string& key) {
  for (const v1::EndpointAddress& a : ep.addresses()) {
    EraseIfOwned(&by_address_, AddressKey(a.space(), a.ip()), key);
  }
  EraseIfOwned(&by_name_, NamespacedKey(ep.namespace_(), ep.name()), key);
  EraseKey(&by_namespace_, ep.namespace_(), key);
  EraseKey(&by_node_, ep.node(), key);
  Dereference(ep.identity());
}

void ClusterIndex::Dereference(uint32_t identity) {
  const auto it = references_.find(identity);
  if (it != references_.end() && --it->second == 0) references_.erase(it);
}

void ClusterIndex::Rebuild(const Mirror& mirror) {
  RetiredNumbers retired = std::move(retired_);
  *this = ClusterIndex();
  retired_ = std::move(retired);
  retired_.Forget();
  for (const v1::Kind kind : {v1::KIND_NODE, v1::KIND_IDENTITY, v1::KIND_ENDPOINT, v1::KIND_POLICY}) {
    for (const auto& [key, stored] : mirror.All(kind)) {
      if (stored.object != nullptr) Add(*stored.object);
    }
  }
}

void ClusterIndex::Add(const v1::Object& object) {
  const std::string key = KeyOf(object).key;
  switch (object.value_case()) {
    case v1::Object::kEndpoint:
      AddEndpoint(object.endpoint(), key);
      break;
    case v1::Object::kIdentity:
      identities_.emplace(FormOf(object.identity()), object.identity().id());
      numbers_.insert(object.identity().id());
      break;
    case v1::Object::kPolicy:
      policies_[object.policy().namespace_()].insert(key);
      break;
    case v1::Object::kNode:
      nodes_[object.node().number()] = key;
      break;
    default:
      break;
  }
}

void ClusterIndex::Remove(const v1::Object& object) {
  const std::string key = KeyOf(object).key;
  switch (object.value_case()) {
    case v1::Object::kEndpoint:
      RemoveEndpoint(object.endpoint(), key);
      break;
    case v1::Object::kIdentity:
      EraseIfOwned(&identities_, FormOf(object.identity()), object.identity().id());
      numbers_.erase(object.identity().id());
      break;
    case v1::Object::kPolicy:
      EraseKey(&policies_, object.policy().namespace_(), key);
      break;
    case v1::Object::kNode:
      EraseIfOwned(&nodes_, object.node().number(), key);
      break;
    default:
      break;
  }
}

std::string ClusterIndex::EndpointByAddress(uint32_t space, absl::string_view ip) const {
  const auto it = by_address_.find(AddressKey(space, ip));
  return it == by_address_.end() ? std::string() : it->second;
}

std::string ClusterIndex::EndpointByName(absl::string_view ns, absl::string_view name) const {
  const auto it = by_name_.find(NamespacedKey(ns, name));
  return it == by_name_.end() ? std::string() : it->second;
}

const ClusterIndex::Keys& ClusterIndex::EndpointsIn(absl::string_view ns) const {
  return FindKeys(by_namespace_, ns);
}
const ClusterIndex::Keys& ClusterIndex::EndpointsOn(uint32_t node) const { return FindKeys(by_node_, node); }
const ClusterIndex::Keys& ClusterIndex::PoliciesIn(absl::string_view ns) const {
  return FindKeys(policies_, ns);
}

std::string ClusterIndex::NodeByNumber(uint32_t number) const {
  const auto it = nodes_.find(number);
  return it == nodes_.end() ? std::string() : it->second;
}

uint32_t ClusterIndex::IdentityByForm(const std::string& form) const {
  const auto it = identities_.find(form);
  return it == identities_.end() ? 0 : it->second;
}

uint32_t ClusterIndex::HighestIdentity(uint32_t first, uint32_t count) const {
  const auto it = numbers_.lower_bound(first + count);
  if (it == numbers_.begin()) return 0;
  const uint32_t number = *std::prev(it);
  return number >= first ? number : 0;
}

uint32_t ClusterIndex::LowestFree(uint32_t first, uint32_t count) const {
  for (uint32_t number = first; number < first + count; ++number) {
    if (!numbers_.contains(number) && !retired_.Contains(number)) return number;
  }
  return 0;
}

uint64_t ClusterIndex::References(uint32_t identity) const {
  const auto it = references_.find(identity);
  return it == references_.end() ? 0 : it->second;
}

}  // namespace trivium
