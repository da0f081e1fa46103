#include "nodeagent/mirror/frames.h"

#include <cstring>

#include "schema/digest.h"

namespace trivium {
namespace {

constexpr size_t kHeader = 12;

uint64_t Checksum(absl::string_view bytes) { return KeyHash(v1::KIND_UNSPECIFIED, bytes).lo; }

template <typename T>
void Put(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

template <typename T>
T Get(absl::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

}  // namespace

void AppendFrame(absl::string_view bytes, std::string* out) {
  Put(static_cast<uint32_t>(bytes.size()), out);
  Put(Checksum(bytes), out);
  out->append(bytes.data(), bytes.size());
}

Frames ReadFrames(absl::string_view text) {
  Frames result;
  while (text.size() - result.good >= kHeader) {
    const absl::string_view rest = text.substr(result.good);
    const size_t size = Get<uint32_t>(rest);
    if (size > rest.size() - kHeader) break;
    const absl::string_view bytes = rest.substr(kHeader, size);
    if (Get<uint64_t>(rest.substr(4)) != Checksum(bytes)) break;
    result.frames.push_back(bytes);
    result.good += kHeader + size;
  }
  return result;
}

}  // namespace trivium
