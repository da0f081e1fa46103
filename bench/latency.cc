// trivium-latency: from a request to the last agent's written map, on a running mesh, beside the floor that
// the same servers set: one bare SQL commit, one bare NATS publish to the last of as many subscribers, one
// bare map write.
//
// Product and floor alternate, so that both meet the same machine. An agent writes its pinned `vector` map
// last, after every map that a revision touches: its revision there says that the change decides packets on
// that node. Prints one JSON object; exit status 0 only if every change arrived everywhere.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status.h"
#include "bench/floor.h"
#include "bench/kernel_map.h"
#include "bench/mesh_files.h"
#include "bpf/abi/types.h"
#include "policy/labels.h"
#include "schema/subjects.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string mesh;
  std::string cluster;
  int changes = 300;
};

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string FirstIpv4(const v1::Endpoint& endpoint) {
  for (const v1::EndpointAddress& address : endpoint.addresses()) {
    if (address.ip().size() == 4) return address.ip();
  }
  return "";
}

nlohmann::json Row(const std::string& name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
  };
  return {{"name", name}, {"p50_ms", at(0.5)}, {"p99_ms", at(0.99)}, {"max_ms", times.back()}};
}

// Sees when each agent's maps first hold a revision of the cluster.
class Watcher {
 public:
  static absl::StatusOr<std::unique_ptr<Watcher>> Open(const MeshFiles& mesh, uint32_t cluster_id) {
    std::unique_ptr<Watcher> watcher(new Watcher());
    watcher->key_.cluster = cluster_id;
    for (const AgentFiles& agent : mesh.agents) {
      TRIVIUM_ASSIGN_OR_RETURN(KernelMap map, KernelMap::OpenPinned(absl::StrCat(
                                                  agent.pin_root, "/v", TRIVIUM_ABI_VERSION, "/vector")));
      watcher->maps_.push_back(std::move(map));
    }
    return watcher;
  }

  // The lowest revision that an agent's maps hold.
  uint64_t Lowest() const {
    uint64_t lowest = UINT64_MAX;
    for (const KernelMap& map : maps_) {
      vector_value value = {};
      if (!map.Lookup(&key_, &value)) return 0;
      lowest = std::min<uint64_t>(lowest, value.revision);
    }
    return lowest;
  }

  // True once all hold `revision`; false after `limit`.
  bool WaitFor(uint64_t revision, std::chrono::seconds limit) const {
    const Clock::time_point end = Clock::now() + limit;
    while (Lowest() < revision) {
      if (Clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
  }

 private:
  vector_key key_ = {};
  std::vector<KernelMap> maps_;
};

// The change requests that the product is measured by.
class Product {
 public:
  static absl::StatusOr<std::unique_ptr<Product>> Connect(const MeshFiles& mesh, const std::string& cluster) {
    std::unique_ptr<Product> product(new Product());
    product->cluster_ = cluster;
    for (const auto& [name, nats] : mesh.operators) {
      if (name != cluster || product->people_ != nullptr) continue;
      product->operator_ = nats.principal;
      TRIVIUM_ASSIGN_OR_RETURN(product->people_, BareNats::Connect(nats));
    }
    for (const AgentFiles& agent : mesh.agents) {
      if (agent.cluster != cluster || product->node_ != nullptr) continue;
      product->node_principal_ = agent.nats.principal;
      product->node_name_ = agent.node;
      TRIVIUM_ASSIGN_OR_RETURN(product->node_, BareNats::Connect(agent.nats));
    }
    if (product->people_ == nullptr || product->node_ == nullptr) {
      return absl::NotFoundError(absl::StrCat("no operator or no node of ", cluster, " in the mesh's files"));
    }
    TRIVIUM_RETURN_IF_ERROR(product->ChoosePod());
    return product;
  }

  // Change number `i`: two of four change a policy, one gives a pod a second address, one takes it
  // away again. The revision.
  absl::StatusOr<uint64_t> Change(int i) {
    switch (i % 4) {
      case 0:
      case 2:
        return ApplyPolicy(i);
      case 1:
        return SetAddresses(true);
      default:
        return SetAddresses(false);
    }
  }

  absl::Status CleanUp() {
    TRIVIUM_RETURN_IF_ERROR(SetAddresses(false).status());
    v1::Request request;
    request.mutable_delete_()->set_kind("NetworkPolicy");
    request.mutable_delete_()->set_namespace_("shop");
    request.mutable_delete_()->set_name("measured");
    return Ask(people_.get(), operator_, "delete", std::move(request)).status();
  }

 private:
  absl::StatusOr<uint64_t> ApplyPolicy(int i) {
    v1::Request request;
    v1::Manifest& manifest = *request.mutable_apply()->add_manifests();
    manifest.set_file("measured.yaml");
    // Opens a port to a network that nobody is in, another one each time: a change of a real pod's rules.
    manifest.set_text(absl::StrCat(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: measured, namespace: shop}\n"
        "spec:\n  podSelector: {matchLabels: {app: frontend}}\n  ingress:\n"
        "  - from: [{ipBlock: {cidr: 203.0.113.0/24}}]\n    ports: [{port: ",
        10000 + i, "}]\n"));
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply,
                             Ask(people_.get(), operator_, "apply", std::move(request)));
    return reply.revision();
  }

  // A pod's second address comes and goes. The pod is a real one: an agent removes what it does not know.
  absl::StatusOr<uint64_t> SetAddresses(bool second) {
    v1::Request request;
    *request.mutable_add_endpoint() = pod_;
    if (second) request.mutable_add_endpoint()->add_ips(second_ip_);
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply,
                             Ask(node_.get(), node_principal_, "add-endpoint", std::move(request)));
    return reply.revision();
  }

  // What a pod of the node was registered with, as the log has it.
  absl::Status ChoosePod() {
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Object node, First("Node", [this](const v1::Object& object) {
                               return object.node().name() == node_name_;
                             }));
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Object found, First("Endpoint", [&node](const v1::Object& object) {
                               return object.endpoint().node() == node.node().number() &&
                                      !FirstIpv4(object.endpoint()).empty();
                             }));
    const v1::Endpoint& pod = found.endpoint();
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Object of, First("Identity", [&pod](const v1::Object& object) {
                               return object.identity().id() == pod.identity();
                             }));
    pod_.set_uid(pod.meta().uid());
    pod_.set_namespace_(pod.namespace_());
    pod_.set_name(pod.name());
    pod_.set_node(node_name_);
    for (const v1::EndpointAddress& address : pod.addresses()) pod_.add_ips(address.ip());
    second_ip_ = FirstIpv4(pod).substr(0, 3) + '\xfa';  // .250: beyond the demo's pods
    *pod_.mutable_named_ports() = of.identity().named_ports();
    for (const auto& [key, value] : policy::PodLabelsOf(of.identity())) (*pod_.mutable_labels())[key] = value;
    pod_.set_service_account(policy::LabelOf(of.identity(), policy::kServiceAccountLabel));
    return absl::OkStatus();
  }

  template <typename Wanted>
  absl::StatusOr<v1::Object> First(const char* kind, Wanted wanted) {
    v1::Request request;
    request.mutable_get()->set_kind(kind);
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, Ask(people_.get(), operator_, "get", std::move(request)));
    for (const v1::GetResult::Item& item : reply.get().items()) {
      if (wanted(item.object().object())) return item.object().object();
    }
    return absl::NotFoundError(absl::StrCat(cluster_, " has no ", kind, " that fits, of node ", node_name_));
  }

  absl::StatusOr<v1::Reply> Ask(BareNats* nats, const std::string& principal, const char* verb,
                                v1::Request request) {
    request.set_request_id(RealRandom()->NewId().ToBytes());
    request.set_source("trivium-latency");
    request.set_deadline_ms(5000);
    TRIVIUM_ASSIGN_OR_RETURN(const std::string answer,
                             nats->Request(subjects::Api(cluster_, principal, verb),
                                           request.SerializeAsString(), absl::Seconds(5)));
    v1::Reply reply;
    if (!reply.ParseFromString(answer)) return absl::DataLossError("a reply that cannot be read");
    if (reply.code() != 0) return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
    return reply;
  }

  std::string cluster_;
  std::string operator_;
  std::string node_principal_;
  std::string node_name_;
  v1::AddEndpointRequest pod_;
  std::string second_ip_;
  std::unique_ptr<BareNats> people_;
  std::unique_ptr<BareNats> node_;
};

absl::StatusOr<nlohmann::json> Measure(const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const MeshFiles mesh, ReadMeshFiles(options.mesh));
  const auto control_plane = std::find_if(mesh.control_planes.begin(), mesh.control_planes.end(),
                                          [&](const auto& one) { return one.cluster == options.cluster; });
  if (control_plane == mesh.control_planes.end()) {
    return absl::NotFoundError(absl::StrCat("no control plane of ", options.cluster, " in ", options.mesh));
  }
  TRIVIUM_ASSIGN_OR_RETURN(const auto watcher, Watcher::Open(mesh, control_plane->cluster_id));
  TRIVIUM_ASSIGN_OR_RETURN(const auto product, Product::Connect(mesh, options.cluster));
  TRIVIUM_ASSIGN_OR_RETURN(const auto floor, Floor::Open(mesh, *control_plane, mesh.agents.size(), ""));

  std::vector<double> answered, enforced, sql, nats, map, bare;
  constexpr int kWarmUp = 8;
  for (int i = 0; i < options.changes + kWarmUp; ++i) {
    // The answer comes on the agents' heels or before: both are watched at once, by two threads.
    const uint64_t next = watcher->Lowest() + 1;
    const Clock::time_point start = Clock::now();
    double written_after = 0;
    bool written = false;
    std::thread watch([&] {
      written = watcher->WaitFor(next, std::chrono::seconds(10));
      written_after = MillisecondsSince(start);
    });
    const absl::StatusOr<uint64_t> revision = product->Change(i);
    const double answered_after = MillisecondsSince(start);
    watch.join();
    TRIVIUM_RETURN_IF_ERROR(Annotate(revision.status(), absl::StrCat("change ", i)));
    if (!written) {
      return absl::DeadlineExceededError(
          absl::StrCat("change ", i, " (revision ", *revision, ") is not in every map"));
    }
    if (*revision != next) {
      return absl::AbortedError(
          absl::StrCat("somebody else changes ", options.cluster, " during the measurement"));
    }
    TRIVIUM_ASSIGN_OR_RETURN(const Floor::Times times, floor->Run(i));
    if (i < kWarmUp) continue;
    answered.push_back(answered_after);
    enforced.push_back(written_after);
    sql.push_back(times.sql);
    nats.push_back(times.nats);
    map.push_back(times.map);
    bare.push_back(times.all);
  }
  TRIVIUM_RETURN_IF_ERROR(floor->CleanUp());
  TRIVIUM_RETURN_IF_ERROR(product->CleanUp());

  nlohmann::json out;
  out["changes"] = enforced.size();
  out["agents"] = mesh.agents.size();
  out["rows"] = {Row("request to answer (committed)", answered),
                 Row("request to the last agent's map", enforced),
                 Row("floor: SQL commit", sql),
                 Row("floor: NATS to the last subscriber", nats),
                 Row("floor: map write", map),
                 Row("floor: all three", bare)};
  out["ratio"] = out["rows"][1]["p50_ms"].get<double>() / out["rows"][5]["p50_ms"].get<double>();
  return out;
}

}  // namespace
}  // namespace trivium::bench

int main(int argc, char** argv) {
  trivium::bench::Options options;
  CLI::App app("From request to written map on a running mesh, beside the floor of its servers");
  app.add_option("--mesh", options.mesh, "The folder that `triviumctl mesh init` wrote")->required();
  app.add_option("--cluster", options.cluster, "Whose policies and endpoints change")->required();
  app.add_option("--changes", options.changes, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  CLI11_PARSE(app, argc, argv);
  const auto result = trivium::bench::Measure(options);
  if (!result.ok()) {
    std::cerr << "trivium-latency: " << result.status().message() << "\n";
    return 1;
  }
  std::cout << result->dump(2) << "\n";
  return 0;
}
