// Label selectors as `-l` takes them, in kubectl's words. Pure; value type.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium::cli {

class LabelSelector {
 public:
  // "app=db,tier!=back,zone in (a,b),zone notin (c),canary,!old"; "" selects everything. kInvalidArgument
  // says which part is not understood.
  static absl::StatusOr<LabelSelector> Parse(absl::string_view text);

  bool Matches(const std::map<std::string, std::string>& labels) const;
  bool empty() const { return parts_.empty(); }

 private:
  struct Part {
    std::string key;
    bool negated = false;
    bool any_value = false;           // the key alone counts
    std::vector<std::string> values;  // unless any_value: one of these
  };
  std::vector<Part> parts_;
};

}  // namespace trivium::cli
