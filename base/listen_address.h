// Where a process serves its metrics: "127.0.0.1:9460", "[::1]:9460", port 0 for any free one, or "off".
// Value type.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/yaml_section.h"

namespace trivium {

struct ListenAddress {
  std::string ip;  // numeric; empty: off
  uint16_t port = 0;

  bool off() const { return ip.empty(); }
  std::string ToString() const;
  // kInvalidArgument says what is wanted. Names are refused: they could mean another address tomorrow.
  static absl::StatusOr<ListenAddress> Parse(absl::string_view text);
};

// Reads `metrics: {listen: ADDRESS}` of a daemon's file; `out` keeps its value if there is none.
absl::Status ReadMetricsSection(const YamlSection& top, ListenAddress* out);

}  // namespace trivium
