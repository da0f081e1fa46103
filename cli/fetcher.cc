#include "cli/fetcher.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "cli/get_table.h"
#include "schema/object.h"

namespace trivium::cli {

absl::StatusOr<v1::GetResult> Fetcher::Get(const KindInfo& kind, const std::string& cluster,
                                           const std::string& ns, const std::string& name) {
  v1::Request request;
  v1::GetRequest& get = *request.mutable_get();
  get.set_kind(kind.name);
  get.set_namespace_(ns);
  get.set_name(name);
  if (!kind.of_mesh) get.set_cluster(cluster);
  TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, client_->Call(std::move(request), timeout_));
  return std::move(*reply.mutable_get());
}

absl::Status Fetcher::AddManifests(const KindInfo& kind, const std::string& cluster, v1::GetResult* result) {
  if (!IsManifestKind(kind.kind)) return absl::OkStatus();
  for (v1::GetResult::Item& item : *result->mutable_items()) {
    if (!item.manifest().empty()) continue;
    const v1::Object& object = item.object().object();
    absl::StatusOr<v1::GetResult> one = Get(kind, cluster, NamespaceOf(object), DisplayName(object));
    if (absl::IsNotFound(one.status())) continue;  // deleted meanwhile: it stays as it was listed
    TRIVIUM_RETURN_IF_ERROR(one.status());
    if (one->items_size() == 1) item = std::move(*one->mutable_items(0));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<uint32_t, std::string>> Fetcher::NodeNames(const std::string& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind("node"));
  TRIVIUM_ASSIGN_OR_RETURN(const v1::GetResult nodes, Get(*kind, cluster, "", ""));
  std::map<uint32_t, std::string> names;
  for (const auto& item : nodes.items()) {
    names[item.object().object().node().number()] = item.object().object().node().name();
  }
  return names;
}

absl::StatusOr<std::map<uint32_t, v1::Identity>> Fetcher::Identities(const std::string& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind("identity"));
  TRIVIUM_ASSIGN_OR_RETURN(const v1::GetResult all, Get(*kind, cluster, "", ""));
  std::map<uint32_t, v1::Identity> identities;
  for (const auto& item : all.items()) {
    const v1::Identity& identity = item.object().object().identity();
    identities[identity.id()] = identity;
  }
  return identities;
}

absl::StatusOr<std::vector<std::string>> Fetcher::Clusters() {
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind("cluster"));
  TRIVIUM_ASSIGN_OR_RETURN(const v1::GetResult all, Get(*kind, "", "", ""));
  std::vector<std::string> names;
  for (const auto& item : all.items()) names.push_back(item.object().object().cluster().name());
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<v1::StatusResult> Fetcher::Status() {
  v1::Request request;
  request.mutable_status();
  TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, client_->Call(std::move(request), timeout_));
  return std::move(*reply.mutable_status());
}

absl::StatusOr<Context> ContextForReading(const Session& session, std::string* cluster) {
  absl::StatusOr<Context> context = session.ChosenContext();
  if (absl::IsNotFound(context.status()) && session.context_name.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(const Config config, session.LoadConfiguration());
    context = PickContext(config, "", "");
  }
  if (!context.ok()) return context.status();
  *cluster = session.cluster.empty() ? context->cluster : session.cluster;
  return context;
}

}  // namespace trivium::cli
