// Length- and checksum-framed records in a file: what the durable copy is made of. Pure; thread-safe.
//   u32 length (little-endian) | u64 checksum | bytes
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trivium {

void AppendFrame(absl::string_view bytes, std::string* out);

struct Frames {
  std::vector<absl::string_view> frames;  // into the text given
  size_t good = 0;  // bytes up to the end of the last whole frame; less than all: a torn tail
};
Frames ReadFrames(absl::string_view text);

}  // namespace trivium
