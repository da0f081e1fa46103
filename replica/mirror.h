// The objects of one cluster at one revision, with the digest that proves it. Pure; not thread-safe.
//
// Mirrors are kept by agents and control planes alike. What a keeper does not use (an agent, the policies of
// other clusters) it holds as key and revision alone, which is all that the digest needs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "schema/digest.h"
#include "schema/object.h"

namespace trivium {

class Mirror {
 public:
  using ObjectPtr = std::shared_ptr<const v1::Object>;
  struct Stored {
    uint64_t revision = 0;
    ObjectPtr object;  // null if the keeper does not use this kind
  };
  // Which objects are kept whole.
  using Filter = std::function<bool(v1::Kind)>;
  using Table = absl::flat_hash_map<std::string, Stored>;

  explicit Mirror(Filter keep_whole = [](v1::Kind) { return true; });

  // Inserts or replaces; `revision` is that of the batch that carries it.
  void Upsert(ObjectPtr object, uint64_t revision);
  // False if there was none.
  bool Delete(const ObjectKey& key);
  // Puts back what FindStored once gave for `key`.
  void Restore(const ObjectKey& key, Stored stored);
  bool KeepsWhole(v1::Kind kind) const { return keep_whole_(kind); }
  // A mirror without objects that keeps the same kinds whole.
  Mirror Empty() const { return Mirror(keep_whole_); }

  // Null if unknown or not kept whole. Valid until the next change of the mirror.
  const v1::Object* Find(v1::Kind kind, absl::string_view key) const;
  // Null if unknown.
  const Stored* FindStored(v1::Kind kind, absl::string_view key) const;
  const Table& All(v1::Kind kind) const;
  // Objects of every kind, whole or not.
  size_t size() const;
  Id128 digest() const { return digest_.value(); }

 private:
  Table& TableOf(v1::Kind kind);
  void Set(const ObjectKey& key, Stored stored);

  Filter keep_whole_;
  std::array<Table, v1::Kind_ARRAYSIZE> tables_;  // by kind
  Digest digest_;
};

}  // namespace trivium
