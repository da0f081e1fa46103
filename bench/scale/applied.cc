#include "bench/scale/applied.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <utility>

namespace trivium::bench {

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

Applied::Applied(std::string pipe, size_t agents)
    : pipe_(std::move(pipe)), agents_(agents), thread_([this] { Read(); }) {}

// The pipe ends with its writers; who leaves before them leaves the thread to the process's end.
Applied::~Applied() { thread_.detach(); }

void Applied::Read() {
  const int fd = open(pipe_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    std::cerr << "cannot read " << pipe_ << "\n";
    return;
  }
  std::vector<AppliedEvent> events(2048);
  while (true) {
    const ssize_t n = read(fd, events.data(), events.size() * sizeof(AppliedEvent));
    if (n <= 0) break;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < static_cast<size_t>(n) / sizeof(AppliedEvent); ++i) {
      const AppliedEvent& event = events[i];
      if (event.agent >= agents_) continue;
      auto& of_cluster = steps_[event.cluster];
      of_cluster.resize(agents_);
      of_cluster[event.agent].push_back({event.revision, event.at_ns});
    }
  }
  close(fd);
}

void Applied::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [cluster, agents] : steps_) {
    for (std::vector<Step>& steps : agents) {
      if (!steps.empty()) steps.erase(steps.begin(), steps.end() - 1);
    }
  }
}

int64_t Applied::FirstAt(const std::vector<Step>& steps, uint64_t revision) {
  const auto first = std::lower_bound(steps.begin(), steps.end(), revision,
                                      [](const Step& step, uint64_t r) { return step.revision < r; });
  return first == steps.end() ? 0 : first->at_ns;
}

int64_t Applied::LastAt(uint32_t cluster, uint64_t revision) const {
  std::vector<size_t> all(agents_);
  std::iota(all.begin(), all.end(), 0);
  return LastAt(cluster, revision, all);
}

int64_t Applied::LastAt(uint32_t cluster, uint64_t revision, const std::vector<size_t>& agents) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = steps_.find(cluster);
  if (found == steps_.end()) return 0;
  int64_t last = 0;
  for (const size_t agent : agents) {
    const int64_t at = FirstAt(found->second[agent], revision);
    if (at == 0) return 0;
    last = std::max(last, at);
  }
  return last;
}

uint64_t Applied::Latest(uint32_t cluster) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = steps_.find(cluster);
  uint64_t latest = 0;
  if (found == steps_.end()) return latest;
  for (const std::vector<Step>& steps : found->second) {
    if (!steps.empty()) latest = std::max(latest, steps.back().revision);
  }
  return latest;
}

bool Applied::WaitFor(uint32_t cluster, uint64_t revision, double seconds) const {
  const int64_t end = NowNs() + static_cast<int64_t>(seconds * 1e9);
  while (LastAt(cluster, revision) == 0) {
    if (NowNs() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace trivium::bench
