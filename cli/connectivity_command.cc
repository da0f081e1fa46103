// `connectivity test`: a pod on every node whose agent it is given, and every connection between them, TCP
// and UDP, beside what the policies say of it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "base/random.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "cli/connectivity_text.h"
#include "cli/exit_code.h"
#include "cli/fetcher.h"
#include "cli/probe_net.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

constexpr uint16_t kPort = 7471;
constexpr absl::Duration kAgentPatience = absl::Seconds(15);  // for a pod to start
constexpr absl::Duration kTry = absl::Seconds(1);             // for one connection
constexpr absl::Duration kPatience = absl::Minutes(1);        // without --timeout
constexpr absl::Duration kAgain = absl::Milliseconds(200);    // until a pod is asked for again
constexpr size_t kAtOnce = 200;                               // connections

struct Options {
  std::vector<std::string> sockets = {"/run/trivium/agent.sock"};
  std::string ns = "trivium-test";
  const CLI::Option* timeout = nullptr;  // the global one
};

// A node that takes part, through its agent.
struct Node {
  std::string socket;
  std::string netns;  // of the agent; empty: this one
  std::string cluster;
  std::string node;
  std::string pod;  // its name in the namespace
  std::string text() const { return absl::StrCat(cluster, "/", node); }
};

class Test {
 public:
  Test(Session* session, const Options& options, absl::Duration answer, absl::Duration patience)
      : session_(session), options_(options), answer_(answer), end_(session->clock->Monotonic() + patience) {}
  // What was made goes away: pods here and at their agents, namespaces that were not there before.
  ~Test() {
    for (const Node& node : registered_) {
      v1::AgentRequest request;
      request.mutable_del()->set_namespace_(options_.ns);
      request.mutable_del()->set_name(node.pod);
      const absl::Status gone = CallAgent(node.socket, request, kAgentPatience).status();
      if (!gone.ok())
        *session_->err << "left behind: " << node.text() << " " << node.pod << ": " << gone.message() << "\n";
    }
    pods_.clear();
    for (const std::string& cluster : made_namespaces_) {
      v1::Request request;
      request.mutable_delete_()->set_kind("Namespace");
      request.mutable_delete_()->set_name(options_.ns);
      const absl::Status gone = clients_[cluster]->client().Call(request, answer_).status();
      if (!gone.ok())
        *session_->err << "left behind: namespace " << options_.ns << " of " << cluster << ": "
                       << gone.message() << "\n";
    }
  }

  absl::StatusOr<int> Run() {
    for (const std::string& socket : options_.sockets) TRIVIUM_RETURN_IF_ERROR(FindNode(socket));
    if (nodes_.size() < 2) {
      return absl::InvalidArgumentError(
          "give the agents of two nodes or more: --agent-socket PATH[@NETNS], repeated");
    }
    for (const Node& node : nodes_) TRIVIUM_RETURN_IF_ERROR(Prepare(node.cluster));
    for (const Node& node : nodes_) TRIVIUM_RETURN_IF_ERROR(StartPod(node));
    TRIVIUM_ASSIGN_OR_RETURN(std::vector<MeasuredFlow> flows, AskPolicies());
    TRIVIUM_RETURN_IF_ERROR(Measure(&flows));
    *session_->out << ConnectivityText(flows, session_->style);
    return FlowsWell(flows) == flows.size() ? kExitOk : kExitRefused;
  }

 private:
  absl::Status FindNode(const std::string& text) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('@', 1));
    Node node;
    node.socket = parts.first;
    node.netns = parts.second;
    v1::AgentRequest request;
    request.mutable_status();
    TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply, CallAgent(node.socket, request, kAgentPatience));
    node.cluster = reply.status().status().cluster();
    node.node = reply.status().status().node();
    node.pod = absl::StrCat("probe-", node.node);
    for (const Node& other : nodes_) {
      if (other.text() == node.text()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--agent-socket ", text, ": node ", node.text(), " is given twice"));
      }
    }
    nodes_.push_back(std::move(node));
    return absl::OkStatus();
  }

  // A connection to the cluster's control plane, and the namespace there.
  absl::Status Prepare(const std::string& cluster) {
    if (clients_.count(cluster) > 0) return absl::OkStatus();
    TRIVIUM_ASSIGN_OR_RETURN(const Config config, session_->LoadConfiguration());
    TRIVIUM_ASSIGN_OR_RETURN(const Context context, PickContext(config, "", cluster));
    TRIVIUM_ASSIGN_OR_RETURN(clients_[cluster], session_->connect(context));
    v1::Request request;
    v1::Manifest* manifest = request.mutable_apply()->add_manifests();
    manifest->set_file("connectivity test");
    manifest->set_text(
        absl::StrCat("apiVersion: v1\nkind: Namespace\nmetadata: {name: ", options_.ns, "}\n"));
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, clients_[cluster]->client().Call(request, answer_));
    if (reply.apply().items(0).action() == "created") made_namespaces_.insert(cluster);
    return absl::OkStatus();
  }

  // The highest address of the node's pod network that no endpoint of it has.
  absl::StatusOr<std::string> FreeAddress(const Node& node) {
    TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind("node"));
    Fetcher fetcher(&clients_[node.cluster]->client(), answer_);
    TRIVIUM_ASSIGN_OR_RETURN(const v1::GetResult found, fetcher.Get(*kind, node.cluster, "", node.node));
    if (found.items_size() != 1)
      return absl::NotFoundError(absl::StrCat("node ", node.text(), " is not known"));
    v1::AgentRequest request;
    request.mutable_list();
    TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply local, CallAgent(node.socket, request, kAgentPatience));
    std::set<std::string> taken;
    for (const v1::LocalEndpoint& endpoint : local.list().endpoints()) {
      taken.insert(endpoint.ips().begin(), endpoint.ips().end());
    }
    const v1::Node& object = found.items(0).object().object().node();
    taken.insert(object.inner_addresses().begin(), object.inner_addresses().end());
    for (const v1::Cidr& cidr : object.pod_cidrs()) {
      if (cidr.address().size() != 4 || cidr.length() > 30) continue;
      uint32_t base = 0;
      for (const char byte : cidr.address()) base = base << 8 | static_cast<unsigned char>(byte);
      const uint32_t size = cidr.length() == 0 ? 0xffffffff : (uint32_t{1} << (32 - cidr.length()));
      for (uint32_t offset = size - 2; offset > 0; --offset) {
        const uint32_t ip = base + offset;
        const std::string bytes = {static_cast<char>(ip >> 24), static_cast<char>(ip >> 16),
                                   static_cast<char>(ip >> 8), static_cast<char>(ip)};
        if (taken.count(bytes) == 0) return bytes;
      }
    }
    return absl::FailedPreconditionError(
        absl::StrCat("node ", node.text(), " has no IPv4 pod network of its own with a free address"));
  }

  absl::Status StartPod(const Node& node) {
    v1::AgentRequest leftover;  // of a run that was killed
    leftover.mutable_del()->set_namespace_(options_.ns);
    leftover.mutable_del()->set_name(node.pod);
    TRIVIUM_RETURN_IF_ERROR(CallAgent(node.socket, leftover, kAgentPatience).status());
    TRIVIUM_ASSIGN_OR_RETURN(const std::string ip, FreeAddress(node));
    const std::string ifname = absl::StrCat("tct", RealRandom()->NewId().ToHex().substr(0, 8));
    TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<ProbePod> pod,
                             ProbePod::Make(absl::StrCat("trivium-ct-", node.cluster, "-", node.node),
                                            node.netns, ifname, ip, kPort));
    v1::AgentRequest request;
    v1::EndpointAdd& add = *request.mutable_add();
    add.set_namespace_(options_.ns);
    add.set_name(node.pod);
    (*add.mutable_labels())["app"] = "trivium-connectivity-test";
    (*add.mutable_labels())["node"] = node.node;
    add.add_ips(ip);
    add.set_ifname(ifname);
    add.set_pod_mac(pod->mac());
    registered_.push_back(node);
    const absl::StatusOr<v1::AgentReply> reply = CallAgent(node.socket, request, kAgentPatience);
    TRIVIUM_RETURN_IF_ERROR(Annotate(reply.status(), node.text()));
    if (reply->added().endpoint().state() != v1::ENDPOINT_READY) {
      return absl::FailedPreconditionError(absl::StrCat(
          node.text(), ": the pod did not start: ", reply->message(), reply->added().endpoint().problem()));
    }
    pods_.push_back(std::move(pod));
    *session_->err << node.text() << ": a pod at " << IpText(ip) << "\n";
    return absl::OkStatus();
  }

  // What the policies say of every pair, at the control plane of its destination, as soon as that knows both.
  absl::StatusOr<std::vector<MeasuredFlow>> AskPolicies() {
    std::vector<MeasuredFlow> flows;
    for (const Node& from : nodes_) {
      for (const Node& to : nodes_) {
        if (&from == &to) continue;
        for (const bool udp : {false, true}) {
          v1::Request request;
          v1::TraceRequest& trace = *request.mutable_trace();
          for (auto [end, node] : {std::make_pair(trace.mutable_from(), &from), {trace.mutable_to(), &to}}) {
            end->mutable_pod()->set_cluster(node->cluster);
            end->mutable_pod()->set_namespace_(options_.ns);
            end->mutable_pod()->set_name(node->pod);
          }
          trace.set_protocol(udp ? v1::PROTOCOL_UDP : v1::PROTOCOL_TCP);
          trace.set_port(kPort);
          absl::StatusOr<v1::Reply> reply = absl::UnknownError("");
          while (true) {
            reply = clients_[to.cluster]->client().Call(request, answer_);
            if (!absl::IsNotFound(reply.status()) || session_->clock->Monotonic() >= end_) break;
            absl::Notification().WaitForNotificationWithTimeout(kAgain);
          }
          TRIVIUM_RETURN_IF_ERROR(reply.status());
          flows.push_back({from.text(), to.text(), udp, reply->trace().verdict() == "allowed", false, {}});
        }
      }
    }
    return flows;
  }

  // Those that should pass are tried until they do, or time is up; those that should not are tried once all
  // of that is settled, since a pod that is not known yet is denied anyway.
  absl::Status Measure(std::vector<MeasuredFlow>* flows) {
    size_t told = SIZE_MAX;
    while (true) {
      std::vector<size_t> left;
      for (size_t i = 0; i < flows->size(); ++i) {
        if ((*flows)[i].allowed && !(*flows)[i].open) left.push_back(i);
      }
      if (left.size() != told) {
        *session_->err << flows->size() - left.size() << " of " << flows->size() << " connections settled\n";
        told = left.size();
      }
      if (left.empty() || session_->clock->Monotonic() >= end_) break;
      TRIVIUM_RETURN_IF_ERROR(Try(left, flows));
    }
    std::vector<size_t> denied;
    for (size_t i = 0; i < flows->size(); ++i) {
      if (!(*flows)[i].allowed) denied.push_back(i);
    }
    return Try(denied, flows);
  }

  absl::Status Try(const std::vector<size_t>& which, std::vector<MeasuredFlow>* flows) {
    for (size_t begin = 0; begin < which.size(); begin += kAtOnce) {
      std::vector<Probe> probes;
      for (size_t i = begin; i < std::min(begin + kAtOnce, which.size()); ++i) {
        const MeasuredFlow& flow = (*flows)[which[i]];
        probes.push_back({PlaceOf(flow.from), PlaceOf(flow.to), flow.udp, false, {}});
      }
      TRIVIUM_RETURN_IF_ERROR(RunProbes(pods_, absl::MakeSpan(probes), kTry, session_->clock));
      for (size_t i = 0; i < probes.size(); ++i) {
        (*flows)[which[begin + i]].open = probes[i].open;
        (*flows)[which[begin + i]].took = probes[i].took;
      }
    }
    return absl::OkStatus();
  }

  size_t PlaceOf(const std::string& text) const {
    return static_cast<size_t>(
        std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.text() == text; }) -
        nodes_.begin());
  }

  Session* const session_;
  const Options options_;
  const absl::Duration answer_;  // patience with a control plane
  const absl::Duration end_;
  std::vector<Node> nodes_;
  std::vector<Node> registered_;
  std::vector<std::unique_ptr<ProbePod>> pods_;                 // parallel to nodes_
  std::map<std::string, std::unique_ptr<Connection>> clients_;  // by cluster
  std::set<std::string> made_namespaces_;                       // clusters
};

}  // namespace

void AddConnectivityCommand(CLI::App* app, Session* session) {
  CLI::App* group = app->add_subcommand("connectivity", "Whether pods reach each other");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  options->timeout = app->get_option("--timeout");
  CLI::App* test =
      group->add_subcommand("test",
                            "Starts a pod on every node whose agent it is given, measures every connection "
                            "between them, TCP and UDP, and "
                            "compares that with what the policies say. Needs root and the agents' sockets");
  test->add_option(
          "--agent-socket", options->sockets,
          "An agent's socket; with @NETNS the network namespace that it runs in. Repeat it for each node")
      ->type_name("PATH[@NETNS]")
      ->allow_extra_args(false)
      ->expected(1)
      ->take_all();
  test->add_option("-n,--namespace", options->ns,
                   "Where the pods are; made, and removed again, if it is not there")
      ->capture_default_str()
      ->type_name("NAME");
  test->footer(
      "Exit status: 0 everything is as the policies say; 1 something is not, or could not be measured.\n"
      "Example:\n"
      "  triviumctl connectivity test --agent-socket /run/trivium/n1.sock@n1 --agent-socket "
      "/run/trivium/n2.sock@n2");
  test->callback([=] {
    session->run = [=]() -> absl::StatusOr<int> {
      TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
      Test run(session, *options, timeout, options->timeout->count() == 0 ? kPatience : timeout);
      return run.Run();
    };
  });
}

}  // namespace trivium::cli
