// The map layouts of bpf/abi as keys of hash tables: compared and hashed by their bytes. Layouts have no
// hidden padding (asserted), and every instance must start zeroed (`T x{}`).
#pragma once

#include <cstring>
#include <type_traits>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace trivium {

template <typename T>
absl::string_view Bytes(const T& pod) {
  static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>);
  return absl::string_view(reinterpret_cast<const char*>(&pod), sizeof(T));
}

// `bytes` must be sizeof(T) long.
template <typename T>
T FromBytes(absl::string_view bytes) {
  T pod{};
  std::memcpy(&pod, bytes.data(), sizeof(T));
  return pod;
}

template <typename T>
bool SameBytes(const T& a, const T& b) {
  return Bytes(a) == Bytes(b);
}

template <typename T>
struct PodHash {
  size_t operator()(const T& pod) const { return absl::HashOf(Bytes(pod)); }
};
template <typename T>
struct PodEqual {
  bool operator()(const T& a, const T& b) const { return SameBytes(a, b); }
};

template <typename Key, typename Value>
using PodMap = absl::flat_hash_map<Key, Value, PodHash<Key>, PodEqual<Key>>;
template <typename Key>
using PodSet = absl::flat_hash_set<Key, PodHash<Key>, PodEqual<Key>>;

}  // namespace trivium
