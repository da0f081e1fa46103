// Who has been silent for too long, and who is back to stay. Pure: time comes in as an argument, monotonic,
// never backwards. Not thread-safe.
//
// What is watched counts as alive until it has been silent for `silence`. Then it is down, and comes back
// once it has been heard without such a silence for a hold time: `hold` the first time, twice as long with
// each further failure (at most `max_hold`), and `hold` again after `forget` without one. So one that flaps
// is reported down, and stays so.
//
// Whoever watches may have been stopped or cut off itself: the silence of that time is nobody's fault. Check
// finds stops by its own lateness; Deaf says that nothing can be heard.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace trivium {

class LivenessDetector {
 public:
  struct Options {
    absl::Duration silence = absl::Milliseconds(3500);
    absl::Duration hold = absl::Seconds(1);
    absl::Duration max_hold = absl::Minutes(5);
    absl::Duration forget = absl::Minutes(10);
    // Check is called at least this often, unless this process was stopped.
    absl::Duration check_every = absl::Milliseconds(250);
  };

  explicit LivenessDetector(Options options) : options_(options) {}

  // From now on it has to be heard. `alive`: what was last said of it. Nothing changes if it is watched
  // already.
  void Watch(const std::string& name, bool alive, absl::Duration now);
  void Unwatch(const std::string& name) { watched_.erase(name); }
  void Hear(const std::string& name, absl::Duration now);
  // Nothing can be heard from now on, or again.
  void SetDeaf(bool deaf, absl::Duration now);

  // The names whose state changed since the last call.
  std::vector<std::string> Check(absl::Duration now);

  bool Watches(const std::string& name) const { return watched_.contains(name); }
  // True for what is not watched.
  bool Alive(const std::string& name) const;
  size_t size() const { return watched_.size(); }

 private:
  struct One {
    bool alive = true;
    absl::Duration heard;       // or watched since
    absl::Duration back_since;  // while down: heard without a silence since; infinite future: it is not
    absl::Duration failed_at = -absl::InfiniteDuration();
    absl::Duration hold;
  };
  // Takes the time since the last call as not passed.
  void Excuse(absl::Duration lost, absl::Duration now);

  const Options options_;
  std::map<std::string, One> watched_;
  bool deaf_ = false;
  absl::Duration checked_ = -absl::InfiniteDuration();
};

}  // namespace trivium
