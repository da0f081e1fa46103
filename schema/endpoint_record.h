// An endpoint without its names: all that deciding about packets needs of it. Value type.
//
// Agents hold endpoints in this form: the message would cost several hundred bytes, and they come by the
// million.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "base/id128.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

struct EndpointRecord {
  struct Address {
    uint32_t space = 0;
    uint8_t size = 0;  // 4 or 16
    std::array<uint8_t, 16> bytes{};

    absl::string_view ip() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
    friend bool operator==(const Address&, const Address&) = default;
  };

  Id128 uid;
  uint64_t revision = 0;  // of its last change
  uint32_t node = 0;
  uint32_t identity = 0;
  absl::InlinedVector<Address, 1> addresses;

  friend bool operator==(const EndpointRecord&, const EndpointRecord&) = default;
};

// nullopt if its uid is none. Addresses that are neither 4 nor 16 bytes long are left out: they are none.
std::optional<EndpointRecord> RecordOf(const v1::Endpoint& endpoint, uint64_t revision);
// The same from a serialized v1::Endpoint, without making the message; nullopt also if it is malformed.
std::optional<EndpointRecord> ParseRecord(absl::string_view endpoint, uint64_t revision);
void ToEndpoint(const EndpointRecord& record, v1::Endpoint* endpoint);

// KeyHash of an endpoint's key.
Id128 EndpointKeyHash(const Id128& uid);

}  // namespace trivium
