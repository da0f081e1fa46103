#include "cli/suggest.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace trivium::cli {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  // Three rows of the table of distances between beginnings of both words.
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string Nearest(absl::string_view word, absl::Span<const std::string> known) {
  const std::string given = absl::AsciiStrToLower(word);
  std::string best;
  size_t least = std::max<size_t>(1, std::min<size_t>(3, given.size() / 3)) + 1;
  for (const std::string& one : known) {
    const size_t distance = EditDistance(given, absl::AsciiStrToLower(one));
    if (distance >= least || distance >= one.size()) continue;
    least = distance;
    best = one;
  }
  return best;
}

std::string DidYouMean(absl::string_view word, absl::Span<const std::string> known) {
  const std::string nearest = Nearest(word, known);
  return nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?");
}

}  // namespace trivium::cli
