// What NetworkPolicies (and, in reference_cilium.h, CiliumNetworkPolicies) mean, written a second time:
// straight from the words of the two APIs, slowly and without cleverness, to test the real resolver against.
// It shares nothing with it but the YAML library. It validates nothing: it is only given manifests that the
// real parser has accepted.
//
// Beyond Kubernetes: a selector of pods or namespaces with the key io.cilium.k8s.policy.cluster looks in all
// clusters, and the key stands for the name of the peer's cluster; an ipBlock never selects a pod.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trivium::policy::reference {

using Labels = std::map<std::string, std::string>;

struct NamedPort {
  std::string name;
  std::string protocol;  // TCP, UDP, SCTP
  int port = 0;
};

struct Pod {
  std::string cluster;
  std::string ns;
  Labels labels;
  std::vector<NamedPort> ports;
  std::string service_account = "default";
};

// One end of a connection: a pod, or an address outside all clusters.
struct Party {
  std::optional<Pod> pod;
  std::string address;  // as text; only looked at if there is no pod
};

struct Connection {
  Party from;
  Party to;
  std::string protocol;  // TCP, UDP, SCTP, or anything else, which has no ports
  int port = 0;
};

class Evaluator {
 public:
  Evaluator();
  Evaluator(const Evaluator& other);  // a world of its own
  Evaluator& operator=(const Evaluator&) = delete;
  ~Evaluator();

  // Namespaces, by cluster and name. The label kubernetes.io/metadata.name is added.
  void PutNamespace(const std::string& cluster, const std::string& name, Labels labels);
  void DeleteNamespace(const std::string& cluster, const std::string& name);
  // Policies, CiliumCIDRGroups and Namespaces in a YAML stream, Lists among them.
  void Apply(const std::string& cluster, const std::string& yaml);
  // `ns` is empty for kinds that are in no namespace.
  void Delete(const std::string& cluster, const std::string& kind, const std::string& ns,
              const std::string& name);

  // Whether a new connection passes: the source's egress and the destination's ingress both allow it.
  bool Allows(const Connection& connection) const;
  bool EgressAllows(const Connection& connection) const;
  bool IngressAllows(const Connection& connection) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trivium::policy::reference
