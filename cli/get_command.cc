#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/get_table.h"
#include "cli/kinds.h"
#include "cli/object_json.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

struct Options {
  std::vector<std::string> words;  // KIND [NAME...]
  std::string ns;
  bool all_namespaces = false;
  std::string output;
  bool no_headers = false;
};

// Asks one control plane for the objects of one cluster.
class Getter {
 public:
  Getter(Client* client, std::string cluster, absl::Duration timeout)
      : client_(client), cluster_(std::move(cluster)), timeout_(timeout) {}

  absl::StatusOr<std::vector<v1::GetResult::Item>> Get(const KindInfo& kind, const std::string& ns,
                                                       const std::string& name) {
    v1::Request request;
    v1::GetRequest& get = *request.mutable_get();
    get.set_kind(kind.name);
    get.set_namespace_(ns);
    get.set_name(name);
    if (!kind.of_mesh) get.set_cluster(cluster_);
    TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, client_->Call(std::move(request), timeout_));
    auto& items = *reply.mutable_get()->mutable_items();
    return std::vector<v1::GetResult::Item>(std::make_move_iterator(items.begin()),
                                            std::make_move_iterator(items.end()));
  }

  // The numbers in an endpoint stand for a node and an identity: who they are is asked for once.
  absl::Status Explain(bool wide, GetView* view) {
    TRIVIUM_ASSIGN_OR_RETURN(const auto nodes, GetAll("node"));
    for (const auto& item : nodes) {
      const v1::Node& node = item.object().object().node();
      view->nodes[node.number()] = node.name();
    }
    if (!wide) return absl::OkStatus();
    TRIVIUM_ASSIGN_OR_RETURN(const auto identities, GetAll("identity"));
    for (const auto& item : identities) {
      const v1::Identity& identity = item.object().object().identity();
      view->identities[identity.id()] = identity;
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<v1::GetResult::Item>> GetAll(absl::string_view word) {
    TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(word));
    return Get(*kind, "", "");
  }

  Client* const client_;
  const std::string cluster_;
  const absl::Duration timeout_;
};

// A list answers without the manifests; each is asked for by name, so that what is printed can be applied
// again.
absl::Status FetchManifests(const KindInfo& kind, Getter* getter, std::vector<v1::GetResult::Item>* items) {
  if (!IsManifestKind(kind.kind)) return absl::OkStatus();
  for (v1::GetResult::Item& item : *items) {
    if (!item.manifest().empty()) continue;
    const v1::Object& object = item.object().object();
    absl::StatusOr<std::vector<v1::GetResult::Item>> one =
        getter->Get(kind, object.has_policy() ? object.policy().namespace_() : "", DisplayName(object));
    if (absl::IsNotFound(one.status())) continue;  // deleted meanwhile: it stays as it was listed
    TRIVIUM_RETURN_IF_ERROR(one.status());
    if (one->size() == 1) item = std::move((*one)[0]);
  }
  return absl::OkStatus();
}

absl::Status PrintObjects(Session* session, const KindInfo& kind, absl::Span<const v1::GetResult::Item> items,
                          bool as_list, bool yaml) {
  std::vector<Json> objects;
  for (const v1::GetResult::Item& item : items) {
    TRIVIUM_ASSIGN_OR_RETURN(Json object, ObjectJson(kind, item));
    objects.push_back(std::move(object));
  }
  const Json all = as_list ? ListJson(std::move(objects)) : std::move(objects[0]);
  *session->out << (yaml ? ToYaml(all) : all.dump(2) + "\n");
  return absl::OkStatus();
}

absl::StatusOr<int> Get(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(options.words[0]));
  if (options.all_namespaces && options.words.size() > 1 && kind->namespaced) {
    return absl::InvalidArgumentError("a name is asked for in one namespace: give -n instead of -A");
  }
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  // Every control plane mirrors every cluster: one that has no context of its own is asked about elsewhere.
  absl::StatusOr<Context> context = session->ChosenContext();
  std::string cluster = session->cluster;
  if (absl::IsNotFound(context.status()) && session->context_name.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(const Config config, session->LoadConfiguration());
    context = PickContext(config, "", "");
  }
  if (!context.ok()) return context.status();
  if (cluster.empty()) cluster = context->cluster;

  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(*context));
  Getter getter(&connection->client(), cluster, timeout);
  const std::string ns =
      !kind->namespaced || options.all_namespaces ? "" : (options.ns.empty() ? context->ns : options.ns);
  std::vector<v1::GetResult::Item> items;
  if (options.words.size() == 1) {
    TRIVIUM_ASSIGN_OR_RETURN(items, getter.Get(*kind, ns, ""));
  }
  for (size_t i = 1; i < options.words.size(); ++i) {
    TRIVIUM_ASSIGN_OR_RETURN(auto found, getter.Get(*kind, ns, options.words[i]));
    if (found.empty()) {
      return absl::NotFoundError(absl::StrCat(kind->resource, " \"", options.words[i], "\" not found",
                                              kind->namespaced ? absl::StrCat(" in namespace ", ns) : ""));
    }
    std::move(found.begin(), found.end(), std::back_inserter(items));
  }

  if (options.output == "json" || options.output == "yaml") {
    TRIVIUM_RETURN_IF_ERROR(FetchManifests(*kind, &getter, &items));
    const bool as_list = options.words.size() != 2 || items.size() != 1;
    TRIVIUM_RETURN_IF_ERROR(PrintObjects(session, *kind, items, as_list, options.output == "yaml"));
    return kExitOk;
  }
  if (options.output == "name") {
    *session->out << GetNames(*kind, items);
    return kExitOk;
  }
  if (items.empty()) {
    *session->err << "No resources found" << (ns.empty() ? "" : absl::StrCat(" in ", ns, " namespace"))
                  << ".\n";
    return kExitOk;
  }
  GetView view;
  view.wide = options.output == "wide";
  view.with_namespace = options.all_namespaces;
  view.with_head = !options.no_headers;
  if (kind->kind == v1::KIND_ENDPOINT) TRIVIUM_RETURN_IF_ERROR(getter.Explain(view.wide, &view));
  *session->out << GetTable(*kind, items, view);
  return kExitOk;
}

}  // namespace

void AddGetCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand(
      "get",
      "Show objects: networkpolicies, ciliumnetworkpolicies, ciliumclusterwidenetworkpolicies, "
      "ciliumcidrgroups, namespaces, endpoints, identities, nodes, clusters, regions");
  command->add_option("what", options->words, "KIND [NAME...]")->required()->type_name("");
  command->add_option("-n,--namespace", options->ns, "Where; without it the context's, or default")
      ->type_name("NAME");
  command->add_flag("-A,--all-namespaces", options->all_namespaces, "In every namespace");
  command->add_option("-o,--output", options->output, "json, yaml, wide or name")
      ->check(CLI::IsMember({"json", "yaml", "wide", "name"}))
      ->type_name("FORMAT");
  command->add_flag("--no-headers", options->no_headers, "A table without its head");
  command->callback(
      [session, options] { session->run = [session, options] { return Get(session, *options); }; });
}

}  // namespace trivium::cli
