// Asks the kernel: the agent's own pipeline fills real maps, and the real programs judge crafted packets, one
// map set a cluster with all of its pods on one node, by the kernel's test-run call.
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "nodeagent/desired/pipeline.h"
#include "tests/bpf/packet_tester.h"
#include "tests/conformance/judge.h"

namespace trivium::conformance {
namespace {

const char* ReasonName(int reason) {
  switch (reason) {
#define TRIVIUM_REASON_NAME(number, constant, name) \
  case number:                                      \
    return name;
    TRIVIUM_DROP_REASONS(TRIVIUM_REASON_NAME)
#undef TRIVIUM_REASON_NAME
    default:
      return "no reason was counted";
  }
}

class KernelJudge final : public Judge {
 public:
  void OnChange(uint32_t cluster, v1::Kind kind, const std::string& key, ObjectPtr before, ObjectPtr after,
                uint64_t revision) override {
    changes_.push_back({cluster, {kind, key, std::move(before), std::move(after), revision}});
  }

  absl::Status Settle(const World& world) override {
    for (const std::string& cluster : world.clusters()) {
      Node& node = nodes_[cluster];
      if (node.tester == nullptr) TRIVIUM_RETURN_IF_ERROR(Start(world, cluster, &node));
      for (const auto& [from, change] : changes_) {
        node.pipeline->OnObject(from, change);
        if (from != node.id || change.kind != v1::KIND_ENDPOINT) continue;
        if (change.after == nullptr) {
          node.pipeline->RemoveLocalEndpoint(*Id128::FromHex(change.key));
        } else {
          node.pipeline->SetLocalEndpoint(Local(&node, change.after->endpoint()));
        }
      }
    }
    changes_.clear();
    for (auto& [cluster, node] : nodes_) {
      const FlushReport report = node.pipeline->Flush(&node.tester->maps());
      if (!report.complete) {
        return absl::InternalError(absl::StrCat(
            "the maps of ", cluster, " could not be written: ", report.problems.size(), " problems"));
      }
      TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> differences,
                               node.pipeline->Audit(&node.tester->maps(), 3));
      if (!differences.empty()) {
        return absl::InternalError(
            absl::StrCat("the maps of ", cluster, " are not what is wanted: ", differences[0]));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Answer> New(const World& world, const Flow& flow) override {
    return Send(world, flow, Packet(flow, NextPort()));
  }

  absl::Status Open(const World& world, const Flow& flow, size_t step) override {
    const uint16_t port = NextPort();
    PacketSpec packet = Packet(flow, port);
    TRIVIUM_ASSIGN_OR_RETURN(const Answer out, Send(world, flow, packet));
    if (!out.allowed) {
      return absl::FailedPreconditionError(
          absl::StrCat(flow.from, " -> ", flow.to, " should have opened and did not: ", out.why));
    }
    Flow back = flow;
    std::swap(back.source, back.destination);
    std::swap(back.from, back.to);
    TRIVIUM_ASSIGN_OR_RETURN(const Answer reply, Send(world, back, packet.Reply()));
    if (!reply.allowed) {
      return absl::FailedPreconditionError(
          absl::StrCat("the reply of ", flow.to, " to ", flow.from, ": ", reply.why));
    }
    open_[Key(flow, step)] = port;
    return absl::OkStatus();
  }

  absl::StatusOr<Answer> Established(const World& world, const Flow& flow, size_t step) override {
    const auto port = open_.find(Key(flow, step));
    if (port == open_.end()) return Answer{false, "it was never opened"};
    PacketSpec packet = Packet(flow, port->second);
    packet.tcp_flags = kAck;
    packet.sctp_chunk = 0;  // DATA
    return Send(world, flow, packet);
  }

 private:
  struct Node {
    uint32_t id = 0;
    std::unique_ptr<PacketTester> tester;
    std::unique_ptr<Pipeline> pipeline;
    std::map<Id128, uint32_t> numbers;  // of local endpoints
  };
  using FlowKey = std::tuple<size_t, std::string, std::string, int, int, int>;

  static FlowKey Key(const Flow& flow, size_t step) {
    return {step, flow.from, flow.to, flow.protocol, flow.port, flow.family};
  }

  // Every probe is a flow of its own: no verdict is remembered from an earlier one.
  uint16_t NextPort() {
    next_port_ = next_port_ == 65535 ? 20000 : static_cast<uint16_t>(next_port_ + 1);
    return next_port_;
  }

  absl::Status Start(const World& world, const std::string& cluster, Node* node) {
    node->id = world.ClusterId(cluster);
    TRIVIUM_ASSIGN_OR_RETURN(node->tester, PacketTester::Create());
    Pipeline::Options options;
    options.cluster = cluster;
    options.cluster_id = node->id;
    options.node = "node";
    node->pipeline = std::make_unique<Pipeline>(options, RealClock());
    return node->pipeline->Adopt(&node->tester->maps());
  }

  static Pipeline::LocalEndpoint Local(Node* node, const v1::Endpoint& endpoint) {
    Pipeline::LocalEndpoint local;
    local.uid = *Id128::FromBytes(endpoint.meta().uid());
    auto [number, is_new] = node->numbers.emplace(local.uid, 0);
    if (is_new) number->second = node->pipeline->NewEndpointNumber();
    local.number = number->second;
    local.ifindex = PacketTester::kIfindex;
    for (const v1::EndpointAddress& address : endpoint.addresses()) local.ips.push_back(address.ip());
    local.pod_mac = std::string("\x02\0\0\0\0\x01", 6);
    local.host_mac = std::string("\x02\0\0\0\0\x02", 6);
    return local;
  }

  static PacketSpec Packet(const Flow& flow, uint16_t source_port) {
    PacketSpec packet;
    packet.source = flow.source.Ip(flow.family);
    packet.destination = flow.destination.Ip(flow.family);
    packet.protocol = static_cast<uint8_t>(flow.protocol);
    packet.source_port = source_port;
    const bool icmp = flow.protocol == v1::PROTOCOL_ICMP || flow.protocol == v1::PROTOCOL_ICMPV6;
    packet.destination_port = icmp ? static_cast<uint16_t>(flow.port << 8) : flow.port;
    return packet;
  }

  PacketTester* TesterOf(const Host& host) {
    return host.external() ? nullptr : nodes_.at(host.cluster).tester.get();
  }

  absl::StatusOr<Answer> Send(const World& world, const Flow& flow, const PacketSpec& packet) {
    ProbeSpec probe;
    probe.packet = packet;
    if (!flow.source.external()) {
      probe.source_underlay = UnderlayOf(world, flow.source);
    }
    TRIVIUM_ASSIGN_OR_RETURN(const ProbeResult result,
                             PacketTester::Probe(TesterOf(flow.source), TesterOf(flow.destination), probe));
    return Answer{result.passed, result.passed ? "passed"
                                               : absl::StrCat(result.program, " at the ",
                                                              result.at_source ? "source" : "destination",
                                                              ": ", ReasonName(result.reason))};
  }

  // The tunnel end of the node that the log says the pod is on.
  static std::string UnderlayOf(const World& world, const Host& host) {
    const Mirror& mirror = world.mirror(host.cluster);
    const v1::Object* endpoint = mirror.Find(v1::KIND_ENDPOINT, EndpointKey(host.uid));
    for (const auto& [name, stored] : mirror.All(v1::KIND_NODE)) {
      const v1::Node& node = stored.object->node();
      if (endpoint != nullptr && node.number() == endpoint->endpoint().node()) return node.addresses(0);
    }
    return "";
  }

  std::vector<std::pair<uint32_t, ObjectChange>> changes_;
  std::map<std::string, Node> nodes_;
  std::map<FlowKey, uint16_t> open_;
  uint16_t next_port_ = 20000;
};

}  // namespace

std::unique_ptr<Judge> NewKernelJudge() { return std::make_unique<KernelJudge>(); }

}  // namespace trivium::conformance
