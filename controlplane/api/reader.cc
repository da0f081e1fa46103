#include "controlplane/api/reader.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/api/tracer.h"
#include "controlplane/version.h"
#include "controlplane/writer/kinds.h"
#include "controlplane/writer/plan_manifest.h"
#include "controlplane/writer/writer.h"
#include "schema/object.h"

namespace trivium {
namespace {

const std::string& NamespaceOf(const v1::Object& object) {
  return object.has_policy() ? object.policy().namespace_() : object.endpoint().namespace_();
}

// The name that users know an object by.
std::string NameOf(const v1::Object& object) {
  if (object.has_policy()) return object.policy().name();
  if (object.has_endpoint()) return object.endpoint().name();
  return KeyOf(object).key;
}

bool Wanted(const v1::Object& object, const NamedKind& kind, const std::string& ns, const std::string& name) {
  if (object.has_policy() && object.policy().kind() != kind.name) return false;
  if (kind.namespaced && !ns.empty() && NamespaceOf(object) != ns) return false;
  return name.empty() || NameOf(object) == name;
}

}  // namespace

Reader::Reader(std::string instance, Mirrors* mirrors, const ClusterMirror* own, AgentTable* agents,
               const Publisher* publisher, Store* store, Executor* executor)
    : instance_(std::move(instance)),
      mirrors_(mirrors),
      own_(own),
      agents_(agents),
      publisher_(publisher),
      store_(store),
      executor_(executor) {}

absl::StatusOr<v1::Reply> Reader::Collect(const v1::GetRequest& request, const ClusterMirror** source) const {
  TRIVIUM_ASSIGN_OR_RETURN(const NamedKind kind, ParseKind(request.kind()));
  const bool of_mesh = kind.kind == v1::KIND_CLUSTER || kind.kind == v1::KIND_REGION;
  const std::string cluster = request.cluster().empty() ? own_->ref().name : request.cluster();
  Mirrors::Entry* entry = mirrors_->Find(of_mesh ? kMeshCluster : cluster);
  if (entry == nullptr || (!of_mesh && cluster == kMeshCluster)) {
    return absl::NotFoundError(
        absl::StrCat("cluster \"", cluster, "\" does not exist: `get clusters` lists those that do"));
  }
  const ClusterMirror& mirror = *entry->mirror;
  if (!mirror.loaded()) {
    return absl::UnavailableError(absl::StrCat("cluster ", cluster, " is not loaded yet: try again"));
  }
  std::string ns = request.namespace_();
  if (kind.namespaced && ns.empty() && !request.name().empty()) ns = kDefaultNamespace;

  std::vector<std::pair<std::string, const Mirror::Stored*>> found;
  for (const auto& [key, stored] : mirror.mirror().All(kind.kind)) {
    if (Wanted(*stored.object, kind, ns, request.name())) found.emplace_back(key, &stored);
  }
  if (found.empty() && !request.name().empty()) {
    return absl::NotFoundError(absl::StrCat(DisplayName(kind.name, kind.namespaced ? ns : "", request.name()),
                                            " does not exist",
                                            of_mesh ? "" : absl::StrCat(" in cluster ", cluster)));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    const auto order = [](const auto& x) {
      const v1::Object& object = *x.second->object;
      return std::make_tuple(object.identity().id(), NamespaceOf(object), NameOf(object));
    };
    return order(a) < order(b);
  });
  v1::Reply reply;
  v1::GetResult* result = reply.mutable_get();
  *result->mutable_at() = mirror.replica().head();
  size_t bytes = 0;
  for (const auto& [key, stored] : found) {
    v1::SnapshotObject* item = result->add_items()->mutable_object();
    *item->mutable_object() = *stored->object;
    item->set_revision(stored->revision);
    bytes += item->ByteSizeLong() + 16;
    if (bytes > kMaxAnswerBytes) {
      return absl::FailedPreconditionError(
          absl::StrCat(found.size(), " objects of kind ", kind.name, " are too many for one answer: ask for ",
                       kind.namespaced ? "one namespace, or " : "", "one name, or use SQL (docs/sql.md)"));
    }
  }
  *source = &mirror;
  return reply;
}

void Reader::Get(const v1::GetRequest& request, Answer answer) {
  const ClusterMirror* source = nullptr;
  absl::StatusOr<v1::Reply> reply = Collect(request, &source);
  if (!reply.ok()) return answer(ErrorReply(reply.status()));
  const bool one = !request.name().empty() && reply->get().items_size() == 1;
  if (!one) return answer(*reply);
  const ObjectKey key = KeyOf(reply->get().items(0).object().object());
  if (!IsManifestKind(key.kind)) return answer(*reply);
  auto shared = std::make_shared<std::pair<v1::Reply, Answer>>(*std::move(reply), std::move(answer));
  store_->ReadManifest(source->ref(), key, executor_,
                       [alive = alive_.Watch(), shared](const absl::StatusOr<std::string>& manifest) {
                         if (alive.expired()) return;
                         // Without SQL, or for what came without a text, the object answers alone.
                         if (manifest.ok())
                           shared->first.mutable_get()->mutable_items(0)->set_manifest(*manifest);
                         shared->second(shared->first);
                       });
}

v1::Reply Reader::Trace(const v1::TraceRequest& request) const {
  absl::StatusOr<v1::TraceResult> traced = Tracer(mirrors_, own_, agents_).Trace(request);
  if (!traced.ok()) return ErrorReply(traced.status());
  v1::Reply reply;
  *reply.mutable_trace() = *std::move(traced);
  return reply;
}

v1::Reply Reader::Status() const {
  v1::Reply reply;
  v1::StatusResult* result = reply.mutable_status();
  result->set_instance(instance_);
  result->set_version(kVersion);
  result->set_sql_up(publisher_->sql_up());
  size_t bytes = 0;
  for (const auto& [name, entry] : mirrors_->all()) {
    const ClusterMirror& mirror = *entry->mirror;
    v1::ClusterStatus* cluster = result->add_clusters();
    *cluster->mutable_head() = mirror.replica().head();
    cluster->mutable_head()->set_cluster(name);
    cluster->set_region(mirrors_->RegionOf(name));
    cluster->set_mirrored(mirror.loaded() && !mirror.replica().corrupt());
    const auto count = [&mirror](v1::Kind kind) {
      return static_cast<uint32_t>(mirror.mirror().All(kind).size());
    };
    cluster->set_nodes(count(v1::KIND_NODE));
    cluster->set_endpoints(count(v1::KIND_ENDPOINT));
    cluster->set_identities(count(v1::KIND_IDENTITY));
    cluster->set_policies(count(v1::KIND_POLICY));
    if (&mirror != own_) continue;
    for (const auto& [node, agent] : agents_->all()) {
      bytes += agent.status.ByteSizeLong() + 8;
      if (bytes > kMaxAnswerBytes) break;
      *cluster->add_agents() = agent.status;
    }
  }
  return reply;
}

}  // namespace trivium
