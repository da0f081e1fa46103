#include "controlplane/sync/mirrors.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/strip.h"
#include "schema/codec.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {

Mirrors::Mirrors(const std::vector<ClusterRef>& written, Store* store, Executor* executor, Random* random,
                 Follower::Options options)
    : store_(store), executor_(executor), random_(random), options_(options) {
  mesh_ = Add(ClusterRef{kMeshCluster, 0, kMeshClusterId}, true);
  for (const ClusterRef& ref : written) Add(ref, true);
  mesh_->mirror->Observe([this](const Batch*) { AddNewClusters(); });
}

Mirrors::Entry* Mirrors::Add(const ClusterRef& ref, bool with_index) {
  auto entry = std::make_unique<Entry>();
  entry->mirror = std::make_unique<ClusterMirror>(ref, with_index);
  entry->follower = std::make_unique<Follower>(entry->mirror.get(), store_, executor_, random_, options_);
  entry->follower->OnRestore(
      [this, mirror = entry->mirror.get()](uint64_t lost, Follower::Done done) {
        if (on_restore_ == nullptr) return done(absl::UnavailableError("nobody begins a new epoch here"));
        on_restore_(mirror, lost, std::move(done));
      },
      with_index ? 0 : kLeaveToOthers);
  return (entries_[ref.name] = std::move(entry)).get();
}

void Mirrors::AddNewClusters() {
  const Mirror& mesh = mesh_->mirror->mirror();
  for (const auto& [name, stored] : mesh.All(v1::KIND_CLUSTER)) {
    if (entries_.contains(name)) continue;
    const v1::Cluster& cluster = stored.object->cluster();
    const v1::Object* region = mesh.Find(v1::KIND_REGION, cluster.region());
    if (region == nullptr) {
      spdlog::error("a cluster of a region that the mesh does not know cluster={} region={}", name,
                    cluster.region());
      continue;
    }
    Entry* entry = Add(ClusterRef{name, region->region().home(), cluster.id()}, false);
    entry->follower->CatchUp([name = name](const absl::Status& status) {
      // The next beacon tries again.
      if (!status.ok()) {
        spdlog::warn("cannot load cluster={} error=\"{}\"", name, std::string(status.message()));
      }
    });
  }
}

Mirrors::Entry* Mirrors::Find(const std::string& cluster) {
  const auto it = entries_.find(cluster);
  return it == entries_.end() ? nullptr : it->second.get();
}

std::set<uint32_t> Mirrors::Homes() const {
  std::set<uint32_t> homes;
  for (const auto& [name, entry] : entries_) homes.insert(entry->mirror->ref().home);
  return homes;
}

size_t Mirrors::Nodes() const {
  size_t nodes = 0;
  for (const auto& [name, entry] : entries_) nodes += entry->mirror->mirror().All(v1::KIND_NODE).size();
  return nodes;
}

std::string Mirrors::RegionOf(const std::string& cluster) const {
  const v1::Object* object = mesh_->mirror->mirror().Find(v1::KIND_CLUSTER, cluster);
  return object == nullptr ? std::string() : object->cluster().region();
}

void Mirrors::OnFeed(const Message& message) {
  if (message.subject == subjects::kHeads) {
    v1::Heads heads;
    if (heads.ParseFromString(message.payload)) {
      if (on_beacon_ != nullptr) on_beacon_(heads);
      return OnHeads(heads);
    }
    ++malformed_;
    spdlog::warn("malformed heads bytes={}", message.payload.size());
    return;
  }
  if (IsEcho(message)) return;
  const absl::StatusOr<Batch> batch = DecodeBatch(message.payload);
  if (!batch.ok() || message.subject != subjects::Feed(batch->cluster)) {
    ++malformed_;
    spdlog::warn("malformed batch subject={} error=\"{}\"", message.subject,
                 batch.ok() ? "it is of cluster " + batch->cluster : std::string(batch.status().message()));
    return;
  }
  // A cluster that the mesh's log has not named yet: its beacon brings it once it is.
  if (Entry* entry = Find(batch->cluster)) entry->follower->OnBatch(*batch);
}

// What this process has just committed and published comes back to it: known byte for byte.
bool Mirrors::IsEcho(const Message& message) {
  absl::string_view cluster = message.subject;
  if (!absl::ConsumePrefix(&cluster, subjects::Feed(""))) return false;
  Entry* const entry = Find(std::string(cluster));
  if (entry == nullptr) return false;
  const auto& tail = entry->mirror->tail();
  const size_t looked_at = std::min(tail.size(), kEchoes);
  return std::any_of(tail.end() - static_cast<std::ptrdiff_t>(looked_at), tail.end(),
                     [&](const ClusterMirror::TailEntry& held) { return held.envelope == message.payload; });
}

void Mirrors::OnHeads(const v1::Heads& heads) {
  for (const v1::Head& head : heads.heads()) {
    if (Entry* entry = Find(head.cluster())) entry->follower->OnHead(head);
  }
}

}  // namespace trivium
