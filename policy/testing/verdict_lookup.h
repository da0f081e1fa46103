// The kernel's lookup in a class's verdicts, for tests: the longest entry that covers protocol and port.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/rule_set.h"

namespace trivium::policy {

// Null where no entry covers: denied.
inline const VerdictEntry* LongestMatch(const std::vector<VerdictEntry>& entries, uint8_t protocol,
                                        uint16_t port) {
  const VerdictEntry* best = nullptr;
  for (const VerdictEntry& entry : entries) {
    if (entry.protocol_bits != 0 && entry.protocol != protocol) continue;
    if (entry.port_bits != 0 && ((entry.port ^ port) >> (16 - entry.port_bits)) != 0) continue;
    if (best == nullptr || entry.protocol_bits + entry.port_bits > best->protocol_bits + best->port_bits)
      best = &entry;
  }
  return best;
}

}  // namespace trivium::policy
