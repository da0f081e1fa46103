#include "policy/label_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "policy/cidr_groups.h"
#include "policy/selector.h"

namespace trivium::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Operator = v1::Requirement;

v1::Identity RandomIdentity(std::mt19937* rng) {
  std::map<std::string, std::string> labels;
  for (uint32_t i = (*rng)() % 4; i > 0; --i) {
    labels[absl::StrCat((*rng)() % 2 ? "k8s:" : "reserved:", "l", (*rng)() % 5)] = absl::StrCat((*rng)() % 3);
  }
  v1::Identity identity;
  for (const auto& [key, value] : labels) {
    v1::Label* label = identity.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  return identity;
}

v1::Selector RandomSelector(std::mt19937* rng) {
  v1::Selector selector;
  for (uint32_t i = (*rng)() % 3; i > 0; --i) {
    v1::Requirement* requirement = selector.add_requirements();
    requirement->set_key(absl::StrCat((*rng)() % 2 ? "any:" : "k8s:", "l", (*rng)() % 5));
    requirement->set_operator_(static_cast<Operator::Operator>((*rng)() % 4));
    if (requirement->operator_() == Operator::EXISTS || requirement->operator_() == Operator::DOES_NOT_EXIST)
      continue;
    for (int value = 0; value < 3; ++value) {
      if ((*rng)() % 2) requirement->add_values(absl::StrCat(value));
    }
  }
  return selector;
}

// Adding and removing at random, both indexes find everything that matches, and few others.
TEST(LabelIndexTest, WhatMatchesIsAmongTheCandidates) {
  std::mt19937 rng(1);
  std::map<uint32_t, v1::Identity> identities;
  std::map<uint32_t, v1::Selector> selectors;
  LabelIndex labels;
  SelectorIndex by_label;
  size_t matches = 0, candidates = 0;
  for (int step = 0; step < 4000; ++step) {
    const uint32_t number = rng() % 60;
    switch (rng() % 4) {
      case 0:
        if (identities.contains(number)) labels.Remove(number, identities[number]);
        identities[number] = RandomIdentity(&rng);
        labels.Add(number, identities[number]);
        break;
      case 1:
        if (selectors.contains(number)) by_label.Remove(number);
        selectors[number] = RandomSelector(&rng);
        by_label.Add(number, selectors[number]);
        break;
      case 2:
        if (identities.contains(number)) labels.Remove(number, identities[number]);
        identities.erase(number);
        break;
      default:
        if (selectors.contains(number)) by_label.Remove(number);
        selectors.erase(number);
    }
    const v1::Identity identity = RandomIdentity(&rng);
    const SortedNumbers chosen = by_label.Candidates(identity);
    candidates += chosen.size();
    for (const auto& [n, selector] : selectors) {
      if (!Matches(selector, identity)) continue;
      ++matches;
      ASSERT_TRUE(Has(chosen, n)) << selector.ShortDebugString() << identity.ShortDebugString();
    }
    const v1::Selector selector = RandomSelector(&rng);
    const SortedNumbers selected = labels.Candidates(selector);
    candidates += selected.size();
    for (const auto& [n, each] : identities) {
      if (!Matches(selector, each)) continue;
      ++matches;
      ASSERT_TRUE(Has(selected, n)) << selector.ShortDebugString() << each.ShortDebugString();
    }
  }
  EXPECT_GT(matches, 10000u);
  EXPECT_LT(candidates, matches * 3);
}

TEST(LabelIndexTest, ASelectorIsFoundByTheLabelThatFewestRequire) {
  SelectorIndex index;
  v1::Selector selector;
  const auto require = [&selector](const std::string& key, const std::string& value) {
    v1::Requirement* requirement = selector.add_requirements();
    requirement->set_key(key);
    requirement->add_values(value);
  };
  for (uint32_t i = 0; i < 1000; ++i) {
    selector.Clear();
    require("any:app", absl::StrCat("app-", i));
    require("k8s:io.kubernetes.pod.namespace", "shop");
    index.Add(i, selector);
  }
  v1::Identity pod;
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"k8s:app", "app-7"}, {"k8s:io.kubernetes.pod.namespace", "shop"}, {"k8s:tier", "x"}}) {
    v1::Label* label = pod.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  const SortedNumbers candidates = index.Candidates(pod);
  EXPECT_TRUE(Has(candidates, 7));
  EXPECT_LE(candidates.size(), 2u);
}

TEST(CidrGroupsTest, ByNameAndByLabels) {
  CidrGroups groups;
  v1::CidrGroup group;
  for (const char* name : {"b", "a", "c"}) {
    group.Clear();
    group.set_name(name);
    (*group.mutable_labels())["team"] = name == std::string("c") ? "web" : "db";
    groups.Set(group);
  }
  const auto names = [&groups](const v1::CidrPeer& peer) {
    std::vector<std::string> out;
    for (const v1::CidrGroup* each : groups.Of(peer)) out.push_back(each->name());
    return out;
  };
  v1::CidrPeer by_name;
  by_name.set_group("b");
  EXPECT_THAT(names(by_name), ElementsAre("b"));
  v1::CidrPeer by_label;
  v1::Requirement* requirement = by_label.mutable_group_selector()->add_requirements();
  requirement->set_key("team");
  requirement->add_values("db");
  EXPECT_THAT(names(by_label), ElementsAre("a", "b"));
  groups.Remove("b");
  EXPECT_THAT(names(by_label), ElementsAre("a"));
  EXPECT_THAT(names(by_name), IsEmpty());
  (*group.mutable_labels())["team"] = "db";
  groups.Set(group);  // "c"
  EXPECT_THAT(names(by_label), ElementsAre("a", "c"));
}

}  // namespace
}  // namespace trivium::policy
