#include "schema/config_name.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium {

absl::Status ReadName(const YamlSection& section, const char* key, std::string* out) {
  TRIVIUM_RETURN_IF_ERROR(section.Text(key, out));
  if (!IsSubjectToken(*out) || out->find(':') != std::string::npos || (*out)[0] == '_' || out->size() > 63) {
    return section.Error(key, absl::StrCat("\"", *out,
                                           "\" is not a name: want 1 to 63 letters, digits, '-' or '_', not "
                                           "beginning with '_'"));
  }
  return absl::OkStatus();
}

}  // namespace trivium
