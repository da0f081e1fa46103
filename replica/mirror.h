// The objects of one cluster at one revision, with the digest that proves it. Pure; not thread-safe.
//
// Mirrors are kept by agents and control planes alike. What a keeper does not use (an agent, the policies of
// other clusters) it holds as key and revision alone, which is all that the digest needs. Endpoints it may
// hold as records without names (schema/endpoint_record.h): they come by the million.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "replica/endpoint_table.h"
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
  enum class Endpoints { kObjects, kRecords };
  // What a key holds, in either form; nothing if both are empty.
  struct Held {
    std::optional<Stored> stored;
    std::optional<EndpointRecord> record;
  };

  explicit Mirror(
      Filter keep_whole = [](v1::Kind) { return true; }, Endpoints endpoints = Endpoints::kObjects);

  // Inserts or replaces; `revision` is that of the batch that carries it.
  void Upsert(ObjectPtr object, uint64_t revision);
  void Upsert(const v1::Object& object, uint64_t revision);
  // The same for a keeper of records.
  void Upsert(const EndpointRecord& record);
  // False if there was none.
  bool Delete(const ObjectKey& key);
  // What `key` holds, and back to it.
  Held Hold(const ObjectKey& key) const;
  void PutBack(const ObjectKey& key, Held held);
  // Puts back what FindStored once gave for `key`.
  void Restore(const ObjectKey& key, Stored stored);
  bool KeepsWhole(v1::Kind kind) const { return keep_whole_(kind) && !KeepsRecords(kind); }
  bool KeepsRecords(v1::Kind kind) const {
    return endpoint_form_ == Endpoints::kRecords && kind == v1::KIND_ENDPOINT;
  }
  // A mirror without objects that keeps the same kinds in the same forms.
  Mirror Empty() const { return Mirror(keep_whole_, endpoint_form_); }

  // Null if unknown or not kept whole. Valid until the next change of the mirror.
  const v1::Object* Find(v1::Kind kind, absl::string_view key) const;
  // Null if unknown, or held as a record.
  const Stored* FindStored(v1::Kind kind, absl::string_view key) const;
  // Without what is held as records.
  const Table& All(v1::Kind kind) const;
  const EndpointTable& endpoint_records() const { return endpoints_; }
  // Objects of every kind, in whatever form.
  size_t size() const;
  Id128 digest() const { return digest_.value(); }

 private:
  Table& TableOf(v1::Kind kind);
  void Set(const ObjectKey& key, Stored stored);
  // The uid in the key of an endpoint that is kept as a record.
  std::optional<Id128> RecordKey(const ObjectKey& key) const;

  Filter keep_whole_;
  Endpoints endpoint_form_;
  std::array<Table, v1::Kind_ARRAYSIZE> tables_;  // by kind
  EndpointTable endpoints_;
  Digest digest_;
};

}  // namespace trivium
