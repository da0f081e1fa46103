#include "tests/support/policy_scale.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/labels.h"
#include "schema/object.h"

namespace trivium {
namespace {

const char* ClusterName(uint32_t cluster) { return cluster == 1 ? "aws" : "gcp"; }

void Require(v1::Selector* selector, const std::string& key, const std::string& value) {
  v1::Requirement* requirement = selector->add_requirements();
  requirement->set_key(key);
  requirement->add_values(value);
}

v1::Selector AppSelector(const std::string& cluster, const std::string& ns, const std::string& app) {
  v1::Selector selector;
  Require(&selector, "any:app", app);
  Require(&selector, policy::kClusterLabel, cluster);
  Require(&selector, policy::kNamespaceLabel, ns);
  return selector;
}

std::string Name(const char* what, uint32_t number) { return absl::StrCat(what, "-", number); }

Pipeline::Options Options() {
  Pipeline::Options options;
  options.cluster = "aws";
  options.cluster_id = 1;
  options.node = "n1";
  return options;
}

}  // namespace

PolicyScaleWorld::PolicyScaleWorld(const PolicyScale& scale, MapIo* maps, const Clock* clock)
    : scale_(scale), maps_(maps), pipeline_(Options(), clock) {}

v1::Object PolicyScaleWorld::IdentityObject(uint32_t cluster, uint32_t ns, uint32_t app, uint32_t number,
                                            const std::string& version) const {
  policy::PodLabels pod;
  pod.cluster = ClusterName(cluster);
  pod.ns = Name("ns", ns);
  pod.namespace_labels = {{policy::kMetadataName, pod.ns}, {"team", Name("team", ns % 20)}};
  pod.labels = {{"app", Name("app", app)}, {"tier", app % 2 == 0 ? "front" : "back"}};
  if (!version.empty()) pod.labels["version"] = version;
  v1::Object object;
  object.mutable_identity()->set_id(number);
  for (const v1::Label& label : policy::IdentityLabels(pod)) *object.mutable_identity()->add_labels() = label;
  return object;
}

v1::Object PolicyScaleWorld::PolicyObject(uint32_t i, uint32_t port) const {
  const uint32_t ns = i % Namespaces(), turn = i / Namespaces(), app = turn % scale_.apps;
  const std::string ns_name = Name("ns", ns);
  v1::Object object;
  v1::Policy* policy = object.mutable_policy();
  policy->set_kind("CiliumNetworkPolicy");
  policy->set_namespace_(ns_name);
  policy->set_name(Name("policy", i));
  v1::PolicyBlock* block = policy->add_blocks();
  *block->mutable_subject() = AppSelector("aws", ns_name, Name("app", app));
  v1::Rule* rule = block->add_rules();
  const bool ingress = turn < scale_.apps;
  rule->set_direction(ingress ? v1::Rule::INGRESS : v1::Rule::EGRESS);
  (ingress ? block->set_default_deny_ingress(true) : block->set_default_deny_egress(true));
  rule->set_origin(ingress ? "spec.ingress[0]" : "spec.egress[0]");
  for (const char* cluster : {"aws", "gcp"}) {
    *rule->add_peers()->mutable_labels() =
        AppSelector(cluster, ns_name, Name("app", (app + 1) % scale_.apps));
  }
  // Shared by many policies.
  v1::Selector* team = rule->add_peers()->mutable_labels();
  Require(team, absl::StrCat(policy::kNamespaceLabelsPrefix, "team"), Name("team", (ns + 1) % 20));
  Require(team, policy::kClusterLabel, "aws");
  Require(team, "any:tier", "front");
  v1::Cidr* cidr = rule->add_peers()->mutable_cidr()->mutable_cidr();
  cidr->set_address(std::string("\xc0\xa8") + static_cast<char>(i % 200) + std::string(1, '\0'));
  cidr->set_length(24);
  v1::PortRange* range = rule->add_ports();
  range->set_protocol(v1::PROTOCOL_TCP);
  range->set_first(port);
  range->set_last(port);
  return object;
}

std::string PolicyScaleWorld::PolicyKeyOf(const v1::Object& object) {
  const v1::Policy& policy = object.policy();
  return PolicyKey(policy.kind(), policy.namespace_(), policy.name());
}

uint32_t PolicyScaleWorld::PolicyOfEndpoint(uint32_t e) const {
  // Endpoint e is app e / namespaces of namespace e % namespaces.
  return e;
}

v1::Object PolicyScaleWorld::PeerIdentity(uint32_t e, uint32_t number) const {
  const uint32_t ns = e % Namespaces(), app = e / Namespaces() % scale_.apps;
  return IdentityObject(2, ns, (app + 1) % scale_.apps, number, absl::StrCat("v", number));
}

void PolicyScaleWorld::Tell(uint32_t cluster, v1::Kind kind, const std::string& key, v1::Object object) {
  ObjectChange change;
  change.kind = kind;
  change.key = key;
  change.after = std::make_shared<v1::Object>(std::move(object));
  change.revision = ++revision_;
  pipeline_.OnObject(cluster, change);
}

FlushReport PolicyScaleWorld::Load() {
  const uint32_t half = scale_.identities / 2;
  for (uint32_t i = 0; i < scale_.identities; ++i) {
    const uint32_t cluster = i < half ? 1 : 2, at = i % half;
    const uint32_t ns = at % Namespaces(), app = at / Namespaces();
    const std::string version = i < 2 * half ? "" : "last";  // of an odd number, one is left
    const uint32_t number = kFirstIdentity + i;
    Tell(cluster, v1::KIND_IDENTITY, absl::StrCat(number), IdentityObject(cluster, ns, app, number, version));
  }
  for (uint32_t i = 0; i < scale_.policies; ++i) {
    v1::Object object = PolicyObject(i, 1024 + i % 1000);
    const std::string key = PolicyKeyOf(object);
    Tell(1, v1::KIND_POLICY, key, std::move(object));
  }
  for (uint32_t e = 0; e < scale_.endpoints; ++e) {
    Pipeline::LocalEndpoint endpoint;
    endpoint.uid = Id128{1, e + 1};
    endpoint.number = pipeline_.NewEndpointNumber();
    endpoint.ifindex = 1;
    endpoint.ips = {std::string("\x0a\x01") + static_cast<char>(e / 250) + static_cast<char>(e % 250 + 1)};
    pipeline_.SetLocalEndpoint(endpoint);
    v1::Object object;
    object.mutable_endpoint()->mutable_meta()->set_uid(endpoint.uid.ToBytes());
    object.mutable_endpoint()->set_node(1);
    object.mutable_endpoint()->set_identity(kFirstIdentity + e);
    object.mutable_endpoint()->add_addresses()->set_ip(endpoint.ips[0]);
    Tell(1, v1::KIND_ENDPOINT, endpoint.uid.ToHex(), std::move(object));
  }
  return pipeline_.Flush(maps_);
}

}  // namespace trivium
