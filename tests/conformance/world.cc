#include "tests/conformance/world.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/writer/plan_mesh.h"

namespace trivium::conformance {
namespace {

constexpr char kAnyNode[] = "node";
constexpr size_t kBlocks = 16;  // of identity numbers: no case needs more

std::string NamespacedName(const std::string& ns, const std::string& name) {
  return absl::StrCat(ns, "/", name);
}

}  // namespace

std::string Host::Ip(int family) const {
  for (const std::string& ip : ips) {
    if (ip.size() == (family == 4 ? 4u : 16u)) return ip;
  }
  return "";
}

std::vector<std::string> World::clusters() const {
  std::vector<std::string> names;
  for (const auto& [name, state] : clusters_) names.push_back(name);
  return names;
}

const Host* World::Find(const std::string& ref) const {
  const auto it = hosts_.find(ref);
  return it == hosts_.end() ? nullptr : &it->second;
}

absl::Status World::Commit(State* state, const Principal& principal, const PlanFunction& plan) {
  v1::Changes changes;
  Id128 digest;
  {
    Draft draft(&state->mirror, &state->index, state->revision + 1);
    const Caller caller{principal, "conformance", random_.NewId(), 0};
    TRIVIUM_ASSIGN_OR_RETURN(const Planned planned, plan(caller, &draft));
    if (planned.deferred) return absl::InternalError("deferred, although nothing was before it");
    if (planned.reply.code() != 0) {
      return absl::Status(static_cast<absl::StatusCode>(planned.reply.code()), planned.reply.message());
    }
    if (draft.empty()) return absl::OkStatus();
    changes = draft.ToChanges();
    digest = draft.DigestAfter();
  }
  ++state->revision;
  for (const v1::Change& change : changes.changes()) {
    const ObjectKey key = KeyOf(change);
    const Mirror::Stored* stored = state->mirror.FindStored(key.kind, key.key);
    const ObjectPtr before = stored == nullptr ? nullptr : stored->object;
    ObjectPtr after;
    if (change.op() == v1::Change::DELETE) {
      state->mirror.Delete(key);
    } else {
      after = std::make_shared<const v1::Object>(change.object());
      state->mirror.Upsert(after, state->revision);
    }
    state->index.Replace(before.get(), after.get());
    listener_(state->id, key.kind, key.key, before, after, state->revision);
  }
  if (state->mirror.digest() != digest)
    return absl::InternalError("the digest after the batch is not the planned one");
  return absl::OkStatus();
}

absl::Status World::Ask(State* state, const v1::Request& request) {
  return Commit(state, Principal{state->name, "ctl", "conformance"}, [&](const Caller& caller, Draft* draft) {
    return state->planner->Plan(request, caller, draft);
  });
}

absl::Status World::Start(const Case& c) {
  mesh_.name = kMeshCluster;
  uint32_t id = 0;
  for (const Cluster& cluster : c.clusters) {
    auto state = std::make_unique<State>();
    state->name = cluster.name;
    state->id = ++id;
    const ClusterRegistration registration{absl::StrCat("region-", id), id, cluster.name, id, 0, {}};
    const Principal principal{cluster.name, "cp", "conformance"};
    TRIVIUM_RETURN_IF_ERROR(Commit(&mesh_, principal, [&](const Caller& caller, Draft* draft) {
      return PlanRegisterCluster(registration, caller, &random_, draft);
    }));
    for (size_t block = 1; block <= kBlocks; ++block) {
      TRIVIUM_RETURN_IF_ERROR(Commit(&mesh_, principal, [&](const Caller& caller, Draft* draft) {
        return PlanLeaseBlock(state->id, block, caller, &random_, draft);
      }));
    }
    state->planner =
        std::make_unique<Planner>(PlannerConfig{cluster.name, id, 0, {}}, &mesh_.mirror, &random_);
    if (!clusters_.emplace(cluster.name, std::move(state)).second) {
      return absl::InvalidArgumentError(absl::StrCat("cluster ", cluster.name, " is there twice"));
    }
  }
  for (const Cluster& cluster : c.clusters) {
    State* state = clusters_[cluster.name].get();
    TRIVIUM_RETURN_IF_ERROR(RegisterNode(state, kAnyNode));
    // Kubernetes always has it.
    TRIVIUM_RETURN_IF_ERROR(ApplyNamespace(state, "default", {}));
    for (const Namespace& ns : cluster.namespaces) {
      TRIVIUM_RETURN_IF_ERROR(Annotate(ApplyNamespace(state, ns.name, ns.labels), "namespace " + ns.name));
    }
    for (const Pod& pod : cluster.pods) {
      TRIVIUM_RETURN_IF_ERROR(Annotate(AddPod(state, pod, random_.NewId()), "pod " + pod.name));
    }
  }
  for (const External& external : c.externals) hosts_[external.name] = Host{"", {}, external.ips};
  return absl::OkStatus();
}

absl::Status World::RegisterNode(State* state, const std::string& node) {
  if (state->mirror.Find(v1::KIND_NODE, node) != nullptr) return absl::OkStatus();
  v1::Request request;
  v1::Node* object = request.mutable_register_node()->mutable_node();
  object->set_name(node);
  object->set_boot_id("conformance");
  // From the range that carriers use among themselves: no case's addresses are there.
  const auto number = static_cast<char>(state->mirror.All(v1::KIND_NODE).size() + 1);
  object->add_addresses(std::string({100, 64, static_cast<char>(state->id), number}));
  return Commit(state, Principal{state->name, "node", node}, [&](const Caller& caller, Draft* draft) {
    return state->planner->Plan(request, caller, draft);
  });
}

absl::Status World::ApplyNamespace(State* state, const std::string& name, const Labels& labels) {
  nlohmann::json manifest = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}};
  if (!labels.empty()) manifest["metadata"]["labels"] = labels;
  v1::Request request;
  request.mutable_apply()->add_manifests()->set_text(manifest.dump());
  return Ask(state, request);
}

absl::Status World::AddPod(State* state, const Pod& pod, const Id128& uid) {
  const std::string node = pod.node.empty() ? kAnyNode : pod.node;
  TRIVIUM_RETURN_IF_ERROR(RegisterNode(state, node));
  v1::Request request;
  v1::AddEndpointRequest* add = request.mutable_add_endpoint();
  add->set_uid(uid.ToBytes());
  add->set_namespace_(pod.ns);
  add->set_name(pod.name);
  add->set_node(node);
  add->mutable_labels()->insert(pod.labels.begin(), pod.labels.end());
  add->set_service_account(pod.service_account);
  for (const v1::NamedPort& port : pod.ports) {
    if (!port.name().empty()) *add->add_named_ports() = port;
  }
  for (const std::string& ip : pod.ips) add->add_ips(ip);
  TRIVIUM_RETURN_IF_ERROR(Ask(state, request));
  state->pods[NamespacedName(pod.ns, pod.name)] = pod;
  hosts_[absl::StrCat(state->name, "/", pod.ns, "/", pod.name)] = Host{state->name, uid, pod.ips};
  return absl::OkStatus();
}

absl::Status World::Do(const Action& action) {
  const auto found = clusters_.find(action.cluster);
  if (found == clusters_.end())
    return absl::InvalidArgumentError(absl::StrCat("no cluster ", action.cluster));
  State* state = found->second.get();
  const std::string pod_name = NamespacedName(action.ns, action.name);
  const std::string ref = absl::StrCat(state->name, "/", pod_name);
  v1::Request request;
  switch (action.kind) {
    case Action::Kind::kApply:
      request.mutable_apply()->add_manifests()->set_text(action.text);
      return Ask(state, request);
    case Action::Kind::kDelete:
      request.mutable_delete_()->set_kind(action.object_kind);
      request.mutable_delete_()->set_namespace_(action.ns);
      request.mutable_delete_()->set_name(action.name);
      return Ask(state, request);
    case Action::Kind::kCreateNamespace:
    case Action::Kind::kLabelNamespace:
      return ApplyNamespace(state, action.name, action.labels);
    case Action::Kind::kDeleteNamespace: {
      request.mutable_delete_()->set_kind("Namespace");
      request.mutable_delete_()->set_name(action.name);
      TRIVIUM_RETURN_IF_ERROR(Ask(state, request));
      const std::string prefix = absl::StrCat(action.name, "/");
      for (auto pod = state->pods.begin(); pod != state->pods.end();) {
        if (absl::StartsWith(pod->first, prefix)) {
          hosts_.erase(absl::StrCat(state->name, "/", pod->first));
          pod = state->pods.erase(pod);
        } else {
          ++pod;
        }
      }
      return absl::OkStatus();
    }
    case Action::Kind::kCreatePod:
      return AddPod(state, action.pod, random_.NewId());
    case Action::Kind::kDeletePod: {
      const auto pod = state->pods.find(pod_name);
      if (pod == state->pods.end()) return absl::NotFoundError(absl::StrCat("no pod ", ref));
      request.mutable_remove_endpoint()->set_uid(hosts_[ref].uid.ToBytes());
      request.mutable_remove_endpoint()->set_node(pod->second.node.empty() ? kAnyNode : pod->second.node);
      TRIVIUM_RETURN_IF_ERROR(Ask(state, request));
      state->pods.erase(pod);
      hosts_.erase(ref);
      return absl::OkStatus();
    }
    case Action::Kind::kLabelPod: {
      const auto pod = state->pods.find(pod_name);
      if (pod == state->pods.end()) return absl::NotFoundError(absl::StrCat("no pod ", ref));
      Pod changed = pod->second;
      changed.labels = action.labels;
      return AddPod(state, changed, hosts_[ref].uid);
    }
  }
  return absl::InternalError("an action of no kind");
}

}  // namespace trivium::conformance
