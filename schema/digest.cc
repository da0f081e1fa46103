#include "schema/digest.h"

#include <xxhash.h>

#include <algorithm>
#include <string>

namespace trivium {
namespace {

__extension__ using Uint128 = unsigned __int128;

Uint128 ToInt(Id128 id) { return static_cast<Uint128>(id.hi) << 64 | id.lo; }
Id128 FromInt(Uint128 v) { return Id128{static_cast<uint64_t>(v >> 64), static_cast<uint64_t>(v)}; }

void AppendBigEndian(uint64_t value, std::string* out) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

Id128 Hash(absl::string_view bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return Id128{h.high64, h.low64};
}

void PutBigEndian(uint64_t value, char* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<char>(value >> (56 - 8 * i));
}

// Without a string: a large snapshot has hundreds of thousands of these.
Uint128 Term(Id128 key_hash, uint64_t revision) {
  char bytes[24];
  PutBigEndian(key_hash.hi, bytes);
  PutBigEndian(key_hash.lo, bytes + 8);
  PutBigEndian(revision, bytes + 16);
  return ToInt(Hash({bytes, sizeof bytes}));
}

}  // namespace

Id128 KeyHash(v1::Kind kind, absl::string_view key) {
  char short_key[64];
  if (key.size() < sizeof short_key) {
    short_key[0] = static_cast<char>(kind);
    std::copy(key.begin(), key.end(), short_key + 1);
    return Hash({short_key, key.size() + 1});
  }
  std::string bytes(1, static_cast<char>(kind));
  bytes.append(key.data(), key.size());
  return Hash(bytes);
}

void Digest::Add(Id128 key_hash, uint64_t revision) {
  value_ = FromInt(ToInt(value_) + Term(key_hash, revision));
}

void Digest::Remove(Id128 key_hash, uint64_t revision) {
  value_ = FromInt(ToInt(value_) - Term(key_hash, revision));
}

Id128 BatchId(Id128 prev, uint64_t epoch, uint64_t revision, absl::string_view changes) {
  std::string bytes = prev.ToBytes();
  AppendBigEndian(epoch, &bytes);
  AppendBigEndian(revision, &bytes);
  bytes += Hash(changes).ToBytes();
  return Hash(bytes);
}

}  // namespace trivium
