// `policy trace` for people. Pure.
#pragma once

#include <string>

#include "cli/style.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// Who, what and the verdict; then for each direction the reason, the policies that select the subject, the
// rules that match, and for a denial what would have allowed it; last the revisions that the answer rests on.
std::string TraceText(const v1::TraceRequest& request, const v1::TraceResult& result, const Style& style);

}  // namespace trivium::cli
