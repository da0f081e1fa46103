#include "cli/unified_diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace trivium::cli {
namespace {

constexpr size_t kAround = 3;
// Of the table that finds the common lines; above it the middle is shown as replaced.
constexpr size_t kMaxCells = 16'000'000;

using Lines = std::vector<absl::string_view>;

struct Edit {
  char sign;  // ' ', '-' or '+'
  absl::string_view line;
};

Lines LinesOf(absl::string_view text) {
  if (text.empty()) return {};
  return absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
}

// What makes `b` of `a`, deletions before insertions.
std::vector<Edit> EditsOf(const Lines& a, const Lines& b) {
  size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const size_t n = a.size() - head - tail;
  const size_t m = b.size() - head - tail;

  std::vector<Edit> edits;
  for (size_t i = 0; i < head; ++i) edits.push_back({' ', a[i]});
  if ((n + 1) * (m + 1) > kMaxCells) {
    for (size_t i = 0; i < n; ++i) edits.push_back({'-', a[head + i]});
    for (size_t j = 0; j < m; ++j) edits.push_back({'+', b[head + j]});
  } else {
    // common[i][j]: how many lines a[i..] and b[j..] have in common, in order.
    std::vector<uint32_t> common((n + 1) * (m + 1), 0);
    const auto at = [&common, m](size_t i, size_t j) -> uint32_t& { return common[i * (m + 1) + j]; };
    for (size_t i = n; i-- > 0;) {
      for (size_t j = m; j-- > 0;) {
        at(i, j) = a[head + i] == b[head + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
      }
    }
    size_t i = 0, j = 0;
    while (i < n || j < m) {
      if (i < n && j < m && a[head + i] == b[head + j]) {
        edits.push_back({' ', a[head + i]});
        ++i, ++j;
      } else if (i < n && (j == m || at(i + 1, j) >= at(i, j + 1))) {
        edits.push_back({'-', a[head + i++]});
      } else {
        edits.push_back({'+', b[head + j++]});
      }
    }
  }
  for (size_t i = a.size() - tail; i < a.size(); ++i) edits.push_back({' ', a[i]});
  return edits;
}

// "12,3"; of nothing, the line before.
std::string RangeText(size_t first, size_t count) {
  if (count == 1) return absl::StrCat(first + 1);
  return absl::StrCat(count == 0 ? first : first + 1, ",", count);
}

}  // namespace

std::string UnifiedDiff(absl::string_view before, absl::string_view after, absl::string_view before_name,
                        absl::string_view after_name) {
  const std::vector<Edit> edits = EditsOf(LinesOf(before), LinesOf(after));
  std::string out;
  size_t line_before = 0, line_after = 0;  // of edits[at]
  size_t at = 0;
  while (true) {
    size_t change = at;
    while (change < edits.size() && edits[change].sign == ' ') ++change;
    if (change == edits.size()) return out;
    const size_t begin = change - std::min(change - at, kAround);
    line_before += begin - at;
    line_after += begin - at;
    // To where the next change is too far away to be in the same hunk.
    size_t last = change;
    for (size_t i = change; i < edits.size() && i <= last + 2 * kAround; ++i) {
      if (edits[i].sign != ' ') last = i;
    }
    const size_t end = std::min(edits.size(), last + 1 + kAround);
    size_t count_before = 0, count_after = 0;
    std::string lines;
    for (size_t i = begin; i < end; ++i) {
      count_before += edits[i].sign != '+' ? 1 : 0;
      count_after += edits[i].sign != '-' ? 1 : 0;
      absl::StrAppend(&lines, std::string(1, edits[i].sign), edits[i].line, "\n");
    }
    if (out.empty()) out = absl::StrCat("--- ", before_name, "\n+++ ", after_name, "\n");
    absl::StrAppend(&out, "@@ -", RangeText(line_before, count_before), " +",
                    RangeText(line_after, count_after), " @@\n", lines);
    line_before += count_before;
    line_after += count_after;
    at = end;
  }
}

}  // namespace trivium::cli
