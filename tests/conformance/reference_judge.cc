// Asks the reference evaluator, which reads the manifests by itself and shares no code with the policy
// library: where the two agree on hand-written tables, all three do.
#include <map>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "policy/testing/reference_evaluator.h"
#include "tests/conformance/judge.h"

namespace trivium::conformance {
namespace {

namespace reference = policy::reference;

class ReferenceJudge final : public Judge {
 public:
  void OnStart(const Case& c) override {
    for (const Cluster& cluster : c.clusters) {
      for (const Namespace& ns : cluster.namespaces)
        evaluator_.PutNamespace(cluster.name, ns.name, ns.labels);
      for (const Pod& pod : cluster.pods) PutPod(cluster.name, pod);
    }
  }

  void OnAction(const Action& action) override {
    const std::string ref = absl::StrCat(action.cluster, "/", action.ns, "/", action.name);
    switch (action.kind) {
      case Action::Kind::kApply:
        evaluator_.Apply(action.cluster, action.text);
        break;
      case Action::Kind::kDelete:
        evaluator_.Delete(action.cluster, action.object_kind, NamespaceOf(action), action.name);
        break;
      case Action::Kind::kCreateNamespace:
      case Action::Kind::kLabelNamespace:
        evaluator_.PutNamespace(action.cluster, action.name, action.labels);
        break;
      case Action::Kind::kDeleteNamespace:
        evaluator_.DeleteNamespace(action.cluster, action.name);
        break;
      case Action::Kind::kCreatePod:
        PutPod(action.cluster, action.pod);
        break;
      case Action::Kind::kDeletePod:
        pods_.erase(ref);
        break;
      case Action::Kind::kLabelPod:
        pods_.at(ref).labels = action.labels;
        break;
    }
  }

  void OnChange(uint32_t, v1::Kind, const std::string&, ObjectPtr, ObjectPtr, uint64_t) override {}
  absl::Status Settle(const World&) override { return absl::OkStatus(); }

  absl::StatusOr<Answer> New(const World&, const Flow& flow) override {
    const reference::Connection connection{PartyOf(flow.from, flow.source, flow.family),
                                           PartyOf(flow.to, flow.destination, flow.family),
                                           ProtocolText(flow.protocol), flow.port};
    const bool out = evaluator_.EgressAllows(connection);
    const bool in = evaluator_.IngressAllows(connection);
    return Answer{out && in, absl::StrCat("egress ", out ? "allowed" : "denied", ", ingress ",
                                          in ? "allowed" : "denied")};
  }

  absl::Status Open(const World& world, const Flow& flow, size_t) override {
    const absl::StatusOr<Answer> answer = New(world, flow);
    if (answer->allowed) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(flow.from, " -> ", flow.to, " should have opened: ", answer->why));
  }
  absl::StatusOr<Answer> Established(const World& world, const Flow& flow, size_t) override {
    return New(world, flow);  // today's verdict, in the connection's own direction
  }

 private:
  static std::string ProtocolText(v1::Protocol protocol) {
    if (protocol == v1::PROTOCOL_ICMPV6) return "ICMPv6";
    return std::string(absl::StripPrefix(v1::Protocol_Name(protocol), "PROTOCOL_"));
  }

  static std::string NamespaceOf(const Action& action) {
    const bool clusterwide =
        action.object_kind == "CiliumClusterwideNetworkPolicy" || action.object_kind == "CiliumCIDRGroup";
    if (clusterwide) return "";
    return action.ns.empty() ? "default" : action.ns;
  }

  void PutPod(const std::string& cluster, const Pod& pod) {
    reference::Pod out{cluster, pod.ns, pod.labels, {}, pod.service_account};
    for (const v1::NamedPort& port : pod.ports) {
      out.ports.push_back({port.name(), ProtocolText(port.protocol()), static_cast<int>(port.port())});
    }
    pods_[absl::StrCat(cluster, "/", pod.ns, "/", pod.name)] = out;
  }

  reference::Party PartyOf(const std::string& ref, const Host& host, int family) const {
    reference::Party party;
    if (!host.external()) {
      party.pod = pods_.at(ref);
      return party;
    }
    const std::string ip = host.Ip(family);
    for (size_t i = 0; i < ip.size(); ++i) {
      const auto byte = static_cast<unsigned char>(ip[i]);
      if (family == 4) {
        absl::StrAppend(&party.address, i == 0 ? "" : ".", byte);
      } else {
        absl::StrAppend(&party.address, i != 0 && i % 2 == 0 ? ":" : "", absl::Hex(byte, absl::kZeroPad2));
      }
    }
    return party;
  }

  reference::Evaluator evaluator_;
  std::map<std::string, reference::Pod> pods_;  // by cluster/namespace/name
};

}  // namespace

std::unique_ptr<Judge> NewReferenceJudge() { return std::make_unique<ReferenceJudge>(); }

}  // namespace trivium::conformance
