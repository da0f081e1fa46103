// The fields of a serialized message, one after another, without making the message. Internal to schema/.
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

#include "absl/strings/string_view.h"

namespace trivium::wire {

// Tags of a field, by how it is encoded.
constexpr uint32_t Bytes(int field) { return static_cast<uint32_t>(field) << 3 | 2; }
constexpr uint32_t Number(int field) { return static_cast<uint32_t>(field) << 3; }
constexpr int FieldOf(uint32_t tag) { return static_cast<int>(tag >> 3); }

// Calls `bytes(tag, content)` for each length-delimited field and `number(tag, value)` for each varint, skips
// others. Both say whether to go on; false from one of them, or from malformed bytes.
template <typename OnBytes, typename OnNumber>
bool Walk(absl::string_view message, OnBytes bytes, OnNumber number) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()),
                                            static_cast<int>(message.size()));
  while (const uint32_t tag = in.ReadTag()) {
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        uint32_t size = 0;
        if (!in.ReadVarint32(&size)) return false;
        const size_t at = static_cast<size_t>(in.CurrentPosition());
        if (size > message.size() - at || !in.Skip(static_cast<int>(size))) return false;
        if (!bytes(tag, message.substr(at, size))) return false;
        break;
      }
      case WireFormatLite::WIRETYPE_VARINT: {
        uint64_t value = 0;
        if (!in.ReadVarint64(&value) || !number(tag, value)) return false;
        break;
      }
      default:
        if (!WireFormatLite::SkipField(&in, tag)) return false;
    }
  }
  return in.ConsumedEntireMessage();
}

}  // namespace trivium::wire
