#include "cli/explain_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/explain_fields.h"
#include "cli/kinds.h"
#include "cli/suggest.h"

namespace trivium::cli {
namespace {

constexpr size_t kWidth = 100;

// Words in lines of at most kWidth, each after `indent` blanks.
std::string Wrapped(absl::string_view text, size_t indent) {
  std::string out, line;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) {
      absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  return absl::StrCat(out, std::string(indent, ' '), line, "\n");
}

std::string Signature(const FieldDoc& field) {
  return absl::StrCat(field.name, "  <", field.type, ">", field.required ? "  -required-" : "");
}

void Tree(absl::Span<const FieldDoc> fields, size_t indent, std::string* out) {
  for (const FieldDoc& field : fields) {
    absl::StrAppend(out, std::string(indent, ' '), Signature(field), "\n");
    Tree(field.below, indent + 2, out);
  }
}

}  // namespace

absl::StatusOr<std::string> ExplainText(absl::string_view path, bool recursive) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.', absl::SkipEmpty());
  if (parts.empty()) return absl::InvalidArgumentError("say what: KIND[.field...], like netpol.spec.ingress");
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(parts[0]));
  const KindDoc* doc = nullptr;
  for (const KindDoc& one : ExplainedKinds()) {
    if (one.kind == kind->name) doc = &one;
  }
  if (doc == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(kind->plural,
                                                   " are not written as manifests: `triviumctl get ",
                                                   kind->plural, " -o yaml` shows what they hold"));
  }
  const FieldDoc* field = nullptr;
  absl::Span<const FieldDoc> fields = doc->fields;
  std::string so_far = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string name = parts[i].substr(0, parts[i].find('['));
    field = nullptr;
    std::vector<std::string> known;
    for (const FieldDoc& one : fields) {
      if (one.name == name) field = &one;
      known.emplace_back(one.name);
    }
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          known.empty() ? absl::StrCat(so_far, " has no fields below it")
                        : absl::StrCat(so_far, " has no field '", name, "'", DidYouMean(name, known),
                                       "; the fields there are ", absl::StrJoin(known, ", ")));
    }
    fields = field->below;
    absl::StrAppend(&so_far, ".", name);
  }
  std::string out = absl::StrCat("KIND:       ", kind->name, "\nVERSION:    ", kind->api_version, "\n\n");
  if (field != nullptr) absl::StrAppend(&out, "FIELD: ", Signature(*field), "\n\n");
  absl::StrAppend(&out, "DESCRIPTION:\n", Wrapped(field == nullptr ? doc->text : field->text, 4));
  if (fields.empty()) return out;
  absl::StrAppend(&out, "\nFIELDS:\n");
  if (recursive) {
    Tree(fields, 2, &out);
    return out;
  }
  for (const FieldDoc& one : fields) {
    absl::StrAppend(&out, "  ", Signature(one), "\n", Wrapped(one.text, 4));
  }
  return out;
}

}  // namespace trivium::cli
