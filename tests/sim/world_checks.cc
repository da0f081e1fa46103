// What must hold when a schedule is over.
#include <malloc.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/world.h"

namespace trivium::sim {
namespace {

constexpr size_t kMostWaiting = 20000;
constexpr size_t kMostTimers = 5000;
constexpr size_t kMostHeap = 16 << 20;

std::string Compare(const std::string& who, const Replica& replica, const Record* head) {
  const Position& at = replica.position();
  if (head == nullptr) return "";
  if (at == head->at) return "";
  return absl::StrCat(who, " holds ", at.epoch, "/", at.revision, " of ", replica.cluster(), ", its head is ",
                      head->at.epoch, "/", head->at.revision);
}

// Who did what in a revision.
std::string AuditText(const CommitRequest& request) {
  std::string text;
  for (const AuditRow& row : request.audit) {
    absl::StrAppend(&text, " [", row.actor, " ", row.verb, " ", row.key, "]");
  }
  return text;
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
    if (cp->app()->cluster()->writer()->queued() != 0)
      return absl::StrCat(cp->name(), " has requests waiting");
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

void World::CheckAnswer(uint32_t cluster, const Person::Request& request) {
  if (request.reply.code() != 0 || request.reply.revision() == 0) return;
  const Record* answered = history_.Answered(kClusterNames[cluster], request.id);
  if (answered != nullptr && answered->at.epoch == request.reply.epoch() &&
      answered->at.revision == request.reply.revision()) {
    return;
  }
  const bool undone = std::any_of(undone_.begin(), undone_.end(), [&](const Record* r) {
    return r->cluster == kClusterNames[cluster] && r->requests.contains(request.id);
  });
  if (undone) return;
  Fail(absl::StrCat("request ", request.id.ToHex(), " (", request.verb, ") to ", kClusterNames[cluster],
                    " was acknowledged at ", request.reply.epoch(), "/", request.reply.revision(),
                    answered == nullptr ? " and is missing" : " and is elsewhere"));
}

void World::CheckRemovals(const std::string& cluster, const CommitRequest& request) {
  std::set<std::string> pods;
  std::set<v1::Kind> kinds;
  for (const v1::Change& change : request.batch.changes.changes()) {
    if (change.op() != v1::Change::DELETE) continue;
    const ObjectKey key = KeyOf(change);
    kinds.insert(key.kind);
    if (key.kind == v1::KIND_ENDPOINT) pods.insert(key.key);
  }
  // One that is made again in the same revision leaves no deletion of itself.
  for (const AuditRow& row : request.audit) {
    if (row.verb == "delete") kinds.insert(row.kind);
  }
  const bool node = kinds.contains(v1::KIND_NODE);
  const bool ns = kinds.contains(v1::KIND_NAMESPACE);
  if (node) coverage_.Hit(Point::kNodeDeleted);
  if (ns && !pods.empty()) coverage_.Hit(Point::kNamespaceDeleted);
  if (node || ns) return;  // their pods go with them
  for (size_t i = 0; i < agents_.size(); ++i) {
    if (agents_[i]->config().cluster != cluster) continue;
    for (const Id128& uid : cnis_[i]->acknowledged()) {
      if (!pods.contains(EndpointKey(uid))) continue;
      return Fail(absl::StrCat("pod ", EndpointKey(uid), " of ", agents_[i]->name(),
                               " was acknowledged and is ", "removed at ", request.batch.epoch, "/",
                               request.batch.revision, " though nobody asked for that, by",
                               AuditText(request)));
    }
  }
}

void World::CheckBounds(Site* site) {
  if (!site->up()) return;
  if (site->executor()->waiting() > kMostWaiting) {
    Fail(absl::StrCat(site->name(), " has ", site->executor()->waiting(), " tasks waiting"));
  }
  if (site->executor()->timers() > kMostTimers) {
    Fail(absl::StrCat(site->name(), " has ", site->executor()->timers(), " timers"));
  }
}

// Of the whole world, its history included.
void World::CheckHeap() {
  const struct mallinfo2 heap = mallinfo2();
  outcome_.heap_bytes = std::max<size_t>(outcome_.heap_bytes, heap.uordblks + heap.hblkhd);
  if (outcome_.heap_bytes > kMostHeap) Fail(absl::StrCat("the heap has ", outcome_.heap_bytes, " bytes"));
  Later(absl::Seconds(1), [this] { CheckHeap(); });
}

void World::CheckEnd() {
  if (std::string again = NotConverged(); !again.empty())
    return Fail(absl::StrCat("no longer converged: ", again));
  for (uint32_t c = 0; c < kClusters; ++c) {
    for (const Person::Request& request : people_[c]->requests()) CheckAnswer(c, request);
  }
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
