// What all kinds of manifests share: metadata, label selectors, CIDRs and port names. Internal to policy/.
#pragma once

#include <map>
#include <optional>
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
// kubectl prints (uid, resourceVersion, managedFields and such) is taken and means nothing. `name_form` as in
// CheckName.
ManifestMeta ReadMeta(const YamlValue& value, Scope scope, const ParseContext& context,
                      absl::string_view name_form = "name");

// Keys of selectors: plain label keys, or as Cilium writes them with a source in front ("k8s:", "any:",
// "reserved:"; without one "any:" is meant and is put there).
enum class SelectorKeys { kPlain, kWithSource };

// matchLabels and matchExpressions of a Kubernetes LabelSelector. Absent and empty: none.
std::vector<v1::Requirement> ReadLabelSelector(const YamlValue& value,
                                               SelectorKeys keys = SelectorKeys::kPlain);

// Appends `key op [value]`.
void Require(v1::Selector* selector, absl::string_view key, v1::Requirement::Operator op,
             const std::string* value = nullptr);

// Puts a selector into its one normal form: requirements in order, each once.
void Normalize(v1::Selector* selector);

// Notes a fault and returns nothing if there is none or it is not one.
std::optional<v1::Cidr> ReadCidr(const YamlValue& value);
// As IANA has service names, but for case: 1 to 15 letters, digits and single '-', at least one letter.
bool IsPortName(absl::string_view name);

// Each parser below is given the whole document and fills the object; faults go to the document's problems.
void ReadNetworkPolicy(const YamlValue& document, const ParseContext& context, v1::Policy* policy);
// CiliumNetworkPolicy (kNamespaced) and CiliumClusterwideNetworkPolicy (kCluster).
void ReadCiliumPolicy(const YamlValue& document, const ParseContext& context, Scope scope,
                      v1::Policy* policy);
void ReadCidrGroup(const YamlValue& document, const ParseContext& context, v1::CidrGroup* group);
void ReadNamespace(const YamlValue& document, const ParseContext& context, v1::Namespace* ns);

}  // namespace trivium::policy
