#include "nodeagent/desired/pipeline.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/status.h"
#include "nodeagent/compile/keys.h"
#include "policy/labels.h"
#include "policy/selector.h"
#include "schema/object.h"

namespace trivium {
namespace {

known_key KnownKey(uint32_t identity) {
  known_key key{};
  key.identity = identity;
  return key;
}

bool SameMeaning(const v1::Identity& a, const v1::Identity& b) {
  return policy::CanonicalForm({a.labels().begin(), a.labels().end()},
                               {a.named_ports().begin(), a.named_ports().end()}) ==
         policy::CanonicalForm({b.labels().begin(), b.labels().end()},
                               {b.named_ports().begin(), b.named_ports().end()});
}

}  // namespace

Pipeline::Pipeline(Options options, const Clock* clock)
    : options_(std::move(options)),
      clock_(clock),
      numbers_(&maps_),
      rule_sets_(&maps_, &peers_,
                 {[this] { return numbers_.RuleSet(); }, [this] { return numbers_.Cookie(); }}),
      reconciler_({options_.cluster_id, options_.space, options_.grace}, &maps_, &rule_sets_, &peers_),
      addresses_(&maps_.ipcache),
      cidrs_(options_.space, &maps_, [this] { return numbers_.CidrIdentity(); }) {
  for (const v1::Identity& identity : policy::ReservedIdentities()) {
    auto object = std::make_shared<v1::Object>();
    *object->mutable_identity() = identity;
    peers_[identity.id()] = {std::move(object), {}, 0};
    rule_sets_.PeerAdded(identity.id());
    maps_.known.Set(KnownKey(identity.id()), known_value{});
  }
  ClaimOwnNode();
  ResetNetworks();
}

absl::Status Pipeline::Adopt(MapIo* io) {
  TRIVIUM_RETURN_IF_ERROR(maps_.ReadAll(io));
  numbers_.Recover();
  cidrs_.Recover();
  reconciler_.Adopted();
  // The vector changes only by WriteVector.
  for (const auto& [key, value] : PodMap<vector_key, vector_value>(maps_.vector.extra())) {
    maps_.vector.Set(key, value);
  }
  return absl::OkStatus();
}

void Pipeline::OnObject(uint32_t cluster, const ObjectChange& change) {
  switch (change.kind) {
    case v1::KIND_IDENTITY:
      return OnIdentity(cluster, change);
    case v1::KIND_ENDPOINT:
      return OnEndpointObject(cluster, change);
    case v1::KIND_NODE:
      return OnNode(cluster, change);
    case v1::KIND_POLICY:
      if (cluster == options_.cluster_id) OnPolicy(change);
      return;
    case v1::KIND_CLUSTER:
      if (cluster == kMeshClusterId) OnCluster(change);
      return;
    case v1::KIND_CIDR_GROUP:
      if (cluster == options_.cluster_id) OnCidrGroup(change);
      return;
    default:
      return;  // of no use to the maps
  }
}

void Pipeline::OnEndpointObject(uint32_t cluster, const ObjectChange& change) {
  const auto record = [&change](const ObjectPtr& object) {
    return object == nullptr ? std::nullopt : RecordOf(object->endpoint(), change.revision);
  };
  const std::optional<EndpointRecord> before = record(change.before), after = record(change.after);
  OnEndpoint(cluster, before.has_value() ? &*before : nullptr, after.has_value() ? &*after : nullptr);
}

void Pipeline::OnCidrGroup(const ObjectChange& change) {
  // Before and after: a group may have lost the labels by which it was selected.
  const auto uses = [&change](const v1::Policy& policy) {
    for (const ObjectPtr& group : {change.before, change.after}) {
      if (group != nullptr && policy::RefersTo(policy, group->cidr_group())) return true;
    }
    return false;
  };
  for (const auto& [identity, subject] : subjects_) {
    if (subject.matched == nullptr) continue;  // waits to be built anyway
    for (const std::string& key : subject.policies) {
      if (!uses(policies_.Find(key)->object->policy())) continue;
      MarkDirty(identity, kBothDirections);
      break;
    }
  }
  if (change.after != nullptr) {
    cidr_groups_.Set(change.after->cidr_group());
  } else {
    cidr_groups_.Remove(change.key);
  }
}

void Pipeline::OnIdentity(uint32_t cluster, const ObjectChange& change) {
  const ObjectPtr& object = change.after != nullptr ? change.after : change.before;
  if (object == nullptr) return;
  const uint32_t id = object->identity().id();
  if (id <= IDENTITY_MAX_RESERVED || id > IDENTITY_MAX_MESH) return;  // nobody may redefine those
  const auto held = peers_.find(id);
  if (change.after == nullptr) {
    // Another cluster may have taken the number meanwhile: its identity stays.
    if (held == peers_.end() || held->second.cluster != cluster) return;
    const Peer before = std::move(held->second);
    peers_.erase(held);
    maps_.known.Remove(KnownKey(id));
    rule_sets_.PeerChanged(id, &before);
    if (subjects_.contains(id)) retired_in_use_.insert(id);
  } else {
    const bool same = held != peers_.end() && held->second.cluster == cluster &&
                      SameMeaning(held->second.object->identity(), object->identity());
    if (held != peers_.end() && !same) reconciler_.Rekey(id);
    std::optional<Peer> before;
    if (held != peers_.end()) before = std::move(held->second);
    peers_[id] = {object, {}, cluster};
    retired_in_use_.erase(id);
    if (same) return;
    known_value value{};
    value.cluster = cluster;
    maps_.known.Set(KnownKey(id), value);
    rule_sets_.PeerChanged(id, before.has_value() ? &*before : nullptr);
  }
  if (const auto subject = subjects_.find(id); subject != subjects_.end()) {
    Unmatch(id, &subject->second);
    MarkDirty(id, kBothDirections);
  }
  if (cluster != options_.cluster_id) return;
  for (auto& [uid, local] : locals_) {
    if (local.spec.fallback_identity == id && !registered_.contains(uid)) ResolveEndpoint(&local);
  }
}

void Pipeline::OnEndpoint(uint32_t cluster, const EndpointRecord* before, const EndpointRecord* after) {
  if (before == nullptr && after == nullptr) return;
  const Id128 uid = (after != nullptr ? after : before)->uid;
  const uint64_t owner = AddressTable::Owner(cluster, uid);
  if (after != nullptr) {
    AddressClaim claim{owner, after->revision, {}};
    claim.value.identity = after->identity;
    claim.value.cluster = cluster;
    claim.value.node = after->node;
    for (const EndpointRecord::Address& address : after->addresses) {
      addresses_.Claim(IpcacheKey(address.space, address.ip()), claim);
    }
  }
  if (before != nullptr) {
    for (const EndpointRecord::Address& address : before->addresses) {
      const bool kept = after != nullptr && std::find(after->addresses.begin(), after->addresses.end(),
                                                      address) != after->addresses.end();
      if (!kept) addresses_.Withdraw(IpcacheKey(address.space, address.ip()), owner);
    }
  }
  if (cluster != options_.cluster_id) return;
  if (after != nullptr) {
    registered_[uid] = {after->identity, after->node};
    if (node_number_ != 0 && after->node == node_number_) {
      local_changes_ += registered_here_.insert(uid).second;
    } else {
      local_changes_ += registered_here_.erase(uid);
    }
  } else {
    registered_.erase(uid);
    local_changes_ += registered_here_.erase(uid);
  }
  if (const auto local = locals_.find(uid); local != locals_.end()) {
    if (after != nullptr) local->second.claims = false;  // the same owner's claim: replaced above
    ResolveEndpoint(&local->second);
  }
}

uint32_t Pipeline::SpaceOf(uint32_t cluster) const {
  const auto it = clusters_.find(cluster);
  return it == clusters_.end() ? options_.space : it->second.address_space();
}

void Pipeline::WithdrawNode(const NodeId& id, const v1::Node& node) {
  const uint64_t owner = AddressTable::Owner(id.first, v1::KIND_NODE, id.second);
  for (const std::string& ip : node.inner_addresses()) {
    if (IsAddress(ip)) addresses_.Withdraw(IpcacheKey(SpaceOf(id.first), ip), owner);
  }
  for (const std::string& ip : node.addresses()) {
    if (!IsAddress(ip)) continue;
    addresses_.Withdraw(IpcacheKey(options_.space, ip), owner);
    const underlay_value* value = maps_.underlay.Desired(UnderlayKey(ip));
    if (value != nullptr && value->cluster == id.first && value->node == node.number()) {
      maps_.underlay.Remove(UnderlayKey(ip));
    }
  }
  node_key key{};
  key.cluster = id.first;
  key.node = node.number();
  maps_.nodes.Remove(key);
}

void Pipeline::ClaimNode(const NodeId& id, const v1::Node& node, uint64_t revision) {
  AddressClaim claim{AddressTable::Owner(id.first, v1::KIND_NODE, id.second), revision, {}};
  claim.value.identity = IDENTITY_REMOTE_NODE;
  claim.value.cluster = id.first;
  claim.value.node = node.number();
  claim.value.flags = IPCACHE_NODE;
  for (const std::string& ip : node.inner_addresses()) {
    if (IsAddress(ip)) addresses_.Claim(IpcacheKey(SpaceOf(id.first), ip), claim);
  }
  node_key key{};
  key.cluster = id.first;
  key.node = node.number();
  node_value value{};
  value.key_id = node.key_id();
  value.mtu = node.mtu();
  bool has[2] = {false, false};
  for (const std::string& ip : node.addresses()) {
    if (!IsAddress(ip)) continue;
    addresses_.Claim(IpcacheKey(options_.space, ip), claim);
    const bool v6 = ip.size() == 16;
    if (has[v6]) continue;  // the first of a family is the tunnel's end
    has[v6] = true;
    std::memcpy(v6 ? value.underlay6 : value.underlay4, ip.data(), ip.size());
    underlay_value end{};
    end.cluster = id.first;
    end.node = node.number();
    maps_.underlay.Set(UnderlayKey(ip), end);
  }
  maps_.nodes.Set(key, value);
}

void Pipeline::ClaimOwnNode() {
  const NodeId id{options_.cluster_id, options_.node};
  const uint64_t owner = AddressTable::Owner(id.first, v1::KIND_NODE, id.second);
  for (const std::string& ip : own_addresses_) addresses_.Withdraw(IpcacheKey(options_.space, ip), owner);
  own_addresses_ = options_.inner_addresses;
  own_addresses_.insert(own_addresses_.end(), options_.underlay_addresses.begin(),
                        options_.underlay_addresses.end());
  AddressClaim claim{owner, 0, {}};
  if (const auto node = nodes_.find(id); node != nodes_.end()) {
    const v1::Node& told = node->second.object->node();
    own_addresses_.insert(own_addresses_.end(), told.inner_addresses().begin(), told.inner_addresses().end());
    own_addresses_.insert(own_addresses_.end(), told.addresses().begin(), told.addresses().end());
    claim.revision = node->second.revision;
  }
  std::erase_if(own_addresses_, [](const std::string& ip) { return !IsAddress(ip); });
  claim.value.identity = IDENTITY_HOST;
  claim.value.cluster = id.first;
  claim.value.node = node_number_;
  claim.value.flags = IPCACHE_NODE;
  for (const std::string& ip : own_addresses_) addresses_.Claim(IpcacheKey(options_.space, ip), claim);
}

void Pipeline::OnNode(uint32_t cluster, const ObjectChange& change) {
  const NodeId id{cluster, change.key};
  const bool own = cluster == options_.cluster_id && change.key == options_.node;
  if (const auto it = nodes_.find(id); it != nodes_.end()) {
    if (!own) WithdrawNode(id, it->second.object->node());
    nodes_.erase(it);
  }
  if (change.after != nullptr) {
    nodes_[id] = {change.after, change.revision};
    if (!own) ClaimNode(id, change.after->node(), change.revision);
  }
  if (!own) return;
  SetNodeNumber(change.after != nullptr ? change.after->node().number() : 0);
  ClaimOwnNode();
  for (auto& [uid, local] : locals_) ResolveEndpoint(&local);
}

void Pipeline::OnCluster(const ObjectChange& change) {
  const v1::Object* object = change.after != nullptr ? change.after.get() : change.before.get();
  if (object == nullptr) return;
  const uint32_t cluster = object->cluster().id();
  // Inner addresses of its nodes are in its address space.
  auto nodes_of = [&](auto&& act) {
    for (auto it = nodes_.lower_bound({cluster, ""}); it != nodes_.end() && it->first.first == cluster;
         ++it) {
      if (it->first != NodeId{options_.cluster_id, options_.node}) act(it->first, it->second);
    }
  };
  nodes_of([&](const NodeId& id, const Versioned& node) { WithdrawNode(id, node.object->node()); });
  if (change.after != nullptr) {
    clusters_[cluster] = change.after->cluster();
  } else {
    clusters_.erase(cluster);
  }
  nodes_of(
      [&](const NodeId& id, const Versioned& node) { ClaimNode(id, node.object->node(), node.revision); });
  ResetNetworks();
}

void Pipeline::ResetNetworks() {
  std::vector<CidrIdentities::Network> networks;
  for (const v1::Cidr& cidr : options_.pod_cidrs)
    networks.push_back({options_.cluster_id, options_.space, cidr});
  for (const auto& [id, cluster] : clusters_) {
    for (const v1::Cidr& cidr : cluster.pod_cidrs()) networks.push_back({id, cluster.address_space(), cidr});
  }
  OnPrefixes(cidrs_.SetNetworks(networks));
}

std::vector<v1::Cidr> Pipeline::PodNetworks() const {
  std::vector<v1::Cidr> networks;
  for (const auto& [id, cluster] : clusters_) {
    if (cluster.address_space() != options_.space) continue;
    networks.insert(networks.end(), cluster.pod_cidrs().begin(), cluster.pod_cidrs().end());
  }
  return networks;
}

void Pipeline::OnPolicy(const ObjectChange& change) {
  const ObjectPtr before = change.after != nullptr ? policies_.Set(change.key, change.after, change.revision)
                                                   : policies_.Remove(change.key);
  policy::SortedNumbers subjects;
  uint8_t directions = 0;
  for (const ObjectPtr& object : {before, change.after}) {
    if (object == nullptr) continue;
    directions |= PolicyTable::DirectionsOf(object->policy());
    for (const v1::PolicyBlock& block : object->policy().blocks()) {
      const policy::SortedNumbers some = subject_labels_.Candidates(block.subject());
      subjects.insert(subjects.end(), some.begin(), some.end());
    }
  }
  policy::SortUnique(&subjects);
  for (const uint32_t identity : subjects) {
    Subject& subject = subjects_.at(identity);
    ++counters_.policies_matched;
    const bool selects =
        change.after != nullptr && policy::Selects(change.after->policy(), subject.matched->identity());
    const bool selected =
        selects ? !subject.policies.insert(change.key).second : subject.policies.erase(change.key) > 0;
    if ((selects || selected) && directions != 0) MarkDirty(identity, directions);
  }
}

FlushReport Pipeline::Flush(MapIo* io) {
  FlushReport report;
  while (true) {
    ResolveSubjects();
    if (const absl::Status reserved = numbers_.Reserve(io); !reserved.ok()) {
      report.complete = false;
      report.problems.push_back({MapId::kVector, 1, reserved});
      report.behind.insert(options_.cluster_id);
      return report;
    }
    FlushReport step = reconciler_.Flush(io, clock_->Monotonic());
    step.updates += report.updates;
    step.deletes += report.deletes;
    step.problems.insert(step.problems.end(), report.problems.begin(), report.problems.end());
    report = std::move(step);
    // Prefixes that only the dropped rule sets told apart go now.
    if (!rule_sets_.has_dropped()) break;
  }
  if (reconciler_.NothingForeign()) rule_sets_.NothingLeft();
  removed_endpoints_.clear();
  if (report.complete) map_problems_.clear();
  for (const MapProblem& problem : report.problems) map_problems_[problem.map] = problem.status;
  return report;
}

FlushReport Pipeline::FlushClosed(MapIo* io) {
  if (const absl::Status reserved = numbers_.Reserve(io); !reserved.ok()) {
    FlushReport report;
    report.complete = false;
    report.problems.push_back({MapId::kVector, 1, reserved});
    return report;
  }
  return reconciler_.FlushClosed(io, removed_endpoints_);
}

absl::flat_hash_map<uint32_t, Pipeline::Place> Pipeline::Vector() const {
  absl::flat_hash_map<uint32_t, Place> out;
  for (const auto& [key, wanted] : maps_.vector.desired()) {
    const std::optional<vector_value> value = maps_.vector.Actual(key);
    if (key.cluster == Numbers::kRecord || !value.has_value()) continue;
    const absl::StatusOr<Id128> batch =
        Id128::FromBytes(absl::string_view(reinterpret_cast<const char*>(value->batch), sizeof value->batch));
    out[key.cluster] = {value->epoch, value->revision, batch.ok() ? *batch : Id128{}};
  }
  return out;
}

MapWriteResult Pipeline::WriteVector(MapIo* io, const std::vector<std::pair<uint32_t, Place>>& places) {
  MapWriter writer(io);
  std::vector<std::pair<vector_key, vector_value>> todo;
  for (const auto& [cluster, place] : places) {
    vector_key key{};
    key.cluster = cluster;
    vector_value value{};
    value.epoch = place.epoch;
    value.revision = place.revision;
    std::memcpy(value.batch, place.batch.ToBytes().data(), sizeof value.batch);
    const std::optional<vector_value> actual = maps_.vector.Actual(key);
    maps_.vector.Set(key, value);
    if (!actual.has_value() || !SameBytes(*actual, value)) todo.emplace_back(key, value);
  }
  MapWriteResult result;
  writer.Write(MapId::kVector, &maps_.vector, std::move(todo));
  if (!writer.problems().empty()) {
    result.failed.resize(writer.problems()[0].keys);
    result.status = writer.problems()[0].status;
  }
  return result;
}

MapWriteResult Pipeline::DropVector(MapIo* io, uint32_t cluster) {
  vector_key key{};
  key.cluster = cluster;
  maps_.vector.Remove(key);
  MapWriter writer(io);
  writer.Erase(MapId::kVector, &maps_.vector, std::vector<vector_key>{key});
  MapWriteResult result;
  if (!writer.problems().empty()) {
    result.failed.resize(writer.problems()[0].keys);
    result.status = writer.problems()[0].status;
  }
  return result;
}

std::vector<uint32_t> Pipeline::RetiredInUse() const {
  std::vector<uint32_t> out(retired_in_use_.begin(), retired_in_use_.end());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace trivium
