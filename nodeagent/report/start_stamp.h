// When this run of the agent began, for the order of its reports: Unix milliseconds, but always later than
// the runs before it, whatever the machine's clock says. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace trivium {

// Keeps the stamp in `path`. An unreadable file counts as none; a stamp that cannot be kept is logged, and
// good for this run.
int64_t MakeStartStamp(Files* files, const std::string& path, int64_t now_ms);

}  // namespace trivium
