#include "cli/listing.h"

#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/get_table.h"
#include "cli/object_labels.h"

namespace trivium::cli {
namespace {

// Says whose object a List of several clusters holds; annotations survive an apply.
constexpr char kClusterAnnotation[] = "trivium/cluster";

absl::Status ListOf(Fetcher* fetcher, const KindInfo& kind, const std::string& cluster,
                    const std::string& name, const ListOptions& options, Listing* listing) {
  TRIVIUM_ASSIGN_OR_RETURN(v1::GetResult result,
                           fetcher->Get(kind, cluster, kind.namespaced ? options.ns : "", name));
  listing->at[cluster] = result.at();
  const bool by_manifest = kind.kind == v1::KIND_POLICY && !options.labels.empty();
  if (options.format.whole() || by_manifest) {
    TRIVIUM_RETURN_IF_ERROR(fetcher->AddManifests(kind, cluster, &result));
  }
  std::map<uint32_t, v1::Identity> identities;
  if (kind.kind == v1::KIND_ENDPOINT && !options.labels.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(identities, fetcher->Identities(cluster));
  }
  for (v1::GetResult::Item& item : *result.mutable_items()) {
    if (!options.labels.empty()) {
      TRIVIUM_ASSIGN_OR_RETURN(const auto labels, LabelsOf(item, identities));
      if (!options.labels.Matches(labels)) continue;
    }
    listing->objects.push_back({cluster, std::move(item)});
  }
  return absl::OkStatus();
}

std::string NoneText(const ListOptions& options) {
  return absl::StrCat("No resources found",
                      options.ns.empty() ? "" : absl::StrCat(" in ", options.ns, " namespace"), ".\n");
}

// Names of nodes, and in the wide form of labels, that endpoints hold as numbers.
absl::Status Explain(Fetcher* fetcher, const Listing& listing, GetView* view) {
  std::map<std::string, bool> asked;
  for (const Listed& listed : listing.objects) {
    if (std::exchange(asked[listed.cluster], true)) continue;
    TRIVIUM_ASSIGN_OR_RETURN(const auto nodes, fetcher->NodeNames(listed.cluster));
    const std::string cluster = view->clusters.empty() ? "" : listed.cluster;
    for (const auto& [number, name] : nodes) view->nodes[{cluster, number}] = name;
    if (!view->wide) continue;
    TRIVIUM_ASSIGN_OR_RETURN(auto identities, fetcher->Identities(listed.cluster));
    view->identities.merge(identities);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Listing> List(Fetcher* fetcher, const Wanted& wanted, const ListOptions& options) {
  const KindInfo& kind = *wanted.kind;
  if (options.all_namespaces && !wanted.names.empty() && kind.namespaced) {
    return absl::InvalidArgumentError("a name is asked for in one namespace: give -n instead of -A");
  }
  if (!options.labels.empty() && !wanted.names.empty()) {
    return absl::InvalidArgumentError("-l selects among all of a kind: leave the names out");
  }
  if (!options.labels.empty() && !HasLabels(kind)) {
    return absl::InvalidArgumentError(absl::StrCat(kind.plural, " have no labels: leave -l out"));
  }
  Listing listing;
  listing.kind = &kind;
  listing.one = wanted.names.size() == 1;
  std::vector<std::string> clusters = options.clusters;
  if (kind.of_mesh) clusters.resize(1);
  std::vector<std::string> names = wanted.names;
  if (names.empty()) names.emplace_back();
  for (const std::string& name : names) {
    absl::Status missing =
        absl::NotFoundError(absl::StrCat(kind.resource, " \"", name, "\" not found",
                                         kind.namespaced ? absl::StrCat(" in namespace ", options.ns) : ""));
    const size_t before = listing.objects.size();
    for (const std::string& cluster : clusters) {
      const absl::Status status = ListOf(fetcher, kind, cluster, name, options, &listing);
      if (absl::IsNotFound(status) && !name.empty()) {
        missing = status;
      } else if (!status.ok()) {
        return status;
      }
    }
    if (!name.empty() && listing.objects.size() == before) listing.missing.push_back(missing);
  }
  return listing;
}

absl::StatusOr<Json> ListedJson(const KindInfo& kind, const Listed& listed, bool all_clusters) {
  TRIVIUM_ASSIGN_OR_RETURN(Json json, ObjectJson(kind, listed.item));
  if (all_clusters && !kind.of_mesh) json["metadata"]["annotations"][kClusterAnnotation] = listed.cluster;
  return json;
}

absl::Status PrintListings(Session* session, Fetcher* fetcher, const std::vector<Listing>& listings,
                           const ListOptions& options) {
  if (options.format.whole()) {
    std::vector<Json> objects;
    for (const Listing& listing : listings) {
      for (const Listed& listed : listing.objects) {
        TRIVIUM_ASSIGN_OR_RETURN(Json object, ListedJson(*listing.kind, listed, options.all_clusters));
        objects.push_back(std::move(object));
      }
    }
    const bool one = listings.size() == 1 && listings[0].one && objects.size() == 1;
    if (objects.empty() && listings.size() == 1 && listings[0].one) return absl::OkStatus();
    *session->out << FormatJson(options.format, one ? objects[0] : ListJson(std::move(objects)));
    return absl::OkStatus();
  }
  bool any = false;
  bool missing = false;
  for (const Listing& listing : listings) {
    missing = missing || !listing.missing.empty();
    if (listing.objects.empty()) continue;
    GetView view;
    std::vector<v1::GetResult::Item> items;
    for (const Listed& listed : listing.objects) {
      items.push_back(listed.item);
      if (options.all_clusters && !listing.kind->of_mesh) view.clusters.push_back(listed.cluster);
    }
    if (options.format.kind == GetFormat::Kind::kName) {
      *session->out << GetNames(*listing.kind, items);
      any = true;
      continue;
    }
    if (std::exchange(any, true)) *session->out << "\n";
    view.wide = options.format.kind == GetFormat::Kind::kWide;
    view.with_namespace = options.all_namespaces;
    view.with_head = !options.no_headers;
    view.with_kind = listings.size() > 1;
    if (listing.kind->kind == v1::KIND_ENDPOINT) TRIVIUM_RETURN_IF_ERROR(Explain(fetcher, listing, &view));
    *session->out << GetTable(*listing.kind, items, view);
  }
  if (!any && !missing && options.format.kind != GetFormat::Kind::kName) {
    const bool namespaced = listings.size() != 1 || listings[0].kind->namespaced;
    ListOptions said = options;
    if (!namespaced) said.ns.clear();
    *session->err << NoneText(said);
  }
  return absl::OkStatus();
}

}  // namespace trivium::cli
