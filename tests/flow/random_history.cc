#include "tests/flow/random_history.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/rule_set.h"
#include "policy/selector.h"
#include "schema/object.h"
#include "tests/flow/map_judge.h"
#include "tests/support/made_up_policies.h"

namespace trivium {
namespace {

v1::Object Deletion(const v1::Object& object) { return object; }

}  // namespace

WorldChange RandomHistory::AddIdentity() {
  const bool own = Roll(2) == 0;
  const uint32_t id = (own ? 50000 : 60000) + next_++;
  std::map<std::string, std::string> labels{{"app", kMadeUpApps[Roll(4)]}};
  if (Roll(3) == 0) labels["tier"] = absl::StrCat(Roll(3));
  const v1::Object object = IdentityObject(own ? "aws" : "gcp", id, labels);
  identities_[id] = {object, own};
  return {own, false, object};
}

WorldChange RandomHistory::AddEndpoint() {
  auto it = identities_.begin();
  std::advance(it, Roll(static_cast<uint32_t>(identities_.size())));
  const auto& [identity, own] = it->second;
  const uint64_t uid = 1000 + next_++;
  std::string ip;
  do {
    ip = absl::StrCat(own ? "10.1.2." : "10.2.1.", 10 + Roll(20));
  } while (
      std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& e) { return e.second.ip == ip; }));
  const v1::Object object = EndpointObject(uid, own ? 77 : 1, it->first, ip);
  endpoints_[uid] = {object, own, ip};
  return {own, false, object};
}

WorldChange RandomHistory::ChangePolicy() {
  const uint32_t number = Roll(kMadeUpNames);
  if (policies_.contains(number) && Roll(3) == 0) {
    WorldChange change{true, true, policies_[number]};
    policies_.erase(number);
    return change;
  }
  policies_[number] = PolicyObject(MadeUpManifest(number, Roll(1 << 20), {"aws", "gcp"}));
  return {true, false, policies_[number]};
}

WorldChange RandomHistory::ChangeNode() {
  const uint32_t number = 2 + Roll(3);
  const std::string name = absl::StrCat("g", number);
  if (nodes_.contains(name) && Roll(2) == 0) {
    WorldChange change{false, true, nodes_[name]};
    nodes_.erase(name);
    return change;
  }
  nodes_[name] = NodeObject(name, number, absl::StrCat("192.168.1.", number),
                            absl::StrCat("10.2.", 100 + number, ".", 1 + Roll(2)));
  return {false, false, nodes_[name]};
}

WorldChange RandomHistory::Next() {
  if (identities_.size() < 3) return AddIdentity();
  switch (Roll(10)) {
    case 0:
      return AddIdentity();
    case 1: {  // an identity that nobody has any more
      for (auto it = identities_.begin(); it != identities_.end(); ++it) {
        const uint32_t id = it->first;
        if (std::any_of(endpoints_.begin(), endpoints_.end(),
                        [id](const auto& e) { return e.second.object.endpoint().identity() == id; })) {
          continue;
        }
        WorldChange change{it->second.second, true, it->second.first};
        identities_.erase(it);
        return change;
      }
      return AddIdentity();
    }
    case 2:
    case 3:
    case 4:
      if (endpoints_.size() < 12) return AddEndpoint();
      [[fallthrough]];
    case 5:
    case 6: {
      if (endpoints_.empty()) return AddEndpoint();
      auto it = endpoints_.begin();
      std::advance(it, Roll(static_cast<uint32_t>(endpoints_.size())));
      WorldChange change{it->second.own, true, Deletion(it->second.object)};
      endpoints_.erase(it);
      return change;
    }
    case 7:
      return ChangeNode();
    default:
      return ChangePolicy();
  }
}

Committed CommitTogether(AgentWorld* world, const std::vector<WorldChange>& changes, bool publish) {
  std::map<std::pair<bool, ObjectKey>, const WorldChange*> last;
  for (const WorldChange& change : changes) last[{change.own, KeyOf(change.object)}] = &change;
  Committed committed;
  for (const auto& [key, change] : last) {
    FakeControlPlane& cp = change->own ? world->aws : world->gcp;
    (change->own ? committed.aws : committed.gcp) = true;
    if (change->deletion) {
      cp.Delete(key.second.kind, key.second.key);
    } else {
      cp.Upsert(change->object);
    }
  }
  if (committed.aws) world->aws.Commit(publish);
  if (committed.gcp) world->gcp.Commit(publish);
  return committed;
}

Verdicts SampleFlows(const AgentWorld& world, const std::vector<std::string>& locals, bool with_policy) {
  Verdicts out;
  struct Remote {
    std::string ip;
    const v1::Identity* identity = nullptr;  // null: an address outside
    bool dropped = false;                    // nobody that is known
  };
  std::vector<Remote> remotes;
  static const std::vector<v1::Identity> kReserved = policy::ReservedIdentities();
  auto reserved = [](uint32_t id) {
    return &*std::find_if(kReserved.begin(), kReserved.end(),
                          [id](const v1::Identity& i) { return i.id() == id; });
  };
  std::vector<const v1::Policy*> policies;
  for (const auto& [key, stored] : world.aws.mirror().All(v1::KIND_POLICY)) {
    policies.push_back(&stored.object->policy());
  }
  std::vector<const v1::CidrGroup*> groups;
  for (const auto& [key, stored] : world.aws.mirror().All(v1::KIND_CIDR_GROUP)) {
    groups.push_back(&stored.object->cidr_group());
  }
  std::map<std::string, const v1::Identity*> owners;
  for (const FakeControlPlane* cp : {&world.aws, &world.gcp}) {
    for (const auto& [key, stored] : cp->mirror().All(v1::KIND_ENDPOINT)) {
      const v1::Endpoint& endpoint = stored.object->endpoint();
      const v1::Object* identity = cp->mirror().Find(v1::KIND_IDENTITY, absl::StrCat(endpoint.identity()));
      if (identity != nullptr) owners[endpoint.addresses(0).ip()] = &identity->identity();
    }
  }
  // A fixed list of addresses, whoever has them: so that flows keep their place while the world changes.
  for (const char* prefix : {"10.1.2.", "10.2.1."}) {
    for (int i = 10; i < 30; ++i) {
      const std::string ip = Ip(absl::StrCat(prefix, i));
      const auto owner = owners.find(ip);
      remotes.push_back({ip, owner == owners.end() ? nullptr : owner->second, owner == owners.end()});
    }
  }
  for (const std::string& local : locals) {
    remotes.push_back(
        {Ip(local), owners.contains(Ip(local)) ? owners[Ip(local)] : nullptr, !owners.contains(Ip(local))});
  }
  remotes.push_back({Ip("10.1.1.1"), reserved(IDENTITY_HOST), false});
  remotes.push_back({Ip("10.2.1.1"), reserved(IDENTITY_REMOTE_NODE), false});
  for (const char* ip : {"192.0.2.7", "192.0.2.70", "192.0.2.200", "198.51.100.1"})
    remotes.push_back({Ip(ip)});
  for (const std::string& local : locals) {
    const auto subject = owners.find(Ip(local));
    for (const uint32_t direction : {0u, 1u}) {
      std::shared_ptr<const policy::RuleSet> rules;
      if (with_policy && subject != owners.end()) {
        rules = policy::RuleSet::Build(
            *subject->second, direction == 0 ? v1::Rule::INGRESS : v1::Rule::EGRESS, policies, groups);
      }
      for (const Remote& remote : remotes) {
        for (const uint16_t port : {80, 443, 5432, 5500}) {
          out.flows.push_back(absl::StrCat(local, direction == 0 ? " from " : " to ",
                                           policy::CidrText(policy::HostPrefix(remote.ip)), " tcp ", port));
          const MapVerdict judged = Judge(world.maps, {Ip(local), remote.ip, direction, 6, port});
          out.by_maps.push_back(judged == MapVerdict::kAllow ? '1' : '0');
          if (!with_policy) continue;
          const v1::Cidr host = policy::HostPrefix(remote.ip);
          policy::PeerRef peer;
          if (remote.identity != nullptr) {
            peer.identity = remote.identity;
          } else {
            peer.prefix = &host;
          }
          const bool allowed = rules != nullptr && !remote.dropped &&
                               rules->Decide(peer, v1::PROTOCOL_TCP, port).verdict == policy::Verdict::kAllow;
          out.by_policy.push_back(allowed ? '1' : '0');
        }
      }
    }
  }
  return out;
}

}  // namespace trivium
