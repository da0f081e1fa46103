// When the database should look at how full its tables are. PostgreSQL does so by itself about a minute after
// they have grown; a plan that was made while they were empty reads a whole cluster's rows for each commit
// until then, since it is kept. So the store asks for it early in a table's life. Pure; one thread at a time.
#pragma once

#include <cstdint>

namespace trivium {

class TableStatistics {
 public:
  // So many changes were committed; whether it is time to look. At 200, and at each eightfold of that up to
  // 100,000: from there on PostgreSQL's own pace is enough.
  bool Due(uint64_t changes) {
    changes_ += changes;
    if (changes_ < next_ || next_ > kEnough) return false;
    while (next_ <= changes_) next_ *= 8;
    return true;
  }

 private:
  static constexpr uint64_t kFirst = 200;
  static constexpr uint64_t kEnough = 110'000;

  uint64_t changes_ = 0;
  uint64_t next_ = kFirst;
};

}  // namespace trivium
