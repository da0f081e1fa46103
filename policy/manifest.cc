#include "policy/manifest.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/cidr.h"
#include "policy/labels.h"

namespace trivium::policy {
namespace {

constexpr size_t kMaxAnnotationBytes = 256 * 1024;  // Kubernetes' own limit

// A map of texts. Kubernetes reads a null among the values as "".
std::map<std::string, std::string> ReadTexts(const YamlValue& value) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, entry] : value.Entries()) texts[key] = entry.String().value_or("");
  return texts;
}

// The key in its canonical form.
absl::StatusOr<std::string> SelectorKey(const std::string& text, SelectorKeys keys) {
  absl::string_view name = text;
  absl::string_view source;
  if (keys == SelectorKeys::kWithSource) {
    source = "any";
    if (const size_t colon = name.find(':'); colon != absl::string_view::npos) {
      source = name.substr(0, colon);
      name.remove_prefix(colon + 1);
      if (source != "k8s" && source != "any" && source != "reserved") {
        return absl::InvalidArgumentError(absl::StrCat("label key \"", text, "\" has the source \"", source,
                                                       "\"; sources are k8s, any and reserved"));
      }
    }
  }
  if (const absl::Status status = CheckLabelKey(name); !status.ok()) return status;
  return source.empty() ? std::string(name) : absl::StrCat(source, ":", name);
}

std::map<std::string, std::string> ReadLabels(const YamlValue& value,
                                              SelectorKeys keys = SelectorKeys::kPlain) {
  std::map<std::string, std::string> labels;
  for (const auto& [key, entry] : value.Entries()) {
    const std::string text = entry.String().value_or("");
    const absl::StatusOr<std::string> canonical = SelectorKey(key, keys);
    if (!entry.Accept(canonical.status()) || !entry.Accept(CheckLabelValue(text))) continue;
    // `app` and `any:app` are one label; the field takes either of two values at random.
    if (const auto [it, fresh] = labels.emplace(*canonical, text); !fresh && it->second != text) {
      entry.Fail(absl::StrCat("the label ", *canonical, " stands here twice, also with the value \"",
                              it->second, "\"; leave one"));
    }
  }
  return labels;
}

void CheckAnnotations(const YamlValue& value) {
  size_t bytes = 0;
  for (const auto& [key, text] : ReadTexts(value)) {
    value.Accept(CheckLabelKey(absl::AsciiStrToLower(key)));
    bytes += key.size() + text.size();
  }
  if (bytes > kMaxAnnotationBytes) {
    value.Fail(absl::StrCat("annotations of ", bytes, " bytes; at most ", kMaxAnnotationBytes, " are taken"));
  }
}

}  // namespace

ManifestMeta ReadMeta(const YamlValue& value, Scope scope, const ParseContext& context,
                      absl::string_view name_form) {
  ManifestMeta meta;
  const YamlFields fields =
      value.Fields({"name", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation",
                    "creationTimestamp", "managedFields", "selfLink"});
  if (const YamlValue name = fields["name"]; name.absent()) {
    name.Fail("is missing; every object needs a name");
  } else if (const std::optional<std::string> text = name.String(); text.has_value()) {
    meta.name = *text;
    name.Accept(CheckName(name_form, meta.name));
  }
  const YamlValue ns = fields["namespace"];
  meta.ns = ns.String().value_or("");
  if (scope == Scope::kCluster) {
    if (!meta.ns.empty()) ns.Fail("this kind of object is in no namespace; leave the field out");
  } else if (meta.ns.empty()) {
    meta.ns = context.default_namespace;
  } else {
    ns.Accept(CheckName("namespace", meta.ns));
  }
  meta.labels = ReadLabels(fields["labels"]);
  CheckAnnotations(fields["annotations"]);
  for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "selfLink"}) fields[name].String();
  fields["generation"].Integer();
  fields["managedFields"].Items();
  return meta;
}

std::vector<v1::Requirement> ReadLabelSelector(const YamlValue& value, SelectorKeys keys) {
  std::vector<v1::Requirement> requirements;
  const YamlFields fields = keys == SelectorKeys::kPlain
                                ? value.Fields({"matchLabels", "matchExpressions"})
                                : value.Fields({"matchLabels", "matchExpressions"}, {"matchCELExpression"});
  for (const auto& [key, text] : ReadLabels(fields["matchLabels"], keys)) {
    v1::Requirement& requirement = requirements.emplace_back();
    requirement.set_key(key);
    requirement.set_operator_(v1::Requirement::IN);
    requirement.add_values(text);
  }
  for (const YamlValue& item : fields["matchExpressions"].Items()) {
    const YamlFields expression = item.Fields({"key", "operator", "values"});
    v1::Requirement& requirement = requirements.emplace_back();
    const YamlValue key = expression["key"];
    if (key.absent()) {
      key.Fail("is missing; name the label that the expression is about");
    } else if (const std::optional<std::string> text = key.String(); text.has_value()) {
      const absl::StatusOr<std::string> canonical = SelectorKey(*text, keys);
      if (key.Accept(canonical.status())) requirement.set_key(*canonical);
    }
    std::vector<std::string> values;
    for (const YamlValue& element : expression["values"].Items()) {
      const std::string text = element.String().value_or("");
      element.Accept(CheckLabelValue(text));
      values.push_back(text);
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    for (std::string& text : values) requirement.add_values(std::move(text));

    const YamlValue op = expression["operator"];
    const std::string name = op.String().value_or("");
    bool takes_values = false;
    if (name == "In" || name == "NotIn") {
      requirement.set_operator_(name == "In" ? v1::Requirement::IN : v1::Requirement::NOT_IN);
      takes_values = true;
    } else if (name == "Exists" || name == "DoesNotExist") {
      requirement.set_operator_(name == "Exists" ? v1::Requirement::EXISTS : v1::Requirement::DOES_NOT_EXIST);
    } else {
      op.Fail(absl::StrCat(op.absent() ? "is missing" : absl::StrCat("\"", name, "\" is no operator"),
                           "; operators are In, NotIn, Exists and DoesNotExist"));
      continue;
    }
    if (takes_values && requirement.values().empty()) {
      expression["values"].Fail(absl::StrCat("the operator ", name, " needs at least one value"));
    }
    if (!takes_values && !requirement.values().empty()) {
      expression["values"].Fail(absl::StrCat("the operator ", name, " takes no values; leave them out"));
    }
  }
  return requirements;
}

void Require(v1::Selector* selector, absl::string_view key, v1::Requirement::Operator op,
             const std::string* value) {
  v1::Requirement* requirement = selector->add_requirements();
  requirement->set_key(std::string(key));
  requirement->set_operator_(op);
  if (value != nullptr) requirement->add_values(*value);
}

std::optional<v1::Cidr> ReadCidr(const YamlValue& value) {
  const std::optional<std::string> text = value.String();
  if (!text.has_value()) {
    if (value.absent()) value.Fail("is missing; write a CIDR like 10.0.0.0/8");
    return std::nullopt;
  }
  absl::StatusOr<v1::Cidr> cidr = ParseCidr(*text);
  if (!value.Accept(cidr.status())) return std::nullopt;
  return *std::move(cidr);
}

bool IsPortName(absl::string_view name) {
  constexpr size_t kMost = 15;
  if (name.empty() || name.size() > kMost || absl::StrContains(name, "--")) return false;
  if (name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-'; }) &&
         std::any_of(name.begin(), name.end(), absl::ascii_isalpha);
}

void Normalize(v1::Selector* selector) {
  std::vector<std::pair<std::string, v1::Requirement>> sorted;
  for (const v1::Requirement& requirement : selector->requirements()) {
    sorted.emplace_back(absl::StrCat(requirement.key(), "\n", requirement.SerializeAsString()), requirement);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  sorted.erase(std::unique(sorted.begin(), sorted.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first; }),
               sorted.end());
  selector->clear_requirements();
  for (auto& [text, requirement] : sorted) *selector->add_requirements() = std::move(requirement);
}

void ReadNamespace(const YamlValue& document, const ParseContext& context, v1::Namespace* ns) {
  const YamlFields fields = document.Fields({"apiVersion", "kind", "metadata", "spec", "status"});
  const ManifestMeta meta = ReadMeta(fields["metadata"], Scope::kCluster, context, "namespace");
  ns->set_name(meta.name);
  for (const auto& [key, value] : meta.labels) (*ns->mutable_labels())[key] = value;
  (*ns->mutable_labels())[kMetadataName] = meta.name;
  // What a server adds.
  for (const YamlValue& finalizer : fields["spec"].Fields({"finalizers"})["finalizers"].Items())
    finalizer.String();
  const YamlFields status = fields["status"].Fields({"phase", "conditions"});
  status["phase"].String();
  status["conditions"].Items();
}

}  // namespace trivium::policy
