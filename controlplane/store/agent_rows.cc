#include "controlplane/store/agent_rows.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {
namespace {

using Json = nlohmann::json;

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

bool Newer(const v1::AgentStatus& a, const v1::AgentStatus& b) {
  return std::make_tuple(a.start_ms(), a.sequence()) > std::make_tuple(b.start_ms(), b.sequence());
}

std::string MapsJson(const v1::AgentStatus& agent) {
  Json maps = Json::array();
  for (const v1::MapFill& map : agent.maps()) {
    maps.push_back({{"name", map.name()}, {"entries", map.entries()}, {"capacity", map.capacity()}});
  }
  return Dump(maps);
}

std::string DropsJson(const v1::AgentStatus& agent) {
  Json drops = Json::array();
  for (const v1::DropCount& drop : agent.drops()) {
    drops.push_back({{"reason", drop.reason()}, {"name", drop.name()}, {"packets", drop.packets()}});
  }
  return Dump(drops);
}

std::string TimeText(int64_t ms) {
  return absl::FormatTime(absl::RFC3339_full, absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

std::string NotEnforcedJson(const v1::AgentStatus& agent) {
  Json policies = Json::array();
  for (const v1::NotEnforcedPolicy& policy : agent.not_enforced()) {
    policies.push_back({{"cluster", policy.cluster()},
                        {"kind", policy.kind()},
                        {"namespace", policy.namespace_()},
                        {"name", policy.name()},
                        {"reason", policy.reason()},
                        {"since", TimeText(policy.since_ms())},
                        {"endpoints", policy.endpoints()}});
  }
  return Dump(policies);
}

}  // namespace

absl::StatusOr<Pipeline> PlanAgents(const ClusterRef& cluster, const std::vector<v1::AgentStatus>& agents) {
  std::map<std::string, const v1::AgentStatus*> newest;
  for (const v1::AgentStatus& agent : agents) {
    if (agent.node().empty()) return absl::InvalidArgumentError("an agent's report without its node's name");
    const v1::AgentStatus*& slot = newest[agent.node()];
    if (slot == nullptr || Newer(agent, *slot)) slot = &agent;
  }
  ArrayText nodes, versions, protocols, boots, starts, sequences, times, endpoints, maps, drops, not_enforced,
      not_enforced_totals;
  ArrayText p_nodes, p_followed, p_starts, p_sequences, p_epochs, p_received, p_enforced, p_batches,
      p_problems;
  for (const auto& [node, agent] : newest) {
    nodes.Add(node);
    versions.Add(agent->version());
    protocols.AddInt(agent->protocol_version());
    boots.Add(agent->boot_id());
    starts.AddInt(agent->start_ms());
    sequences.AddInt(static_cast<int64_t>(agent->sequence()));
    times.Add(TimeText(agent->time_ms()));
    endpoints.AddInt(agent->endpoints());
    maps.Add(MapsJson(*agent));
    drops.Add(DropsJson(*agent));
    not_enforced.Add(NotEnforcedJson(*agent));
    not_enforced_totals.AddInt(agent->not_enforced_total());
    std::map<std::string, const v1::AppliedCluster*> applied;
    for (const v1::AppliedCluster& position : agent->applied()) applied[position.cluster()] = &position;
    for (const auto& [followed, position] : applied) {
      const absl::StatusOr<Id128> batch =
          position->batch().empty() ? absl::StatusOr<Id128>(Id128{}) : Id128::FromBytes(position->batch());
      if (!batch.ok()) return Annotate(batch.status(), absl::StrCat("report of ", node, " on ", followed));
      p_nodes.Add(node);
      p_followed.Add(followed);
      p_starts.AddInt(agent->start_ms());
      p_sequences.AddInt(static_cast<int64_t>(agent->sequence()));
      p_epochs.AddInt(static_cast<int64_t>(position->epoch()));
      p_received.AddInt(static_cast<int64_t>(position->received()));
      p_enforced.AddInt(static_cast<int64_t>(position->enforced()));
      p_batches.AddId(*batch);
      p_problems.Add(position->problem());
    }
  }
  Pipeline pipeline;
  pipeline.Begin();
  pipeline.Add(sql::kUpsertAgents, ClusterParams(cluster)
                                       .Array(nodes)
                                       .Array(versions)
                                       .Array(protocols)
                                       .Array(boots)
                                       .Array(starts)
                                       .Array(sequences)
                                       .Array(times)
                                       .Array(endpoints)
                                       .Array(maps)
                                       .Array(drops)
                                       .Array(not_enforced)
                                       .Array(not_enforced_totals));
  pipeline.Add(sql::kUpsertAgentPositions, ClusterParams(cluster)
                                               .Array(p_nodes)
                                               .Array(p_followed)
                                               .Array(p_starts)
                                               .Array(p_sequences)
                                               .Array(p_epochs)
                                               .Array(p_received)
                                               .Array(p_enforced)
                                               .Array(p_batches)
                                               .Array(p_problems));
  pipeline.Add(sql::kDeleteOldAgentPositions, ClusterParams(cluster).Array(nodes));
  pipeline.Commit();
  return pipeline;
}

}  // namespace trivium
