// The order-independent digest of a cluster's state and the hash chain of its batches.
#pragma once

#include "absl/strings/string_view.h"
#include "base/id128.h"
#include "schema/object.h"

namespace trivium {

// A 128-bit name for (kind, key): what mirrors keep instead of the key's text.
Id128 KeyHash(v1::Kind kind, absl::string_view key);

// Sum mod 2^128 of a hash of (kind, key, revision of last change) over all objects. Value type.
class Digest {
 public:
  Digest() = default;
  explicit Digest(Id128 value) : value_(value) {}
  void Add(Id128 key_hash, uint64_t revision);
  void Remove(Id128 key_hash, uint64_t revision);
  Id128 value() const { return value_; }

 private:
  Id128 value_;
};

// The id of a batch: a hash of its predecessor's id, its place and its content as encoded.
Id128 BatchId(Id128 prev, uint64_t epoch, uint64_t revision, absl::string_view changes);

}  // namespace trivium
