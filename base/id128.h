// A 128-bit value: object uids, batch ids, request ids, digests. Value type.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

struct Id128 {
  uint64_t hi = 0;
  uint64_t lo = 0;

  friend auto operator<=>(const Id128&, const Id128&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Id128& id) {
    return H::combine(std::move(h), id.hi, id.lo);
  }

  bool IsZero() const { return hi == 0 && lo == 0; }
  // 32 lower-case hex digits: how uids are written in keys, logs and JSON.
  std::string ToHex() const;
  // 8-4-4-4-12, the form that SQL's UUID prints.
  std::string ToUuid() const;
  // 16 bytes, big-endian: the form on the wire and in maps.
  std::string ToBytes() const;

  // Accept exactly those forms (FromHex takes hyphens too); kInvalidArgument otherwise.
  static absl::StatusOr<Id128> FromHex(absl::string_view text);
  static absl::StatusOr<Id128> FromBytes(absl::string_view bytes);
};

}  // namespace trivium
