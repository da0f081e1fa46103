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
  Inbox(Options options, ClusterFeed::Deps deps, const Clock* clock, ClusterFeed::OnChange on_change,
        ClusterFeed::OnState on_state);

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
  void Watch();

  const Options options_;
  const ClusterFeed::Deps deps_;
  const Clock* const clock_;
  const ClusterFeed::OnChange on_change_;
  const ClusterFeed::OnState on_state_;
  std::map<std::string, std::unique_ptr<ClusterFeed>> feeds_;
  bool started_ = false;
  bool connected_ = false;
  absl::Duration last_head_;
  absl::Duration patience_;
  Alive alive_;
};

}  // namespace trivium
