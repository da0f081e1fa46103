// What must hold when a schedule is over.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/world.h"

namespace trivium::sim {
namespace {

constexpr size_t kMostWaiting = 20000;
constexpr size_t kMostTimers = 5000;

std::string Compare(const std::string& who, const Replica& replica, const Record* head) {
  const Position& at = replica.position();
  if (head == nullptr) return "";
  if (at == head->at) return "";
  return absl::StrCat(who, " holds ", at.epoch, "/", at.revision, " of ", replica.cluster(), ", its head is ",
                      head->at.epoch, "/", head->at.revision);
}

}  // namespace

std::string World::NotConverged() {
  for (const auto& cp : control_planes_) {
    if (!cp->up() || !cp->serving()) return absl::StrCat(cp->name(), " does not serve");
    if (cp->app()->mirrors()->all().size() != kClusters + 1)
      return absl::StrCat(cp->name(), " lacks a cluster");
    for (const auto& [name, entry] : cp->app()->mirrors()->all()) {
      std::string problem = Compare(cp->name(), entry->mirror->replica(), history_.head(name));
      if (!problem.empty()) return problem;
    }
    if (cp->app()->cluster()->writer()->queued() != 0) return absl::StrCat(cp->name(), " has requests waiting");
  }
  for (const auto& reader : subscribers_) {
    if (!reader->up() || reader->app() == nullptr) return absl::StrCat(reader->name(), " is down");
    for (const auto& [name, replica] : reader->app()->replicas()) {
      std::string problem = Compare(reader->name(), replica, history_.head(name));
      if (!problem.empty()) return problem;
    }
  }
  for (const auto& person : people_) {
    if (!person->idle()) return absl::StrCat(person->client(), " waits for an answer");
  }
  for (size_t i = 0; i < agents_.size(); ++i) {
    AgentSite* agent = agents_[i].get();
    if (!agent->up() || agent->app() == nullptr) return absl::StrCat(agent->name(), " is down");
    if (agent->app()->inbox().feeds().size() != kClusters + 1) {
      return absl::StrCat(agent->name(), " does not follow every cluster");
    }
    for (const auto& [name, feed] : agent->app()->inbox().feeds()) {
      std::string problem = Compare(agent->name(), feed->replica(), history_.head(name));
      if (!problem.empty()) return problem;
    }
    if (!agent->app()->InSync()) return absl::StrCat(agent->name(), " is not in sync");
    if (!cnis_[i]->idle()) return absl::StrCat("the CNI plugin waits for ", agent->name());
    const std::vector<std::string> problems = agent->app()->Problems();
    if (!problems.empty()) return absl::StrCat(agent->name(), ": ", problems[0]);
    const v1::AgentStatus status = agent->app()->Status();
    for (const v1::AppliedCluster& applied : status.applied()) {
      if (applied.enforced() != applied.received() || !applied.problem().empty()) {
        return absl::StrCat(agent->name(), " does not enforce ", applied.cluster(), ": ", applied.problem());
      }
    }
    if (std::string problem = ComparePods(i); !problem.empty()) return problem;
    if (std::string problem = CompareReports(i); !problem.empty()) return problem;
  }
  return "";
}

// The cluster's log holds the pods of this node, no more and no less.
std::string World::ComparePods(size_t agent) {
  const AgentSite& site = *agents_[agent];
  const Record* head = history_.head(site.config().cluster);
  if (head == nullptr) return absl::StrCat(site.config().cluster, " has no log");
  const auto node = head->state->find({v1::KIND_NODE, site.config().node});
  if (node == head->state->end()) return absl::StrCat(site.name(), " is not registered");
  std::set<std::string> registered;
  for (const auto& [key, object] : *head->state) {
    if (key.kind == v1::KIND_ENDPOINT && object->endpoint().node() == node->second->node().number()) {
      registered.insert(key.key);
    }
  }
  const auto& devices = agents_[agent]->devices()->devices();
  for (const LocalPod& pod : cnis_[agent]->pods()) {
    const auto device = devices.find(pod.ifname);
    if (device == devices.end() || !device->second.up) {
      return absl::StrCat("the link of pod ", EndpointKey(pod.uid), " of ", site.name(), " is not up");
    }
    if (registered.erase(EndpointKey(pod.uid)) == 0) {
      return absl::StrCat("pod ", EndpointKey(pod.uid), " of ", site.name(), " is not in the log");
    }
  }
  if (!registered.empty()) {
    return absl::StrCat("the log holds pod ", *registered.begin(), " of ", site.name(), ", which is gone");
  }
  return "";
}

// Whoever waits for a revision hears that this node enforces it.
std::string World::CompareReports(size_t agent) {
  const AgentSite& site = *agents_[agent];
  const Record* head = history_.head(site.config().cluster);
  for (const auto& cp : control_planes_) {
    if (cp->cluster() != site.cluster()) continue;
    const AgentTable::Entry* entry = cp->app()->cluster()->agents()->Find(site.config().node);
    if (entry == nullptr) return absl::StrCat(cp->name(), " has not heard of ", site.name());
    bool enforced = false;
    for (const v1::AppliedCluster& applied : entry->status.applied()) {
      enforced |= applied.cluster() == site.config().cluster && applied.epoch() == head->at.epoch &&
                  applied.enforced() == head->at.revision;
    }
    if (!enforced) return absl::StrCat(cp->name(), " does not know that ", site.name(), " is up to date");
  }
  return "";
}

void World::CheckAcknowledged() {
  for (uint32_t c = 0; c < kClusters; ++c) {
    const std::string cluster = kClusterNames[c];
    std::map<Id128, const Record*> done;
    for (const Record* r = history_.head(cluster); r != nullptr; r = r->prev) {
      for (const Id128& id : r->requests) {
        const auto [it, added] = done.emplace(id, r);
        // A new epoch at the same revision repeats no request.
        if (!added) {
          return Fail(absl::StrCat("request ", id.ToHex(), " was applied twice to ", cluster,
                                   ": at revisions ", it->second->at.revision, " and ", r->at.revision));
        }
      }
    }
    for (const Person::Request& request : people_[c]->requests()) {
      if (request.reply.code() != 0 || request.reply.revision() == 0) continue;
      const auto it = done.find(request.id);
      if (it != done.end() && it->second->at.epoch == request.reply.epoch() &&
          it->second->at.revision == request.reply.revision()) {
        continue;
      }
      const bool undone = std::any_of(undone_.begin(), undone_.end(), [&](const Record* r) {
        return r->cluster == cluster && r->requests.contains(request.id);
      });
      if (undone) continue;
      return Fail(absl::StrCat("request ", request.id.ToHex(), " (", request.verb, ") to ", cluster,
                               " was acknowledged at ", request.reply.epoch(), "/", request.reply.revision(),
                               it == done.end() ? " and is missing" : " and is elsewhere"));
    }
  }
}

void World::CheckBounds() {
  if (scheduler_.most_waiting() > kMostWaiting) {
    Fail(absl::StrCat(scheduler_.most_waiting(), " tasks waited in one process"));
  }
  for (Site* site : sites_) {
    if (site->up() && site->executor()->timers() > kMostTimers) {
      Fail(absl::StrCat(site->name(), " has ", site->executor()->timers(), " timers"));
    }
  }
}

void World::CheckEnd() {
  if (std::string again = NotConverged(); !again.empty())
    return Fail(absl::StrCat("no longer converged: ", again));
  CheckAcknowledged();
  CheckBounds();
  for (uint32_t process = 0; process < sites_.size(); ++process) seen_[process] = Seen();
  for (size_t i = 0; i < agents_.size(); ++i) {
    for (const auto& [name, feed] : agents_[i]->app()->inbox().feeds()) {
      const bool remote = name != kMeshCluster && name != agents_[i]->config().cluster;
      const std::string problem = history_.Judge(feed->replica(), remote, true);
      if (!problem.empty()) Fail(absl::StrCat(agents_[i]->name(), ": ", problem));
    }
    const absl::StatusOr<std::vector<std::string>> audit =
        agents_[i]->app()->pipeline().Audit(agents_[i]->maps(), 5);
    if (!audit.ok()) Fail(std::string(audit.status().message()));
    if (audit.ok() && !audit->empty()) Fail(absl::StrCat(agents_[i]->name(), " audit: ", audit->front()));
    if (std::string problem = watches_[i]->CheckAll(); !problem.empty()) Fail(std::move(problem));
  }
}

}  // namespace trivium::sim
