// cilium.io/v2 CiliumCIDRGroup: prefixes under a name (and labels), for peers of policies to refer to.
#include <algorithm>
#include <optional>
#include <string>

#include "policy/cidr.h"
#include "policy/manifest.h"

namespace trivium::policy {

void ReadCidrGroup(const YamlValue& document, const ParseContext& context, v1::CidrGroup* group) {
  const YamlFields fields = document.Fields({"apiVersion", "kind", "metadata", "spec"});
  const ManifestMeta meta = ReadMeta(fields["metadata"], Scope::kCluster, context);
  group->set_name(meta.name);
  group->mutable_labels()->insert(meta.labels.begin(), meta.labels.end());
  const YamlValue spec = fields["spec"];
  if (spec.absent()) spec.Fail("is missing; write spec: {externalCIDRs: [...]}");
  const YamlValue cidrs = spec.Fields({"externalCIDRs"})["externalCIDRs"];
  if (!spec.absent() && cidrs.absent()) cidrs.Fail("is missing; list the prefixes of the group, [] for none");

  std::vector<v1::Cidr> members;
  for (const YamlValue& item : cidrs.Items()) {
    if (const std::optional<v1::Cidr> cidr = ReadCidr(item); cidr.has_value()) members.push_back(*cidr);
  }
  // One normal form, so that writing the same group in another order changes nothing.
  std::sort(members.begin(), members.end(), CidrLess);
  members.erase(
      std::unique(members.begin(), members.end(),
                  [](const v1::Cidr& a, const v1::Cidr& b) { return !CidrLess(a, b) && !CidrLess(b, a); }),
      members.end());
  for (v1::Cidr& cidr : members) *group->add_cidrs() = std::move(cidr);
}

}  // namespace trivium::policy
