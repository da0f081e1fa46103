// Runs cases past a judge and counts what it gets wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "tests/conformance/case.h"
#include "tests/conformance/judge.h"

namespace trivium::conformance {

struct Tally {
  uint64_t cases = 0;
  uint64_t cells = 0;
  uint64_t wrong = 0;
};

using NewJudge = std::function<std::unique_ptr<Judge>()>;

// Prints each wrong cell, and whatever else keeps the case from being judged (counted as one wrong).
void RunCase(const Case& c, const NewJudge& new_judge, std::ostream& out, Tally* tally);

}  // namespace trivium::conformance
