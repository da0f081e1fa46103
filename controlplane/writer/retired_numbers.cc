#include "controlplane/writer/retired_numbers.h"

#include <iterator>
#include <tuple>
#include <utility>

#include "policy/labels.h"

namespace trivium {

void RetiredNumbers::Retire(const RetiredIdentity& retired) {
  const v1::Identity& identity = retired.identity;
  Revive(identity.id());
  std::string form = policy::CanonicalForm({identity.labels().begin(), identity.labels().end()},
                                           {identity.named_ports().begin(), identity.named_ports().end()});
  by_form_[form] = identity.id();
  by_number_[identity.id()] = Entry{std::move(form), retired.epoch, retired.revision};
}

void RetiredNumbers::Erase(std::map<uint32_t, Entry>::iterator it) {
  const auto named = by_form_.find(it->second.form);
  if (named != by_form_.end() && named->second == it->first) by_form_.erase(named);
  by_number_.erase(it);
}

void RetiredNumbers::Revive(uint32_t number) {
  if (const auto it = by_number_.find(number); it != by_number_.end()) Erase(it);
}

void RetiredNumbers::Forget() {
  by_number_.clear();
  by_form_.clear();
  complete_ = false;
  ++forgotten_;
}

void RetiredNumbers::Load(const std::vector<RetiredIdentity>& stored) {
  for (const RetiredIdentity& retired : stored) {
    if (!Contains(retired.identity.id())) Retire(retired);
  }
  complete_ = true;
}

size_t RetiredNumbers::Release(uint64_t epoch, uint64_t revision) {
  const size_t before = size();
  for (auto it = by_number_.begin(); it != by_number_.end();) {
    const auto next = std::next(it);
    if (std::tie(it->second.epoch, it->second.revision) <= std::tie(epoch, revision)) Erase(it);
    it = next;
  }
  return before - size();
}

uint32_t RetiredNumbers::ByForm(const std::string& form) const {
  const auto it = by_form_.find(form);
  return it == by_form_.end() ? 0 : it->second;
}

uint32_t RetiredNumbers::Highest(uint32_t first, uint32_t count) const {
  const auto it = by_number_.lower_bound(first + count);
  if (it == by_number_.begin()) return 0;
  const uint32_t number = std::prev(it)->first;
  return number >= first ? number : 0;
}

}  // namespace trivium
