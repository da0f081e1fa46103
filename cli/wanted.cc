#include "cli/wanted.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

// The entry of `kind`, made if there is none.
Wanted& EntryOf(const KindInfo* kind, std::vector<Wanted>* all) {
  const auto it =
      std::find_if(all->begin(), all->end(), [kind](const Wanted& one) { return one.kind == kind; });
  if (it != all->end()) return *it;
  return all->emplace_back(Wanted{kind, {}});
}

}  // namespace

absl::StatusOr<std::vector<Wanted>> ParseWanted(const std::vector<std::string>& words) {
  if (words.empty()) return absl::InvalidArgumentError("say what: KIND, KIND NAME or KIND/NAME");
  std::vector<Wanted> all;
  const auto slashes = std::count_if(words.begin(), words.end(),
                                     [](const std::string& word) { return word.find('/') != word.npos; });
  if (slashes > 0) {
    if (static_cast<size_t>(slashes) != words.size()) {
      return absl::InvalidArgumentError("KIND/NAME and KIND NAME do not mix: write each object as KIND/NAME");
    }
    for (const std::string& word : words) {
      const std::vector<std::string> parts = absl::StrSplit(word, '/');
      if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", word, "' is no KIND/NAME; the namespace is said with -n"));
      }
      TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(parts[0]));
      EntryOf(kind, &all).names.push_back(parts[1]);
    }
    return all;
  }
  for (absl::string_view word : absl::StrSplit(words[0], ',', absl::SkipEmpty())) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<const KindInfo*> kinds, FindKinds(word));
    for (const KindInfo* kind : kinds) EntryOf(kind, &all).names = {words.begin() + 1, words.end()};
  }
  if (all.empty()) return absl::InvalidArgumentError("say what: KIND, KIND NAME or KIND/NAME");
  return all;
}

}  // namespace trivium::cli
