// From verdicts on ranges of ports to the fewest longest-prefix entries that say the same. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/rule_set.h"

namespace trivium::policy {

// What holds on a stretch of ports; equal outcomes are one.
struct Outcome {
  Verdict verdict = Verdict::kDeny;
  uint32_t rule = kDefaultRule;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// `outcome` holds from `first` to the next stretch's `first`; the first one begins at 0. Ascending.
struct Stretch {
  uint32_t first = 0;
  Outcome outcome;
};

// Appends entries for one protocol such that, with `inherited` holding where none matches, every port has its
// stretch's outcome. As few as longest-prefix matching allows.
void AppendPrefixes(uint8_t protocol, const std::vector<Stretch>& stretches, const Outcome& inherited,
                    std::vector<VerdictEntry>* entries);

}  // namespace trivium::policy
