// The labels that make an identity. Pure; thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// Canonical keys, all with their source in front.
inline constexpr char kNamespaceLabel[] = "k8s:io.kubernetes.pod.namespace";
inline constexpr char kClusterLabel[] = "k8s:io.cilium.k8s.policy.cluster";
inline constexpr char kServiceAccountLabel[] = "k8s:io.cilium.k8s.policy.serviceaccount";
inline constexpr char kNamespaceLabelsPrefix[] = "k8s:io.cilium.k8s.namespace.labels.";
inline constexpr char kMetadataName[] = "kubernetes.io/metadata.name";
inline constexpr char kWorldLabel[] = "reserved:world";  // of every address outside the mesh, and one of:
inline constexpr char kWorldIpv4Label[] = "reserved:world-ipv4";
inline constexpr char kWorldIpv6Label[] = "reserved:world-ipv6";

// What a pod is, as its creator says it.
struct PodLabels {
  std::string cluster;
  std::string ns;
  std::map<std::string, std::string> namespace_labels;  // of the namespace object
  std::map<std::string, std::string> labels;            // of the pod, without source
  std::string service_account = "default";
};

// The sorted label list of the pod's identity. A pod's own label under one of the keys above (they say what
// the cluster knows of it) is left out, so that no pod can give itself another namespace, cluster or service
// account.
std::vector<v1::Label> IdentityLabels(const PodLabels& pod);
// The inverse for the pod's own labels: what IdentityLabels was given in `labels`.
std::map<std::string, std::string> PodLabelsOf(const v1::Identity& identity);
// The value of a label, "" without one; `key` with its source.
std::string LabelOf(const v1::Identity& identity, absl::string_view key);

// kInvalidArgument, naming the fault, for what Kubernetes would refuse: keys ([prefix/]name, at most 63
// characters of name, 253 of prefix) and values (at most 63).
absl::Status CheckLabelKey(absl::string_view key);
absl::Status CheckLabelValue(absl::string_view value);
absl::Status CheckLabel(absl::string_view key, absl::string_view value);
// Names: a DNS label (63 characters) where `what` is "namespace", else a DNS subdomain (253). `what` begins
// the message.
absl::Status CheckName(absl::string_view what, absl::string_view name);
// The identity's text form, the same for the same set: what uniqueness is judged by.
std::string CanonicalForm(const std::vector<v1::Label>& labels,
                          const std::vector<v1::NamedPort>& named_ports);

// Reserved identities (1..255) as objects with `reserved:` labels, e.g. 1 -> reserved:host.
std::vector<v1::Identity> ReservedIdentities();

}  // namespace trivium::policy
