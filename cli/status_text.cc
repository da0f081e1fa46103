#include "cli/status_text.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "cli/text.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

// Reports come about every second; older than this, an agent says nothing any more.
constexpr absl::Duration kSilent = absl::Seconds(15);

struct Mesh {
  std::map<std::string, v1::ClusterStatus> clusters;  // by name: the newest head anybody reported
  std::map<std::string, std::string> told_by;         // cluster -> instance of its own control plane
  std::vector<v1::AgentStatus> agents;                // sorted by cluster and node
};

bool Newer(const v1::Head& a, const v1::Head& b) {
  return std::make_pair(a.epoch(), a.revision()) > std::make_pair(b.epoch(), b.revision());
}

Mesh Merge(const std::vector<StatusAnswer>& answers) {
  Mesh mesh;
  std::map<std::pair<std::string, std::string>, v1::AgentStatus> agents;
  for (const StatusAnswer& answer : answers) {
    if (!answer.result.ok()) continue;
    mesh.told_by[answer.cluster] = answer.result->instance();
    for (const v1::ClusterStatus& status : answer.result->clusters()) {
      auto [it, first] = mesh.clusters.try_emplace(status.head().cluster(), status);
      if (!first && (Newer(status.head(), it->second.head()) || status.head().cluster() == answer.cluster)) {
        const v1::Head newest = Newer(it->second.head(), status.head()) ? it->second.head() : status.head();
        it->second = status;
        *it->second.mutable_head() = newest;
      }
      for (const v1::AgentStatus& agent : status.agents()) agents[{agent.cluster(), agent.node()}] = agent;
    }
  }
  for (auto& [key, agent] : agents) mesh.agents.push_back(agent);
  return mesh;
}

struct Lag {
  std::string cluster;
  uint64_t behind = 0;  // revisions; the whole history if the epoch is another
  std::string problem;
};

std::vector<Lag> LagsOf(const Mesh& mesh, const v1::AgentStatus& agent) {
  std::vector<Lag> lags;
  for (const auto& [name, cluster] : mesh.clusters) {
    const v1::AppliedCluster* applied = nullptr;
    for (const v1::AppliedCluster& candidate : agent.applied()) {
      if (candidate.cluster() == name) applied = &candidate;
    }
    Lag lag{name, cluster.head().revision(), ""};
    if (applied != nullptr) {
      lag.problem = applied->problem();
      if (applied->epoch() == cluster.head().epoch()) {
        lag.behind -= std::min(applied->enforced(), cluster.head().revision());
      }
    }
    lags.push_back(std::move(lag));
  }
  return lags;
}

absl::Duration SilentFor(const v1::AgentStatus& agent, absl::Time now) {
  return now - absl::FromUnixMillis(agent.time_ms());
}

std::string PolicyName(const v1::NotEnforcedPolicy& policy) {
  return absl::StrCat(policy.kind(), " ", policy.namespace_(), policy.namespace_().empty() ? "" : "/",
                      policy.name());
}

std::string AgentState(const v1::AgentStatus& agent, const std::vector<Lag>& lags, absl::Duration silent,
                       const Style& style) {
  if (agent.not_enforced_total() > 0 && !agent.not_enforced().empty()) {
    const v1::NotEnforcedPolicy& first = agent.not_enforced(0);
    return style.Bad(absl::StrCat(
        "not enforced: ", PolicyName(first),
        agent.not_enforced_total() > 1 ? absl::StrCat(" and ", agent.not_enforced_total() - 1, " more") : "",
        ": ", first.reason()));
  }
  for (const Lag& lag : lags) {
    if (!lag.problem.empty())
      return style.Bad(absl::StrCat("not enforced: ", lag.cluster, ": ", lag.problem));
  }
  if (silent > kSilent) return style.Bad(absl::StrCat("silent for ", AgeText(silent)));
  uint64_t behind = 0;
  for (const Lag& lag : lags) behind += lag.behind;
  return behind == 0 ? style.Good("in sync") : style.Warn("behind");
}

std::string EndpointsText(const v1::AgentStatus& agent) {
  if (agent.audited_endpoints() == 0) return absl::StrCat(agent.endpoints());
  return absl::StrCat(agent.endpoints(), " (", agent.audited_endpoints(), " audited)");
}

std::string BehindText(const std::vector<Lag>& lags) {
  std::vector<std::string> parts;
  for (const Lag& lag : lags) {
    if (lag.behind > 0) parts.push_back(absl::StrCat(lag.cluster, " ", lag.behind));
  }
  return parts.empty() ? "0" : absl::StrJoin(parts, ", ");
}

std::string ClusterTable(const Mesh& mesh, const std::vector<StatusAnswer>& answers, const Style& style) {
  Table table({"REGION", "CLUSTER", "EPOCH", "REVISION", "NODES", "ENDPOINTS", "IDENTITIES", "POLICIES",
               "CONTROL-PLANE"});
  for (const auto& [name, status] : mesh.clusters) {
    std::string control_plane = "not asked";
    for (const StatusAnswer& answer : answers) {
      if (answer.cluster != name) continue;
      if (!answer.result.ok()) {
        control_plane = style.Bad("unreachable");
      } else {
        control_plane = absl::StrCat(answer.result->instance(), " ", answer.result->version(),
                                     answer.result->sql_up() ? "" : style.Bad(" (SQL out of reach)"));
      }
    }
    if (name == kMeshCluster) control_plane = "all";
    table.AddRow({status.region().empty() ? "-" : status.region(), name, absl::StrCat(status.head().epoch()),
                  absl::StrCat(status.head().revision()), absl::StrCat(status.nodes()),
                  absl::StrCat(status.endpoints()), absl::StrCat(status.identities()),
                  absl::StrCat(status.policies()), control_plane});
  }
  return table.ToString();
}

// Every policy that an agent reports as not enforced; nothing if there is none.
std::string NotEnforcedTable(const Mesh& mesh, absl::Time now) {
  Table table({"CLUSTER", "AGENT", "NOT-ENFORCED", "ENDPOINTS", "SINCE", "REASON"});
  uint32_t total = 0, listed = 0;
  for (const v1::AgentStatus& agent : mesh.agents) {
    total += agent.not_enforced_total();
    for (const v1::NotEnforcedPolicy& policy : agent.not_enforced()) {
      ++listed;
      const absl::Duration since = now - absl::FromUnixMillis(policy.since_ms());
      table.AddRow({agent.cluster(), agent.node(), PolicyName(policy), absl::StrCat(policy.endpoints()),
                    absl::StrCat(AgeText(since), " ago"), policy.reason()});
    }
  }
  if (listed == 0) return "";
  return absl::StrCat("\n", table.ToString(),
                      total > listed ? absl::StrCat("and ", total - listed, " more\n") : "");
}

// An agent that enforces every head, whole, and lately said so.
bool Ready(const Mesh& mesh, const v1::AgentStatus& agent, absl::Time now) {
  if (agent.not_enforced_total() > 0 || SilentFor(agent, now) > kSilent) return false;
  const std::vector<Lag> lags = LagsOf(mesh, agent);
  return std::all_of(lags.begin(), lags.end(),
                     [](const Lag& lag) { return lag.behind == 0 && lag.problem.empty(); });
}

size_t ReadyNodes(const Mesh& mesh, const std::string& cluster, absl::Time now) {
  return static_cast<size_t>(std::count_if(
      mesh.agents.begin(), mesh.agents.end(),
      [&](const v1::AgentStatus& agent) { return agent.cluster() == cluster && Ready(mesh, agent, now); }));
}

// How one control plane holds a cluster: whole, and how many revisions behind the newest head.
struct Holding {
  bool whole = false;
  uint64_t behind = 0;
};

Holding HoldingOf(const StatusAnswer& answer, const std::string& cluster, const v1::Head& newest) {
  for (const v1::ClusterStatus& status : answer.result->clusters()) {
    if (status.head().cluster() != cluster) continue;
    if (status.head().epoch() != newest.epoch()) return {status.mirrored(), newest.revision()};
    return {status.mirrored(), newest.revision() - std::min(newest.revision(), status.head().revision())};
  }
  return {false, newest.revision()};
}

// Whether every control plane follows every cluster, and every node of it is ready.
std::string MeshTable(const Mesh& mesh, const std::vector<StatusAnswer>& answers, absl::Time now,
                      const Style& style) {
  Table table({"CLUSTER", "CONNECTED", "HEAD", "LAG", "NODES-READY"});
  for (const auto& [name, status] : mesh.clusters) {
    std::vector<std::string> without;
    size_t asked = 0;
    uint64_t lag = 0;
    for (const StatusAnswer& answer : answers) {
      if (!answer.result.ok()) continue;
      ++asked;
      const Holding holding = HoldingOf(answer, name, status.head());
      if (!holding.whole) without.push_back(answer.cluster);
      lag = std::max(lag, holding.behind);
    }
    const std::string connected = without.empty()
                                      ? style.Good(absl::StrCat(asked, "/", asked))
                                      : style.Bad(absl::StrCat(asked - without.size(), "/", asked,
                                                               ", not to ", absl::StrJoin(without, ",")));
    std::string ready = "-";
    if (mesh.told_by.count(name) > 0) {
      const size_t count = ReadyNodes(mesh, name, now);
      ready = absl::StrCat(count, "/", status.nodes());
      ready = count == status.nodes() ? style.Good(ready) : style.Warn(ready);
    }
    table.AddRow({name, connected, absl::StrCat(status.head().epoch(), "/", status.head().revision()),
                  lag == 0 ? "0" : style.Warn(absl::StrCat(lag)), ready});
  }
  return absl::StrCat("\n", table.ToString());
}

// "node gcp/n1" or "cluster gcp".
std::string ObservedName(const v1::Liveness& seen) {
  return seen.node().empty() ? absl::StrCat("cluster ", seen.cluster())
                             : absl::StrCat("node ", seen.cluster(), "/", seen.node());
}

}  // namespace

std::string StatusText(const std::vector<StatusAnswer>& answers, absl::Time now, bool wide,
                       const Style& style) {
  const Mesh mesh = Merge(answers);
  std::string out;
  if (!mesh.clusters.empty()) {
    out = absl::StrCat(ClusterTable(mesh, answers, style), MeshTable(mesh, answers, now, style));
  }

  if (!mesh.agents.empty() && wide) {
    Table table({"CLUSTER", "AGENT", "OF", "RECEIVED", "ENFORCED", "HEAD", "BEHIND", "PROBLEM"});
    for (const v1::AgentStatus& agent : mesh.agents) {
      for (const v1::AppliedCluster& applied : agent.applied()) {
        const auto of = mesh.clusters.find(applied.cluster());
        const uint64_t head = of == mesh.clusters.end() ? 0 : of->second.head().revision();
        table.AddRow({agent.cluster(), agent.node(), applied.cluster(), absl::StrCat(applied.received()),
                      absl::StrCat(applied.enforced()), absl::StrCat(head),
                      absl::StrCat(head - std::min(head, applied.enforced())), applied.problem()});
      }
    }
    absl::StrAppend(&out, "\n", table.ToString(), NotEnforcedTable(mesh, now));
  } else if (!mesh.agents.empty()) {
    Table table({"CLUSTER", "AGENT", "ENDPOINTS", "BEHIND", "SEEN", "STATE"});
    for (const v1::AgentStatus& agent : mesh.agents) {
      const std::vector<Lag> lags = LagsOf(mesh, agent);
      const absl::Duration silent = SilentFor(agent, now);
      table.AddRow({agent.cluster(), agent.node(), EndpointsText(agent), BehindText(lags),
                    absl::StrCat(AgeText(silent), " ago"), AgentState(agent, lags, silent, style)});
    }
    absl::StrAppend(&out, "\n", table.ToString());
  }

  bool first = true;
  for (const StatusAnswer& answer : answers) {
    for (const v1::Liveness& seen : answer.down) {
      absl::StrAppend(&out, std::exchange(first, false) ? "\n" : "", style.Bad("down"), ": ",
                      ObservedName(seen), ", as ", answer.cluster, " sees it\n");
    }
  }
  for (const StatusAnswer& answer : answers) {
    if (!answer.result.ok()) {
      absl::StrAppend(&out, out.empty() ? "" : "\n", style.Bad("unreachable"), ": ", answer.cluster, ": ",
                      answer.result.status().message(), "\n");
    }
  }
  return out;
}

std::vector<std::string> NotReady(const std::vector<StatusAnswer>& answers, absl::Time now) {
  const Mesh mesh = Merge(answers);
  std::vector<std::string> problems;
  for (const StatusAnswer& answer : answers) {
    if (!answer.result.ok()) {
      problems.push_back(absl::StrCat(answer.cluster, ": unreachable: ", answer.result.status().message()));
      continue;
    }
    if (!answer.result->sql_up()) problems.push_back(absl::StrCat(answer.cluster, ": SQL is out of reach"));
    for (const auto& [name, status] : mesh.clusters) {
      const Holding holding = HoldingOf(answer, name, status.head());
      if (!holding.whole)
        problems.push_back(absl::StrCat(answer.cluster, ": does not hold cluster ", name, " whole"));
      if (holding.behind > 0) {
        problems.push_back(
            absl::StrCat(answer.cluster, ": ", holding.behind, " revisions of ", name, " behind"));
      }
      if (name != answer.cluster) continue;
      const size_t ready = ReadyNodes(mesh, name, now);
      if (ready < status.nodes()) {
        problems.push_back(absl::StrCat(name, ": ", ready, " of ", status.nodes(), " nodes are ready"));
      }
    }
    for (const v1::Liveness& seen : answer.down) {
      problems.push_back(absl::StrCat(answer.cluster, ": sees ", ObservedName(seen), " down"));
    }
  }
  return problems;
}

Json StatusJson(const std::vector<StatusAnswer>& answers, absl::Time now) {
  const Mesh mesh = Merge(answers);
  Json out = {{"inStep", false},
              {"clusters", Json::array()},
              {"agents", Json::array()},
              {"down", Json::array()},
              {"unreachable", Json::array()}};
  bool in_step = true;
  for (const auto& [name, status] : mesh.clusters) {
    v1::ClusterStatus without_agents = status;
    without_agents.clear_agents();
    Json cluster = MessageJson(without_agents);
    if (const auto it = mesh.told_by.find(name); it != mesh.told_by.end())
      cluster["controlPlane"] = it->second;
    out["clusters"].push_back(std::move(cluster));
  }
  for (const v1::AgentStatus& agent : mesh.agents) {
    Json json = MessageJson(agent);
    json["silentMs"] = absl::ToInt64Milliseconds(SilentFor(agent, now));
    json["behind"] = Json::object();
    in_step = in_step && agent.not_enforced_total() == 0;
    for (const Lag& lag : LagsOf(mesh, agent)) {
      json["behind"][lag.cluster] = lag.behind;
      in_step = in_step && lag.behind == 0 && lag.problem.empty();
    }
    out["agents"].push_back(std::move(json));
  }
  for (const StatusAnswer& answer : answers) {
    for (const v1::Liveness& seen : answer.down) {
      out["down"].push_back(
          {{"observer", answer.cluster}, {"cluster", seen.cluster()}, {"node", seen.node()}});
    }
    if (!answer.result.ok()) {
      in_step = false;
      out["unreachable"].push_back(
          {{"cluster", answer.cluster}, {"reason", std::string(answer.result.status().message())}});
      continue;
    }
    for (const v1::ClusterStatus& status : answer.result->clusters()) {
      const bool own = status.head().cluster() == answer.cluster;
      if (own && static_cast<uint32_t>(status.agents_size()) < status.nodes()) in_step = false;
    }
  }
  out["inStep"] = in_step;
  return out;
}

}  // namespace trivium::cli
