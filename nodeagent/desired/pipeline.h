// From what the mirrors hold and the endpoints of this node to what stands in the kernel's maps: the whole
// meaning of the agent, without NATS, files or sockets. Used by the agent's App, and by the conformance
// runner's kernel judge. Pure but for the MapIo it is given; not thread-safe.
//
// Objects come in as changes (OnObject), are indexed at once, and mark dirty what depends on them; Flush
// computes only that, and writes only keys whose value differs from what the kernel holds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/id128.h"
#include "nodeagent/compile/rule_set_table.h"
#include "nodeagent/desired/address_table.h"
#include "nodeagent/desired/cidr_identities.h"
#include "nodeagent/desired/numbers.h"
#include "nodeagent/desired/policy_table.h"
#include "nodeagent/reconcile/reconciler.h"
#include "schema/endpoint_record.h"

namespace trivium {

using ObjectPtr = std::shared_ptr<const v1::Object>;

// One object of one cluster: null `before`: new; null `after`: deleted.
struct ObjectChange {
  v1::Kind kind = v1::KIND_UNSPECIFIED;
  std::string key;
  ObjectPtr before;
  ObjectPtr after;
  uint64_t revision = 0;  // of the change
};

class Pipeline {
 public:
  struct Options {
    std::string cluster;
    uint32_t cluster_id = 0;
    std::string node;
    uint32_t space = 0;
    // What the node knows of itself before any server told it; addresses are 4 or 16 bytes.
    std::vector<v1::Cidr> pod_cidrs;
    std::vector<std::string> inner_addresses;
    std::vector<std::string> underlay_addresses;
    absl::Duration grace = absl::Milliseconds(500);
  };
  struct LocalEndpoint {
    Id128 uid;
    uint32_t number = 0;  // NewEndpointNumber
    uint32_t ifindex = 0;
    std::vector<std::string> ips;  // 4 or 16 bytes each
    std::string pod_mac;           // 6 bytes
    std::string host_mac;
    // Its identity as long as its cluster's log does not hold the endpoint; 0: none, closed. It counts only
    // while the number stands for that set of labels and ports (policy::CanonicalForm): after a restore it
    // may be somebody else's.
    uint32_t fallback_identity = 0;
    std::string fallback_form;
    bool audit = false;  // its policies are judged and reported, not enforced
  };
  struct EndpointView {
    uint32_t identity = IDENTITY_INIT;
    bool registered = false;        // its cluster's log holds it
    bool resolved = false;          // its identity is known here, so that it has a policy
    bool enforced = false;          // and that stands in the maps, in both directions
    bool addressed = true;          // its addresses lead to it in the maps
    uint32_t ingress_rule_set = 0;  // in the maps; 0: closed
    uint32_t egress_rule_set = 0;
    bool audited = false;  // as the maps have it, in some direction
  };
  // A policy that some endpoint here should follow and does not, after a flush that was not complete.
  struct NotEnforced {
    std::string policy;  // object key; one that is deleted and still in force counts as well
    std::string reason;
    uint32_t endpoints = 0;
    friend bool operator==(const NotEnforced&, const NotEnforced&) = default;
  };
  struct Counters {
    uint64_t rule_sets_built = 0;   // from policies
    uint64_t policies_matched = 0;  // pairs of policy and subject compared
  };
  struct Place {
    uint64_t epoch = 0;
    uint64_t revision = 0;
    Id128 batch;
  };

  // `clock` is not owned.
  Pipeline(Options options, const Clock* clock);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Reads the kernel's maps and goes on from there. First of all calls.
  absl::Status Adopt(MapIo* io);

  // `cluster`: whose object; 0 is the mesh's own log.
  void OnObject(uint32_t cluster, const ObjectChange& change);
  // An endpoint's change, in the form that agents hold endpoints in: null `before`: new; null `after`:
  // deleted.
  void OnEndpoint(uint32_t cluster, const EndpointRecord* before, const EndpointRecord* after);

  uint32_t NewEndpointNumber() { return numbers_.Endpoint(); }
  // Adds or changes one (by uid).
  void SetLocalEndpoint(const LocalEndpoint& endpoint);
  void RemoveLocalEndpoint(const Id128& uid);

  // Brings the maps to what is wanted. FailedKeys are left out until Retry() or a change.
  FlushReport Flush(MapIo* io);
  // For an agent that must not touch remote state yet (its copy is older than the maps): local endpoints
  // alone, closed.
  FlushReport FlushClosed(MapIo* io);
  void Retry() { maps_.Retry(); }

  // The pinned vector: what the maps hold of each cluster. Written when every write up to there is done.
  absl::flat_hash_map<uint32_t, Place> Vector() const;
  MapWriteResult WriteVector(MapIo* io, const std::vector<std::pair<uint32_t, Place>>& places);
  MapWriteResult DropVector(MapIo* io, uint32_t cluster);

  EndpointView View(const Id128& uid) const;
  // Goes up whenever View of any endpoint here, or registered_here, may say something else than before.
  uint64_t local_changes() const {
    return local_changes_ + maps_.endpoint_policy.changes() + maps_.endpoints.changes();
  }
  // By policy, in order. Asked after a flush.
  std::vector<NotEnforced> PoliciesNotEnforced() const;
  // Identities that the log has retired while an endpoint of this node uses them.
  std::vector<uint32_t> RetiredInUse() const;
  // Where overlay routes must lead: pod networks of the node's address space.
  std::vector<v1::Cidr> PodNetworks() const;
  // Endpoints that the own cluster's log holds for this node, whether they are here or not.
  const std::set<Id128>& registered_here() const { return registered_here_; }
  // This node's number; 0 before it is registered.
  uint32_t node_number() const { return node_number_; }
  const Cookies::Origin* FindCookie(uint32_t cookie) const { return rule_sets_.cookies().Find(cookie); }

  // One line per difference between the kernel's maps, read anew, and what is wanted.
  absl::StatusOr<std::vector<std::string>> Audit(MapIo* io, size_t limit) const {
    return maps_.Audit(io, limit);
  }

  const KernelMaps& maps() const { return maps_; }
  const Peers& peers() const { return peers_; }
  const RuleSetTable& rule_sets() const { return rule_sets_; }
  const Counters& counters() const { return counters_; }

 private:
  // A local identity: what policies are resolved for, once for all endpoints that have it.
  struct Subject {
    int endpoints = 0;
    std::set<std::string> policies;  // keys of those that select it
    ObjectPtr matched;               // the identity that `policies` is right for; null: not matched
    uint32_t rule_set[2] = {0, 0};   // by direction; 0: none
  };
  struct Local {
    LocalEndpoint spec;
    uint32_t identity = 0;  // as resolved; 0: none
    bool claims = false;    // its addresses are claimed for it, as nobody has registered it
  };
  struct Versioned {
    ObjectPtr object;
    uint64_t revision = 0;
  };
  using NodeId = std::pair<uint32_t, std::string>;  // cluster, name

  void OnIdentity(uint32_t cluster, const ObjectChange& change);
  void OnEndpointObject(uint32_t cluster, const ObjectChange& change);
  void OnNode(uint32_t cluster, const ObjectChange& change);
  void OnPolicy(const ObjectChange& change);
  // The subject's rule sets of these directions (bits) must be built anew.
  void MarkDirty(uint32_t identity, uint8_t directions) {
    ++local_changes_;
    dirty_subjects_[identity] |= directions;
  }
  void OnCidrGroup(const ObjectChange& change);
  void OnCluster(const ObjectChange& change);

  // What a node contributes, made or taken back.
  void WithdrawNode(const NodeId& id, const v1::Node& node);
  void ClaimNode(const NodeId& id, const v1::Node& node, uint64_t revision);
  void ClaimOwnNode();
  uint32_t SpaceOf(uint32_t cluster) const;
  void ResetNetworks();

  void ResolveEndpoint(Local* local);
  // Why a map lacks something that is wanted.
  std::string ReasonOf(MapId map) const;
  uint32_t FallbackOf(const LocalEndpoint& spec) const;
  void SetNodeNumber(uint32_t number);
  void WithdrawLocal(Local* local);
  void LeaveSubject(uint32_t identity);
  void WantEndpoint(const Local& local);
  // Builds the rule sets of dirty subjects, and wants them for their endpoints.
  void ResolveSubjects();
  void MatchPolicies(uint32_t identity, Subject* subject);
  void Unmatch(uint32_t identity, Subject* subject);
  // A peer of a CIDR identity has come or gone.
  void OnPrefixes(const std::vector<CidrIdentities::Change>& changes);
  void AdoptRuleSets(uint32_t identity, const std::shared_ptr<const policy::RuleSet> (&sets)[2]);

  const Options options_;
  const Clock* const clock_;
  KernelMaps maps_;
  Numbers numbers_;
  Peers peers_;
  RuleSetTable rule_sets_;
  Reconciler reconciler_;
  AddressTable addresses_;
  CidrIdentities cidrs_;

  std::map<uint32_t, v1::Cluster> clusters_;
  std::map<NodeId, Versioned> nodes_;
  uint32_t node_number_ = 0;
  std::vector<std::string> own_addresses_;  // claimed for the own node
  PolicyTable policies_;
  policy::CidrGroups cidr_groups_;
  struct Registered {
    uint32_t identity = 0;
    uint32_t node = 0;
  };
  absl::flat_hash_map<Id128, Registered> registered_;  // own cluster's endpoints
  std::set<Id128> registered_here_;                    // those of this node
  absl::flat_hash_map<Id128, Local> locals_;
  absl::flat_hash_map<uint32_t, Subject> subjects_;
  policy::LabelIndex subject_labels_;  // of subjects that are matched
  std::map<uint32_t, uint8_t> dirty_subjects_;
  uint64_t local_changes_ = 0;
  absl::flat_hash_set<uint32_t> removed_endpoints_;
  absl::flat_hash_set<uint32_t> retired_in_use_;
  std::map<MapId, absl::Status> map_problems_;  // the last of each map that is not in step
  Counters counters_;
};

}  // namespace trivium
