// The labels that -l selects an object by. Pure.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "cli/kinds.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// Whether objects of this kind have labels at all: nodes, clusters and regions have none.
bool HasLabels(const KindInfo& kind);

// Of a namespace, a group of prefixes, an identity (its pods' own), an endpoint (by its identity, one of
// `identities`), a policy (from its manifest, which must be there).
absl::StatusOr<std::map<std::string, std::string>> LabelsOf(
    const v1::GetResult::Item& item, const std::map<uint32_t, v1::Identity>& identities);

}  // namespace trivium::cli
