// Where the logs of all clusters come in: one subscription for feeds and heads, one ClusterFeed per followed
// cluster. Watches that heads keep coming, and rebuilds the connection when they do not. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "nodeagent/inbox/cluster_feed.h"

namespace trivium {

class Inbox {
 public:
  struct Options {
    std::string principal;
    std::string folder;
  };
  Inbox(Options options, ClusterFeed::Deps deps, const Clock* clock);

  ~Inbox() { gate_.Close(); }

  // Subscribes; catches up with every followed cluster whenever the connection is (again) there.
  absl::Status Start();

  // Follows a cluster from its durable copy on. Does nothing if it is followed already.
  ClusterFeed* Follow(const std::string& cluster, uint32_t cluster_id, Mirror::Filter keep_whole);
  // Stops following and removes the copy; its objects are reported as deleted first.
  absl::Status Unfollow(const std::string& cluster);

  ClusterFeed* Find(const std::string& cluster);
  const std::map<std::string, std::unique_ptr<ClusterFeed>>& feeds() const { return feeds_; }
  bool connected() const { return connected_; }

 private:
  void OnMessage(Message message);
  void OnBusState(Bus::State state);
  // Everything sent before has been seen by the server: now fetching can miss nothing.
  void Flushed();
  // Some of those that need it, in turn.
  void SyncCopies();
  void Watch();

  const Options options_;
  const ClusterFeed::Deps deps_;
  const Clock* const clock_;
  SyncGate gate_;  // outlives the feeds
  std::map<std::string, std::unique_ptr<ClusterFeed>> feeds_;
  bool started_ = false;
  bool connected_ = false;
  absl::Duration last_head_;
  absl::Duration patience_;
  std::string last_synced_;
  Alive alive_;
};

}  // namespace trivium
