// The VXLAN device that carries identities. It must exist before the programs are loaded, for they know its
// index.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trivium {

struct OverlayOptions {
  std::string device = "trivium0";
  uint16_t port = 8472;
};

// Creates the device (down), or adopts the one that is there; returns its index. kFailedPrecondition if
// something else has that name.
absl::StatusOr<uint32_t> EnsureOverlayDevice(const OverlayOptions& options);

}  // namespace trivium
