#include "policy/parse.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/manifest.h"
#include "policy/yaml_reader.h"
#include "policy/yaml_tree.h"
#include "schema/object.h"

namespace trivium::policy {
namespace {

constexpr char kKinds[] =
    "NetworkPolicy (networking.k8s.io/v1), CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and "
    "CiliumCIDRGroup (cilium.io/v2), Namespace (v1) and List (v1)";

struct Dispatch {
  const ParseContext& context;
  Problems problems;
  std::vector<Parsed> parsed;
  absl::flat_hash_map<ObjectKey, int> lines;  // where each object stands
};

// apiVersion and kind, checked later by the kind's own reader; other fields may stand beside them.
std::string TextField(const YamlNode& document, absl::string_view name, Problems* problems) {
  for (size_t i = 0; i < document.keys.size(); ++i) {
    if (document.keys[i].text != name) continue;
    return YamlValue(&document.children[i], document.keys[i].line, std::string(name), problems)
        .String()
        .value_or("");
  }
  return "";
}

void ReadDocument(const YamlNode& node, const YamlValue& value, std::string text, bool in_list,
                  Dispatch* dispatch);

void ReadList(const YamlNode& node, const YamlValue& value, Dispatch* dispatch) {
  const YamlFields fields = value.Fields({"apiVersion", "kind", "metadata", "items"});
  const YamlFields meta =
      fields["metadata"].Fields({"resourceVersion", "selfLink", "continue", "remainingItemCount"});
  for (const char* name : {"resourceVersion", "selfLink", "continue"}) meta[name].String();
  meta["remainingItemCount"].Integer();
  const std::vector<YamlValue> items = fields["items"].Items();
  for (size_t field = 0; field < node.keys.size(); ++field) {
    if (node.keys[field].text != "items") continue;
    const YamlNode& list = node.children[field];
    for (size_t i = 0; i < items.size(); ++i) {
      ReadDocument(list.children[i], items[i], ToJson(list.children[i]), true, dispatch);
    }
    return;  // a second `items` is already a fault
  }
}

void ReadDocument(const YamlNode& node, const YamlValue& value, std::string text, bool in_list,
                  Dispatch* dispatch) {
  if (node.kind != YamlNode::Kind::kMap) {
    value.Fail("this is no object; a manifest is a map with apiVersion, kind and metadata");
    return;
  }
  const std::string api_version = TextField(node, "apiVersion", &dispatch->problems);
  const std::string kind = TextField(node, "kind", &dispatch->problems);
  Parsed parsed;
  if (api_version == "v1" && kind == "List" && !in_list) {
    ReadList(node, value, dispatch);
    return;
  }
  if (api_version == "networking.k8s.io/v1" && kind == "NetworkPolicy") {
    ReadNetworkPolicy(value, dispatch->context, parsed.object.mutable_policy());
  } else if (api_version == "cilium.io/v2" && kind == "CiliumNetworkPolicy") {
    ReadCiliumPolicy(value, dispatch->context, Scope::kNamespaced, parsed.object.mutable_policy());
  } else if (api_version == "cilium.io/v2" && kind == "CiliumClusterwideNetworkPolicy") {
    ReadCiliumPolicy(value, dispatch->context, Scope::kCluster, parsed.object.mutable_policy());
  } else if (api_version == "cilium.io/v2" && kind == "CiliumCIDRGroup") {
    ReadCidrGroup(value, dispatch->context, parsed.object.mutable_cidr_group());
  } else if (api_version == "v1" && kind == "Namespace") {
    ReadNamespace(value, dispatch->context, parsed.object.mutable_namespace_());
  } else {
    const std::string what =
        api_version.empty() || kind.empty()
            ? "apiVersion or kind is missing"
            : absl::StrCat("the kind ", kind, " of ", api_version, " is not one of ours");
    value.Fail(absl::StrCat(what, "; kinds are ", kKinds, in_list ? ", the last not inside another" : ""));
    return;
  }
  const auto [it, fresh] = dispatch->lines.emplace(KeyOf(parsed.object), value.line());
  if (!fresh) {
    value.Fail(absl::StrCat(KindName(it->first.kind), " ", it->first.key,
                            " stands in this text twice, also in line ", it->second, "; leave one"));
  }
  parsed.text = std::move(text);
  parsed.line = value.line();
  dispatch->parsed.push_back(std::move(parsed));
}

}  // namespace

absl::StatusOr<std::vector<Parsed>> ParseManifests(absl::string_view text, const ParseContext& context) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlDocument> documents, SplitYaml(text, context.file));
  Dispatch dispatch{context, Problems(context.file), {}, {}};
  bool any = false;
  for (const YamlDocument& document : documents) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(document, context.file));
    if (root.kind == YamlNode::Kind::kNull) continue;
    any = true;
    ReadDocument(root, YamlValue(root, &dispatch.problems), std::string(document.text), false, &dispatch);
  }
  if (!any) {
    return absl::InvalidArgumentError(
        absl::StrCat(context.file, ":1: no object in this text; write at least one manifest"));
  }
  TRIVIUM_RETURN_IF_ERROR(dispatch.problems.ToStatus());
  return std::move(dispatch.parsed);
}

}  // namespace trivium::policy
