#include "cli/get_format.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "cli/suggest.h"

namespace trivium::cli {

absl::StatusOr<GetFormat> ParseGetFormat(const std::string& text) {
  GetFormat format;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "jsonpath=")) {
    format.kind = GetFormat::Kind::kJsonPath;
    TRIVIUM_ASSIGN_OR_RETURN(format.path, JsonPath::Parse(rest));
    return format;
  }
  const std::vector<std::pair<std::string, GetFormat::Kind>> known = {{"", GetFormat::Kind::kTable},
                                                                      {"wide", GetFormat::Kind::kWide},
                                                                      {"json", GetFormat::Kind::kJson},
                                                                      {"yaml", GetFormat::Kind::kYaml},
                                                                      {"name", GetFormat::Kind::kName}};
  std::vector<std::string> words;
  for (const auto& [word, kind] : known) {
    if (word == text) {
      format.kind = kind;
      return format;
    }
    words.push_back(word);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("-o '", text, "' is no format", DidYouMean(text, words),
                   "; formats are wide, json, yaml, name and jsonpath=TEMPLATE"));
}

std::string FormatJson(const GetFormat& format, const Json& json) {
  switch (format.kind) {
    case GetFormat::Kind::kYaml:
      return ToYaml(json);
    case GetFormat::Kind::kJsonPath:
      return format.path.Print(json);
    default:
      return absl::StrCat(json.dump(2), "\n");
  }
}

}  // namespace trivium::cli
