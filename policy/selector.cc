#include "policy/selector.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace trivium::policy {
namespace {

bool Contains(const v1::Requirement& requirement, const std::string& value) {
  return std::binary_search(requirement.values().begin(), requirement.values().end(), value);
}

struct Found {
  bool key = false;    // some label has the key
  bool value = false;  // and one of the values
};

Found Find(const v1::Requirement& requirement, const v1::Identity& identity) {
  Found found;
  absl::string_view name = requirement.key();
  if (absl::ConsumePrefix(&name, "any:")) {
    for (const v1::Label& label : identity.labels()) {
      const absl::string_view key = label.key();
      const size_t colon = key.find(':');
      if (colon == absl::string_view::npos || key.substr(colon + 1) != name) continue;
      found.key = true;
      found.value = found.value || Contains(requirement, label.value());
    }
    return found;
  }
  const auto it =
      std::lower_bound(identity.labels().begin(), identity.labels().end(), requirement.key(),
                       [](const v1::Label& label, const std::string& key) { return label.key() < key; });
  if (it == identity.labels().end() || it->key() != requirement.key()) return found;
  return Found{true, Contains(requirement, it->value())};
}

bool Holds(const v1::Requirement& requirement, const v1::Identity& identity) {
  const Found found = Find(requirement, identity);
  switch (requirement.operator_()) {
    case v1::Requirement::IN:
      return found.value;
    case v1::Requirement::NOT_IN:
      return !found.value;
    case v1::Requirement::EXISTS:
      return found.key;
    case v1::Requirement::DOES_NOT_EXIST:
      return !found.key;
    default:
      return false;  // an operator of a later version: it selects nobody here
  }
}

}  // namespace

bool Matches(const v1::Selector& selector, const v1::Identity& identity) {
  return std::all_of(selector.requirements().begin(), selector.requirements().end(),
                     [&](const v1::Requirement& requirement) { return Holds(requirement, identity); });
}

bool Selects(const v1::Policy& policy, const v1::Identity& identity) {
  return std::any_of(policy.blocks().begin(), policy.blocks().end(),
                     [&](const v1::PolicyBlock& block) { return Matches(block.subject(), identity); });
}

bool RefersTo(const v1::CidrPeer& peer, const v1::CidrGroup& group) {
  if (!peer.has_group_selector()) return !peer.group().empty() && peer.group() == group.name();
  v1::Identity labelled;  // a group's labels, sorted as Matches wants them
  const std::map<std::string, std::string> sorted(group.labels().begin(), group.labels().end());
  for (const auto& [key, value] : sorted) {
    v1::Label* label = labelled.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  return Matches(peer.group_selector(), labelled);
}

bool RefersTo(const v1::Policy& policy, const v1::CidrGroup& group) {
  for (const v1::PolicyBlock& block : policy.blocks()) {
    for (const v1::Rule& rule : block.rules()) {
      for (const v1::Peer& peer : rule.peers()) {
        if (peer.has_cidr() && RefersTo(peer.cidr(), group)) return true;
      }
    }
  }
  return false;
}

bool Covers(const v1::Cidr& cidr, const v1::Cidr& prefix) {
  const std::string& a = cidr.address();
  const std::string& b = prefix.address();
  if (a.size() != b.size() || cidr.length() > prefix.length() || cidr.length() > a.size() * 8) return false;
  const size_t bytes = cidr.length() / 8;
  const uint32_t bits = cidr.length() % 8;
  if (a.compare(0, bytes, b, 0, bytes) != 0) return false;
  if (bits == 0) return true;
  const int difference = static_cast<unsigned char>(a[bytes]) ^ static_cast<unsigned char>(b[bytes]);
  return (difference >> (8 - bits)) == 0;
}

}  // namespace trivium::policy
