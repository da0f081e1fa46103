// What the policy library says of a flow in a state of the mesh, without agents or maps. One thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nodeagent/config.h"
#include "policy/rule_set.h"
#include "tests/sim/history.h"
#include "tests/sim/plan.h"

namespace trivium::sim {

// A state of the mesh as one agent holds it: a record of the mesh's log and of each cluster's; null: nothing.
using Vector = std::array<const Record*, kClusters + 1>;

// Sets of verdicts.
inline constexpr uint32_t kMayDeny = 1;
inline constexpr uint32_t kMayAllow = 2;

struct Flow {
  std::string local;  // addresses, 4 bytes
  std::string remote;
  uint32_t direction = 0;
  uint16_t port = 0;
  std::string ToString() const;
};

// What a pod's identity is made of, besides its namespace.
struct PodLook {
  std::map<std::string, std::string> labels;
  std::string service_account;  // empty: default
  uint32_t named_port = 0;      // of TCP, called api; 0: none
  friend bool operator==(const PodLook&, const PodLook&) = default;
};

// A pod of the agent's node.
struct LocalPod {
  Id128 uid;
  std::string ip;
  std::string ifname;
  std::string ns;
  std::vector<PodLook> looks;  // all that it has had, the last one last
};

class Verdicts {
 public:
  explicit Verdicts(const AgentConfig* config);  // not owned: whose node it is
  // What may become of the flow in that state. `pods`: those of this node, as their creator knows them. With
  // `others`, who the remote end is comes from that state.
  uint32_t Of(const Vector& vector, const Flow& flow, const std::vector<LocalPod>& pods,
              const Vector* others = nullptr);
  // The identity of the address in that state: a pod's, a node's, or IDENTITY_WORLD; 0: a pod that nobody
  // has told of.
  uint32_t OwnerOf(const Vector& vector, const std::string& ip);

 private:
  struct Resolved {
    std::map<std::string, const v1::Identity*> owners;     // by address, of pods
    std::map<std::string, const v1::Identity*> endpoints;  // by key, of the own cluster
    std::map<std::string, uint32_t> nodes;                 // by address: a reserved identity
    std::vector<const v1::Identity*> identities;           // of the own cluster
    std::vector<const v1::Policy*> policies;
    std::vector<const v1::CidrGroup*> groups;
    std::vector<v1::Cidr> networks;
    std::map<std::pair<const v1::Identity*, uint32_t>, std::shared_ptr<const policy::RuleSet>> rule_sets;
  };
  Resolved& Resolve(const Vector& vector);
  static bool IsPodNetwork(const Resolved& resolved, const std::string& ip);
  bool Allows(Resolved* resolved, const v1::Identity* subject, const Flow& flow, const Resolved& others);

  const AgentConfig* const config_;
  std::map<Vector, Resolved> cache_;
};

}  // namespace trivium::sim
