// `policy diff`: which connections a change would let through or shut out. Pure.
#pragma once

#include <string>

#include "cli/style.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// What becomes of the objects, then a block for each pod's direction that changes: with whom, on which ports,
// and because of which rule. Peers with the same change stand in one line.
std::string PolicyDiffText(const v1::PolicyDiffResult& result, const Style& style);

}  // namespace trivium::cli
