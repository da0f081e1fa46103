#include "cli/connectivity_text.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/table.h"

namespace trivium::cli {
namespace {

std::string FlowText(const MeasuredFlow& flow, const Style& style) {
  if (!flow.well()) {
    return style.Bad(flow.open ? "OPEN, although policies deny it" : "BLOCKED, although policies allow it");
  }
  if (!flow.open) return style.Good("denied, as policies say");
  return style.Good(
      absl::StrCat("open ", absl::FormatDuration(absl::Trunc(flow.took, absl::Microseconds(10)))));
}

}  // namespace

size_t FlowsWell(const std::vector<MeasuredFlow>& flows) {
  return static_cast<size_t>(
      std::count_if(flows.begin(), flows.end(), [](const MeasuredFlow& flow) { return flow.well(); }));
}

std::string ConnectivityText(const std::vector<MeasuredFlow>& flows, const Style& style) {
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> rows;
  for (const MeasuredFlow& flow : flows) {
    auto& row = rows[{flow.from, flow.to}];
    (flow.udp ? row.second : row.first) = FlowText(flow, style);
  }
  Table table({"FROM", "TO", "TCP", "UDP"});
  for (const auto& [ends, texts] : rows) table.AddRow({ends.first, ends.second, texts.first, texts.second});
  const size_t well = FlowsWell(flows);
  const std::string sum = absl::StrCat(well, " of ", flows.size(), " as the policies say");
  return absl::StrCat(table.ToString(), "\n", well == flows.size() ? style.Good(sum) : style.Bad(sum), "\n");
}

}  // namespace trivium::cli
