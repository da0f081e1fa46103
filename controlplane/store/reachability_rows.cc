#include "controlplane/store/reachability_rows.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/db/statements.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {
namespace {

using Json = nlohmann::json;

std::string PositionsJson(const std::vector<ClusterPosition>& positions) {
  Json json = Json::array();
  for (const ClusterPosition& at : positions) {
    json.push_back({{"cluster", at.cluster}, {"epoch", at.epoch}, {"revision", at.revision}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<ClusterPosition>> ParsePositions(const std::string& text) {
  const absl::Status bad = absl::DataLossError("reachability_state.positions: not what was written");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return bad;
  std::vector<ClusterPosition> positions;
  for (const Json& item : json) {
    const auto number = [&item](const char* key) {
      return item.is_object() && item.contains(key) && item[key].is_number_unsigned();
    };
    if (!number("epoch") || !number("revision") || !item.contains("cluster") ||
        !item["cluster"].is_string()) {
      return bad;
    }
    positions.push_back({item["cluster"].get<std::string>(), item["epoch"].get<uint64_t>(),
                         item["revision"].get<uint64_t>()});
  }
  return positions;
}

ArrayText Ids(const std::vector<uint32_t>& numbers) {
  ArrayText ids;
  for (const uint32_t number : numbers) ids.AddInt(number);
  return ids;
}

void AddRows(const ClusterRef& cluster, const ReachabilityWrite& write, const ClusterPosition& at,
             Pipeline* pipeline) {
  if (write.rows.empty()) return;
  ArrayText identities, peers, prefixes, ingress, protocols, first, last, allowed, policies, origins, homes,
      clusters;
  for (const ReachabilityRow& row : write.rows) {
    identities.AddInt(row.identity);
    peers.AddInt(row.peer);
    prefixes.Add(row.prefix);
    ingress.AddBool(row.ingress);
    protocols.AddInt(row.protocols);
    first.AddInt(row.first_port);
    last.AddInt(row.last_port);
    allowed.AddBool(row.allowed);
    policies.Add(row.policy);
    origins.Add(row.origin);
    homes.AddInt(row.peer_home);
    clusters.AddInt(row.peer_cluster_id);
  }
  pipeline->Add(sql::kInsertReachability, ClusterParams(cluster)
                                              .Int(static_cast<int64_t>(at.epoch))
                                              .Int(static_cast<int64_t>(at.revision))
                                              .Array(identities)
                                              .Array(peers)
                                              .Array(prefixes)
                                              .Array(ingress)
                                              .Array(protocols)
                                              .Array(first)
                                              .Array(last)
                                              .Array(allowed)
                                              .Array(policies)
                                              .Array(origins)
                                              .Array(homes)
                                              .Array(clusters));
}

void AddSelections(const ClusterRef& cluster, const ReachabilityWrite& write, const ClusterPosition& at,
                   Pipeline* pipeline) {
  if (write.selections.empty()) return;
  ArrayText identities, kinds, namespaces, names, ingress, egress;
  for (const SelectionRow& row : write.selections) {
    identities.AddInt(row.identity);
    kinds.Add(row.kind);
    namespaces.Add(row.ns);
    names.Add(row.name);
    ingress.AddBool(row.closes_ingress);
    egress.AddBool(row.closes_egress);
  }
  pipeline->Add(sql::kInsertSelections, ClusterParams(cluster)
                                            .Int(static_cast<int64_t>(at.epoch))
                                            .Int(static_cast<int64_t>(at.revision))
                                            .Array(identities)
                                            .Array(kinds)
                                            .Array(namespaces)
                                            .Array(names)
                                            .Array(ingress)
                                            .Array(egress));
}

}  // namespace

absl::StatusOr<ReachabilityState> OpenReachabilityOnce(Connection& connection, const ClusterRef& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                           connection.Run(Pipeline()
                                              .Add(sql::kOpenReachability, ClusterParams(cluster))
                                              .Add(sql::kReadReachabilityState, ClusterParams(cluster))));
  const SqlResult& row = results[1];
  if (row.rows() == 0) return absl::UnavailableError("its row went away at once: try again");
  ReachabilityState state;
  state.writes = static_cast<uint64_t>(row.Int(0, 0));
  state.complete = row.Int(0, 1) != 0;
  TRIVIUM_ASSIGN_OR_RETURN(state.positions, ParsePositions(row.Bytes(0, 2)));
  state.rows = static_cast<uint64_t>(row.Int(0, 3));
  state.problem = row.Bytes(0, 4);
  state.writer = row.Bytes(0, 5);
  return state;
}

absl::Status WriteReachabilityOnce(Connection& connection, const ClusterRef& cluster,
                                   const ReachabilityWrite& write) {
  if (write.state.positions.empty() || write.state.positions.front().cluster != cluster.name) {
    return absl::InvalidArgumentError("the first position is not the cluster's own");
  }
  const ClusterPosition& at = write.state.positions.front();
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> advanced,
                           connection.Run(Pipeline().Begin().Add(
                               sql::kAdvanceReachability, ClusterParams(cluster)
                                                              .Int(static_cast<int64_t>(write.state.writes))
                                                              .Text(write.state.complete ? "true" : "false")
                                                              .Int(static_cast<int64_t>(at.epoch))
                                                              .Int(static_cast<int64_t>(at.revision))
                                                              .Text(PositionsJson(write.state.positions))
                                                              .Int(static_cast<int64_t>(write.state.rows))
                                                              .Text(write.state.problem)
                                                              .Text(write.state.writer))));
  if (advanced[1].affected() != 1) {
    TRIVIUM_RETURN_IF_ERROR(connection.Run(Pipeline().AddText("ROLLBACK")).status());
    return absl::AbortedError(absl::StrCat("the reachability rows of ", cluster.name,
                                           " are no longer those that this write follows, or of a later "
                                           "revision than ",
                                           at.revision));
  }
  Pipeline pipeline;
  if (!write.replaced.empty()) {
    pipeline.Add(sql::kDeleteReachabilityOf, ClusterParams(cluster).Array(Ids(write.replaced)));
    pipeline.Add(sql::kDeleteSelectionsOf, ClusterParams(cluster).Array(Ids(write.replaced)));
  }
  if (!write.kept.empty() && !write.changed_peers.empty()) {
    pipeline.Add(sql::kDeleteReachabilityAbout,
                 ClusterParams(cluster).Array(Ids(write.kept)).Array(Ids(write.changed_peers)));
  }
  if (write.only.has_value()) {
    pipeline.Add(sql::kDeleteReachabilityBesides, ClusterParams(cluster).Array(Ids(*write.only)));
    pipeline.Add(sql::kDeleteSelectionsBesides, ClusterParams(cluster).Array(Ids(*write.only)));
  }
  AddRows(cluster, write, at, &pipeline);
  AddSelections(cluster, write, at, &pipeline);
  return connection.Run(pipeline.Commit()).status();
}

}  // namespace trivium
