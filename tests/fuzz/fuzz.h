// What every fuzz target has: the entry that libFuzzer (preset "fuzz") and the replay program (every other
// build) call, and a check that ends the process with its reason. See docs/fuzzing.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace trivium::fuzz {

inline absl::string_view Text(const uint8_t* data, size_t size) {
  return absl::string_view(reinterpret_cast<const char*>(data), size);
}

inline void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: broken: %s\n", what.c_str());
  std::abort();
}

}  // namespace trivium::fuzz
