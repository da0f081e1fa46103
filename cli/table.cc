#include "cli/table.h"

#include <algorithm>
#include <utility>

namespace trivium::cli {
namespace {

constexpr size_t kGap = 3;

// Columns a terminal needs for `text`: code points, not bytes (names are ASCII, messages need not be).
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(head_.size());
  for (std::string& cell : cells) {
    if (cell.empty()) cell = "<none>";
  }
  rows_.push_back(std::move(cells));
}

std::string Table::ToString(bool with_head, std::vector<size_t>* least) const {
  std::vector<const std::vector<std::string>*> lines;
  if (with_head) lines.push_back(&head_);
  for (const auto& row : rows_) lines.push_back(&row);

  std::vector<size_t> widths = least == nullptr ? std::vector<size_t>() : *least;
  widths.resize(head_.size(), 0);
  for (const auto* line : lines) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], Width((*line)[i]));
  }
  if (least != nullptr) *least = widths;
  std::string out;
  for (const auto* line : lines) {
    for (size_t i = 0; i < widths.size(); ++i) {
      out += (*line)[i];
      if (i + 1 < widths.size()) out.append(widths[i] - Width((*line)[i]) + kGap, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace trivium::cli
