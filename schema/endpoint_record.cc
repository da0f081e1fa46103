#include "schema/endpoint_record.h"

#include <algorithm>

#include "schema/digest.h"
#include "schema/wire.h"

namespace trivium {
namespace {

using wire::Bytes;
using wire::Number;
using wire::Walk;

bool AddAddress(uint32_t space, absl::string_view ip, EndpointRecord* record) {
  if (ip.size() != 4 && ip.size() != 16) return false;
  EndpointRecord::Address address;
  address.space = space;
  address.size = static_cast<uint8_t>(ip.size());
  std::copy(ip.begin(), ip.end(), address.bytes.begin());
  record->addresses.push_back(address);
  return true;
}

bool ParseAddress(absl::string_view message, EndpointRecord* record) {
  uint32_t space = 0;
  absl::string_view ip;
  const bool whole = Walk(
      message,
      [&ip](uint32_t tag, absl::string_view value) {
        if (tag == Bytes(v1::EndpointAddress::kIpFieldNumber)) ip = value;
        return true;
      },
      [&space](uint32_t tag, uint64_t value) {
        if (tag == Number(v1::EndpointAddress::kSpaceFieldNumber)) space = static_cast<uint32_t>(value);
        return true;
      });
  if (whole) AddAddress(space, ip, record);
  return whole;
}

}  // namespace

std::optional<EndpointRecord> RecordOf(const v1::Endpoint& endpoint, uint64_t revision) {
  const absl::StatusOr<Id128> uid = Id128::FromBytes(endpoint.meta().uid());
  if (!uid.ok()) return std::nullopt;
  std::optional<EndpointRecord> record(std::in_place);
  record->uid = *uid;
  record->revision = revision;
  record->node = endpoint.node();
  record->identity = endpoint.identity();
  for (const v1::EndpointAddress& address : endpoint.addresses()) {
    AddAddress(address.space(), address.ip(), &*record);
  }
  return record;
}

std::optional<EndpointRecord> ParseRecord(absl::string_view endpoint, uint64_t revision) {
  EndpointRecord record;
  record.revision = revision;
  absl::string_view uid;
  const bool whole = Walk(
      endpoint,
      [&](uint32_t tag, absl::string_view value) {
        if (tag == Bytes(v1::Endpoint::kAddressesFieldNumber)) return ParseAddress(value, &record);
        if (tag != Bytes(v1::Endpoint::kMetaFieldNumber)) return true;
        return Walk(
            value,
            [&uid](uint32_t inner, absl::string_view bytes) {
              if (inner == Bytes(v1::Meta::kUidFieldNumber)) uid = bytes;
              return true;
            },
            [](uint32_t, uint64_t) { return true; });
      },
      [&record](uint32_t tag, uint64_t value) {
        if (tag == Number(v1::Endpoint::kNodeFieldNumber)) record.node = static_cast<uint32_t>(value);
        if (tag == Number(v1::Endpoint::kIdentityFieldNumber)) record.identity = static_cast<uint32_t>(value);
        return true;
      });
  const absl::StatusOr<Id128> id = Id128::FromBytes(uid);
  if (!whole || !id.ok()) return std::nullopt;
  record.uid = *id;
  return record;
}

void ToEndpoint(const EndpointRecord& record, v1::Endpoint* endpoint) {
  endpoint->mutable_meta()->set_uid(record.uid.ToBytes());
  endpoint->set_node(record.node);
  endpoint->set_identity(record.identity);
  for (const EndpointRecord::Address& address : record.addresses) {
    v1::EndpointAddress* out = endpoint->add_addresses();
    out->set_space(address.space);
    out->set_ip(std::string(address.ip()));
  }
}

Id128 EndpointKeyHash(const Id128& uid) {
  constexpr char kDigits[] = "0123456789abcdef";
  char key[32];
  for (int i = 0; i < 16; ++i) {
    key[i] = kDigits[uid.hi >> (60 - 4 * i) & 15];
    key[16 + i] = kDigits[uid.lo >> (60 - 4 * i) & 15];
  }
  return KeyHash(v1::KIND_ENDPOINT, {key, sizeof key});
}

}  // namespace trivium
