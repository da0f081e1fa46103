// What all kinds of manifests share: metadata and label selectors. Internal to policy/.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/parse.h"
#include "policy/yaml_reader.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

struct ManifestMeta {
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  std::map<std::string, std::string> labels;
};

enum class Scope { kNamespaced, kCluster };

// `metadata`. Notes faults in the problems; what it returns is usable only without any. What servers add and
// kubectl prints (uid, resourceVersion, managedFields and such) is taken and means nothing.
ManifestMeta ReadMeta(const YamlValue& value, Scope scope, const ParseContext& context);

// matchLabels and matchExpressions of a Kubernetes LabelSelector, keys as written. Absent and empty: none.
std::vector<v1::Requirement> ReadLabelSelector(const YamlValue& value);

// Puts a selector into its one normal form: requirements in order, each once.
void Normalize(v1::Selector* selector);

// Each parser below is given the whole document and fills the object; faults go to the document's problems.
void ReadNetworkPolicy(const YamlValue& document, const ParseContext& context, v1::Policy* policy);
void ReadNamespace(const YamlValue& document, const ParseContext& context, v1::Namespace* ns);

}  // namespace trivium::policy
