// What the parts of the planner share.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "controlplane/store/store.h"
#include "controlplane/writer/draft.h"
#include "replica/mirror.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

// The cluster whose requests are planned.
struct PlannerConfig {
  std::string cluster;
  uint32_t cluster_id = 0;
  uint32_t address_space = 0;
  std::vector<v1::Cidr> pod_cidrs;  // every endpoint's address is in one of them; empty: not checked
};

// The outcome of a request that is not refused.
struct Planned {
  bool deferred = false;  // does not fit behind what the draft holds: plan it again in the next batch
  v1::Reply reply;        // without epoch and revision
  std::vector<std::pair<ObjectKey, std::string>> manifests;  // of what is created or configured
  std::vector<AuditRow> audit;
};

struct PlanContext {
  const PlannerConfig& config;
  const Mirror& mesh;  // the mesh pseudo-cluster: identity blocks
  Random* random;
  const Caller& caller;
  Draft* draft;
};

// The audit row of one object that a person or a node changes.
AuditRow AuditOf(const Caller& caller, absl::string_view verb, const ObjectKey& key,
                 std::string manifest = "");

// A new object's Meta: a fresh uid, generation 1.
v1::Meta NewMeta(Random* random);

}  // namespace trivium
