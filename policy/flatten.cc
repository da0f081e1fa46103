#include "policy/flatten.h"

#include <algorithm>
#include <memory>

namespace trivium::policy {
namespace {

constexpr uint32_t kPorts = 65536;

// A block of ports with a common prefix, split only where outcomes differ. `candidates` are the outcomes
// that, put on this block, make its entries fewest: one outcome for a uniform block, else what both halves
// can agree on, or, if they cannot, what either would take.
struct Block {
  std::vector<Outcome> candidates;
  std::unique_ptr<Block> low, high;
};

bool Holds(const std::vector<Outcome>& set, const Outcome& outcome) {
  return std::find(set.begin(), set.end(), outcome) != set.end();
}

std::vector<Outcome> Join(const std::vector<Outcome>& a, const std::vector<Outcome>& b) {
  std::vector<Outcome> both;
  for (const Outcome& outcome : a) {
    if (Holds(b, outcome)) both.push_back(outcome);
  }
  if (!both.empty()) return both;
  std::vector<Outcome> either = a;
  either.insert(either.end(), b.begin(), b.end());
  return either;
}

// The stretch that `port` lies in.
size_t StretchOf(const std::vector<Stretch>& stretches, uint32_t port) {
  const auto next = std::upper_bound(stretches.begin(), stretches.end(), port,
                                     [](uint32_t p, const Stretch& s) { return p < s.first; });
  return static_cast<size_t>(next - stretches.begin()) - 1;
}

Block Split(const std::vector<Stretch>& stretches, uint32_t first, uint32_t size) {
  Block block;
  const size_t at = StretchOf(stretches, first);
  if (at + 1 == stretches.size() || stretches[at + 1].first >= first + size) {
    block.candidates = {stretches[at].outcome};
    return block;
  }
  block.low = std::make_unique<Block>(Split(stretches, first, size / 2));
  block.high = std::make_unique<Block>(Split(stretches, first + size / 2, size / 2));
  block.candidates = Join(block.low->candidates, block.high->candidates);
  return block;
}

void Emit(const Block& block, uint8_t protocol, uint32_t first, uint8_t bits, const Outcome& inherited,
          std::vector<VerdictEntry>* entries) {
  Outcome here = inherited;
  if (!Holds(block.candidates, inherited)) {
    here = block.candidates.front();
    entries->push_back(
        VerdictEntry{protocol, 8, static_cast<uint16_t>(first), bits, here.verdict, here.rule});
  }
  if (block.low == nullptr) return;
  const uint32_t half = kPorts >> (bits + 1);
  Emit(*block.low, protocol, first, static_cast<uint8_t>(bits + 1), here, entries);
  Emit(*block.high, protocol, first + half, static_cast<uint8_t>(bits + 1), here, entries);
}

}  // namespace

void AppendPrefixes(uint8_t protocol, const std::vector<Stretch>& stretches, const Outcome& inherited,
                    std::vector<VerdictEntry>* entries) {
  Emit(Split(stretches, 0, kPorts), protocol, 0, 0, inherited, entries);
}

}  // namespace trivium::policy
