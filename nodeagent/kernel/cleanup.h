// Removes all that the agent has put into the kernel of a node: for uninstalling, and for tests. Pods lose
// their network, closed first: their filters go last.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace trivium {

struct CleanupOptions {
  std::string pin_root;
  std::string overlay_device = "trivium0";
};

// Of the thread's network namespace and the pin root: routes and neighbours, the overlay device (only if it
// is a VXLAN in metadata mode), pins of every ABI version, filters. Goes on after a failure and returns the
// first one. OK if there is nothing. Settings such as ip_forward stay.
absl::Status RemoveFromKernel(const CleanupOptions& options);

}  // namespace trivium
