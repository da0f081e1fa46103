// `connectivity test`: what was measured beside what the policies say. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/style.h"

namespace trivium::cli {

struct MeasuredFlow {
  std::string from;  // "aws/n1"
  std::string to;
  bool udp = false;
  bool allowed = false;  // what the policies say
  bool open = false;     // what was measured
  absl::Duration took;   // if open

  bool well() const { return allowed == open; }
};

size_t FlowsWell(const std::vector<MeasuredFlow>& flows);
// A line for each pair of pods, both protocols in it, and how many are as the policies say.
std::string ConnectivityText(const std::vector<MeasuredFlow>& flows, const Style& style);

}  // namespace trivium::cli
