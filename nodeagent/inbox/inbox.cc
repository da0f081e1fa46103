#include "nodeagent/inbox/inbox.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr absl::Duration kWatchEvery = absl::Seconds(1);
// A second: durable copies that are sent to the medium. Other programs want the disk, too.
constexpr int kSyncsAtOnce = 4;
// Heads come at least once a second: so long without any means that the connection is dead, whatever it says.
constexpr absl::Duration kMinPatience = absl::Seconds(5);
constexpr absl::Duration kMaxPatience = absl::Seconds(60);
constexpr absl::Duration kFlushTimeout = absl::Seconds(2);
constexpr char kFeedPrefix[] = "trivium.v1.feed.";

}  // namespace

Inbox::Inbox(Options options, ClusterFeed::Deps deps, const Clock* clock)
    : options_(std::move(options)),
      deps_(deps),
      clock_(clock),
      last_head_(clock->Monotonic()),
      patience_(kMinPatience) {}

absl::Status Inbox::Start() {
  started_ = true;
  const std::weak_ptr<char> alive = alive_.Watch();
  TRIVIUM_RETURN_IF_ERROR(
      deps_.bus->Subscribe(subjects::kFeedAndHeads, "", deps_.executor, [this, alive](Message message) {
        if (!alive.expired()) OnMessage(std::move(message));
      }));
  deps_.bus->WatchState(deps_.executor, [this, alive](Bus::State state) {
    if (!alive.expired()) OnBusState(state);
  });
  Watch();
  return absl::OkStatus();
}

void Inbox::OnBusState(Bus::State state) {
  connected_ = state == Bus::State::kConnected;
  spdlog::info("following the feed connected={}", connected_);
  if (!connected_) return;
  last_head_ = clock_->Monotonic();
  Flushed();
}

void Inbox::Flushed() {
  deps_.bus->FlushAsync(kFlushTimeout, deps_.executor, [this, alive = alive_.Watch()](absl::Status status) {
    if (alive.expired() || !connected_) return;
    if (!status.ok()) {
      spdlog::warn("nats: cannot flush error=\"{}\"", status.ToString());
      deps_.executor->PostAfter(kWatchEvery, [this, watch = alive_.Watch()] {
        if (!watch.expired() && connected_) Flushed();
      });
      return;
    }
    for (const auto& [name, feed] : feeds_) feed->Resync();
  });
}

ClusterFeed* Inbox::Follow(const std::string& cluster, uint32_t cluster_id, Mirror::Filter keep_whole) {
  if (ClusterFeed* feed = Find(cluster)) return feed;
  auto feed = std::make_unique<ClusterFeed>(
      ClusterFeed::Options{cluster, cluster_id, options_.principal, options_.folder, std::move(keep_whole)},
      deps_, &gate_);
  ClusterFeed* raw = feed.get();
  feeds_[cluster] = std::move(feed);
  raw->Load();
  if (started_ && connected_) raw->Resync();
  return raw;
}

absl::Status Inbox::Unfollow(const std::string& cluster) {
  const auto it = feeds_.find(cluster);
  if (it == feeds_.end()) return absl::OkStatus();
  const absl::Status status = it->second->Clear();
  feeds_.erase(cluster);
  return status;
}

ClusterFeed* Inbox::Find(const std::string& cluster) {
  const auto it = feeds_.find(cluster);
  return it == feeds_.end() ? nullptr : it->second.get();
}

void Inbox::OnMessage(Message message) {
  absl::string_view cluster = message.subject;
  if (!absl::ConsumePrefix(&cluster, kFeedPrefix)) return;
  if (message.subject != subjects::kHeads) {
    // A cluster that the mesh's log has not told of yet is fetched when it does.
    if (ClusterFeed* feed = Find(std::string(cluster))) feed->OnEnvelope(message.payload);
    return;
  }
  v1::Heads heads;
  if (!heads.ParseFromString(message.payload)) {
    spdlog::warn("nats: malformed heads");
    return;
  }
  last_head_ = clock_->Monotonic();
  patience_ = kMinPatience;
  for (const v1::Head& head : heads.heads()) {
    if (ClusterFeed* feed = Find(head.cluster())) feed->OnHead(head);
  }
}

void Inbox::SyncCopies() {
  int synced = 0;
  auto at = feeds_.upper_bound(last_synced_);
  for (size_t i = 0; i < feeds_.size() && synced < kSyncsAtOnce; ++i, ++at) {
    if (at == feeds_.end()) at = feeds_.begin();
    if (!at->second->SyncCopy()) continue;
    last_synced_ = at->first;
    ++synced;
  }
}

void Inbox::Watch() {
  const absl::Duration now = clock_->Monotonic();
  if (connected_ && now - last_head_ > patience_) {
    spdlog::warn("nats: no heads, building a new connection for_s={}", absl::ToInt64Seconds(patience_));
    last_head_ = now;
    patience_ = std::min(kMaxPatience, patience_ * 2);
    deps_.bus->Rebuild();
  }
  SyncCopies();
  deps_.executor->PostAfter(kWatchEvery, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Watch();
  });
}

}  // namespace trivium
