// Endpoint records by uid, packed: about 64 bytes each with one address. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "base/dense_map.h"
#include "schema/endpoint_record.h"

namespace trivium {

class EndpointTable {
 public:
  std::optional<EndpointRecord> Find(const Id128& uid) const;
  // 0 if there is none.
  uint64_t RevisionOf(const Id128& uid) const;
  // Inserts or replaces; returns the revision of what was there, 0 if nothing.
  uint64_t Set(const EndpointRecord& record);
  // Returns the revision of what was there, 0 if nothing.
  uint64_t Erase(const Id128& uid);
  size_t size() const { return packed_.size(); }
  bool empty() const { return packed_.empty(); }
  void ForEach(absl::FunctionRef<void(const EndpointRecord&)> each) const;

 private:
  struct Packed {
    uint64_t revision = 0;
    uint32_t node = 0;
    uint32_t identity = 0;
    uint32_t space = 0;  // of the first address
    std::array<uint8_t, 16> ip{};
    uint8_t size = 0;  // of the first address; 0: there is none
    uint8_t more = 0;  // 1: there are others, in `others_`
    uint8_t pad[2] = {};
  };
  static_assert(sizeof(Packed) == 40);
  using Others = absl::InlinedVector<EndpointRecord::Address, 1>;

  EndpointRecord Unpack(const Id128& uid, const Packed& packed) const;

  DenseMap<Id128, Packed> packed_;
  absl::flat_hash_map<Id128, Others> others_;  // addresses after the first
};

}  // namespace trivium
