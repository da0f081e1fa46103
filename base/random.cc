#include "base/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace trivium {
namespace {

class KernelRandom final : public Random {
 public:
  uint64_t Next() override {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) std::abort();
    return value;
  }
};

}  // namespace

Random* RealRandom() {
  static KernelRandom random;
  return &random;
}

}  // namespace trivium
