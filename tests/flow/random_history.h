// Made-up histories of the mesh as an agent meets them: nodes, identities, endpoints, policies and CIDR
// groups come, change and go.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/flow/agent_world.h"

namespace trivium {

struct WorldChange {
  bool own = false;  // of aws, else of gcp
  bool deletion = false;
  v1::Object object;  // whole, also of a deletion
};

// At every prefix of it no address has two owners, and no endpoint an identity that is not there.
class RandomHistory {
 public:
  explicit RandomHistory(uint32_t seed) : rng_(seed) {}
  // The next change.
  WorldChange Next();

 private:
  struct Live {
    v1::Object object;
    bool own = false;
    std::string ip;
  };
  uint32_t Roll(uint32_t bound) { return rng_() % bound; }
  WorldChange AddIdentity();
  WorldChange AddEndpoint();
  WorldChange ChangePolicy();
  WorldChange ChangeNode();

  std::mt19937 rng_;
  uint32_t next_ = 1;
  std::map<uint32_t, std::pair<v1::Object, bool>> identities_;
  std::map<uint64_t, Live> endpoints_;
  std::map<uint32_t, v1::Object> policies_;  // and CIDR groups, by MadeUpNameOf's number
  std::map<std::string, v1::Object> nodes_;
};

// Stages and commits these changes as one batch per cluster, the last of each key; returns whether each had
// any.
struct Committed {
  bool aws = false;
  bool gcp = false;
};
Committed CommitTogether(AgentWorld* world, const std::vector<WorldChange>& changes, bool publish);

// What a policy library without maps says of each sample flow between this agent's endpoints and the
// addresses of the mesh and outside, and what the maps say: '1' allowed, '0' not. Same order, with a
// description of each.
struct Verdicts {
  std::vector<std::string> flows;
  std::string by_policy;
  std::string by_maps;
};
Verdicts SampleFlows(const AgentWorld& world, const std::vector<std::string>& locals,
                     bool with_policy = true);

}  // namespace trivium
