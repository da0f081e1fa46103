#include "nodeagent/compile/selector_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "policy/labels.h"
#include "policy/peer_match.h"

namespace trivium {
namespace {

v1::Cidr RandomCidr(std::mt19937* rng) {
  const size_t bytes = (*rng)() % 3 == 0 ? 16 : 4;
  v1::Cidr cidr;
  cidr.set_length((*rng)() % 20);
  std::string address(bytes, '\0');
  for (uint32_t bit = 0; bit < cidr.length(); ++bit) {
    // Few values, so that prefixes cover one another.
    if ((*rng)() % 4 == 0) address[bit / 8] = static_cast<char>(address[bit / 8] | (0x80 >> (bit % 8)));
  }
  cidr.set_address(address);
  return cidr;
}

Peer RandomPeer(std::mt19937* rng, uint32_t identity) {
  Peer peer;
  if (identity >= IDENTITY_FIRST_LOCAL) {
    peer.prefix = RandomCidr(rng);
    return peer;
  }
  auto object = std::make_shared<v1::Object>();
  object->mutable_identity()->set_id(identity);
  const auto add = [&](const std::string& key, const std::string& value) {
    v1::Label* label = object->mutable_identity()->add_labels();
    label->set_key(key);
    label->set_value(value);
  };
  if (identity <= IDENTITY_MAX_RESERVED) {
    *object->mutable_identity() = policy::ReservedIdentities()[identity - 1];
  } else {
    add("k8s:app", absl::StrCat((*rng)() % 4));
    add(policy::kClusterLabel, (*rng)() % 2 ? "aws" : "gcp");
    if ((*rng)() % 2) add("k8s:tier", absl::StrCat((*rng)() % 2));
    peer.cluster = 1;
  }
  peer.object = std::move(object);
  return peer;
}

v1::Peer RandomSelector(std::mt19937* rng) {
  v1::Peer peer;
  switch ((*rng)() % 3) {
    case 0:
      peer.set_entity(static_cast<v1::Entity>(1 + (*rng)() % 13));
      break;
    case 1:
      *peer.mutable_cidr()->mutable_cidr() = RandomCidr(rng);
      if ((*rng)() % 2) *peer.mutable_cidr()->add_except() = RandomCidr(rng);
      break;
    default:
      peer.mutable_labels();
      for (uint32_t i = (*rng)() % 3; i > 0; --i) {
        v1::Requirement* requirement = peer.mutable_labels()->add_requirements();
        static const char* const kKeys[] = {
            "any:app", "k8s:tier", policy::kClusterLabel, policy::kWorldLabel, policy::kWorldIpv4Label,
            "any:host"};
        const uint32_t key = (*rng)() % 6;
        requirement->set_key(kKeys[key]);
        requirement->set_operator_(static_cast<v1::Requirement::Operator>((*rng)() % 4));
        if (requirement->operator_() >= v1::Requirement::EXISTS) continue;
        if (key == 2) {
          requirement->add_values("aws");
        } else {
          for (const char* value : {"", "0", "1"}) {
            if ((*rng)() % 2) requirement->add_values(value);
          }
        }
      }
  }
  return peer;
}

// Selectors and peers of every kind come and go in any order: members are always those that a comparison of
// all with all finds, and far fewer are compared.
TEST(SelectorCacheTest, MembersAreThoseThatMatch) {
  for (uint32_t seed = 1; seed <= 5 && !testing::Test::HasFailure(); ++seed) {
    std::mt19937 rng(seed);
    Peers peers;
    SelectorCache cache(&peers);
    struct Held {
      v1::Peer selector;
      SelectorCache::Selector number;
    };
    std::map<uint32_t, Held> held;  // by rule set
    uint64_t all = 0;
    const auto remove = [&](uint32_t identity) {
      const auto it = peers.find(identity);
      if (it == peers.end()) return;
      const Peer before = it->second;
      peers.erase(it);
      cache.Remove(identity, before);
    };
    for (int step = 0; step < 1500; ++step) {
      const uint32_t user = rng() % 30;
      uint32_t identity = 300 + rng() % 60;
      if (rng() % 4 == 0) identity = 1 + rng() % 8;
      if (rng() % 4 == 0) identity = IDENTITY_FIRST_LOCAL + rng() % 30;
      switch (rng() % 5) {
        case 0:
          remove(identity);
          break;
        case 1:
        case 2: {
          remove(identity);
          const Peer peer = RandomPeer(&rng, identity);
          bool taken = false;  // a prefix has one identity
          for (const auto& [other, each] : peers) {
            taken |= peer.object == nullptr && each.object == nullptr &&
                     each.prefix.SerializeAsString() == peer.prefix.SerializeAsString();
          }
          if (taken) break;
          peers[identity] = peer;
          all += held.size();
          cache.Add(identity, peer);
          break;
        }
        case 3:
          if (const auto it = held.find(user); it != held.end()) {
            cache.Release(it->second.number, {user, 0});
            held.erase(it);
          }
          break;
        default: {
          if (held.contains(user)) break;
          // Sometimes one that another has.
          const v1::Peer selector =
              rng() % 3 == 0 && !held.empty() ? held.begin()->second.selector : RandomSelector(&rng);
          all += peers.size();
          held[user] = {selector, cache.Acquire(selector, "aws", {user, 0})};
        }
      }
      if (step % 10 != 0) continue;
      for (const auto& [rule_set, each] : held) {
        policy::SortedNumbers wanted;
        for (const auto& [number, peer] : peers) {
          if (policy::PeerMatches(each.selector, peer.ref(), "aws")) wanted.push_back(number);
        }
        policy::SortUnique(&wanted);
        ASSERT_EQ(cache.Members(each.number), wanted)
            << "seed " << seed << ": " << each.selector.ShortDebugString();
      }
    }
    EXPECT_LT(cache.counters().compared, all / 2);
    for (const auto& [rule_set, each] : held) cache.Release(each.number, {rule_set, 0});
    EXPECT_EQ(cache.size(), 0u);
  }
}

}  // namespace
}  // namespace trivium
