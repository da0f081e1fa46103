// What every field of a manifest means: the one table behind `explain`. A test holds that it has every field
// that policy/ parses, and no other. Pure.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trivium::cli {

struct FieldDoc {
  absl::string_view name;
  absl::string_view type;  // "string", "[]Object", "map[string]string", ...
  bool required = false;
  absl::string_view text;
  absl::Span<const FieldDoc> below;  // of an Object, or of the elements of a []Object
};

struct KindDoc {
  absl::string_view kind;  // KindInfo::name
  absl::string_view text;
  absl::Span<const FieldDoc> fields;
};

// Of the kinds that are written as manifests.
absl::Span<const KindDoc> ExplainedKinds();

}  // namespace trivium::cli
