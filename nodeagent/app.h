// The agent, wired: inbox and mirrors, pipeline, endpoints, registration and reports. Takes every outside
// thing as an interface; main gives it the real ones, tests give it fakes. Everything runs on one executor;
// not thread-safe.
//
// Destroying it at any moment leaves maps, programs and files as they are: the next one goes on from there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/histogram.h"
#include "base/random.h"
#include "bus/bus.h"
#include "nodeagent/config.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/endpoint/endpoint_manager.h"
#include "nodeagent/endpoint/node_registrar.h"
#include "nodeagent/inbox/inbox.h"
#include "nodeagent/report/enforcement.h"
#include "nodeagent/report/flow_log.h"
#include "nodeagent/report/flow_publisher.h"

namespace trivium {

class AgentApp final : private FeedListener {
 public:
  struct Deps {  // none is owned
    Executor* executor = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    Files* files = nullptr;
    FileSync* file_sync = nullptr;
    Bus* bus = nullptr;
    MapIo* maps = nullptr;
    DeviceIo* devices = nullptr;
    std::string boot_id;
    // What the programs dropped so far; may be null.
    std::function<std::vector<v1::DropCount>()> drops;
    // What audit mode let pass so far, and flow events that found the ring buffer full; may be null.
    std::function<uint64_t()> audited;
    std::function<uint64_t()> events_lost;
  };

  struct Counters {
    uint64_t flushes = 0;
    uint64_t map_updates = 0;  // entries
    uint64_t map_deletes = 0;
    Histogram flush_seconds = Histogram::ForSeconds();
    // From a change's acceptance by its control plane (whose clock is not this one) to the maps, while in
    // sync.
    Histogram lag_seconds = Histogram::ForSeconds();
  };

  AgentApp(AgentConfig config, Deps deps);
  ~AgentApp() override;
  AgentApp(const AgentApp&) = delete;
  AgentApp& operator=(const AgentApp&) = delete;

  // Adopts maps, copies and endpoints, and starts to follow the logs. Once, on the executor.
  absl::Status Start();

  // One request of the Unix socket; `done` runs once, on the executor.
  void Handle(const v1::AgentRequest& request, EndpointManager::Done done);

  // A drop or an audited pass, as the programs report it.
  void OnFlow(const flow_event& event) { flow_log_->Add(event); }

  // Every followed cluster has caught up with a head since the start.
  bool InSync() const;
  v1::AgentStatus Status() const;
  std::vector<std::string> Problems() const;
  // Why it does not enforce what it should: neither in sync with all logs, nor, cut off, from its own copy.
  std::vector<std::string> NotReady() const;
  // Of the last revision of a cluster that came to stand in the maps, as lag_seconds; zero before the first.
  absl::Duration LagOf(const std::string& cluster) const;
  const Pipeline& pipeline() const { return pipeline_; }
  const Inbox& inbox() const { return *inbox_; }
  const Enforcement& enforcement() const { return enforcement_; }
  const EndpointManager& endpoints() const { return *endpoints_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Enforced {
    uint64_t epoch = 0;
    uint64_t revision = 0;
    std::string problem;
    int64_t measured_us = 0;  // the change whose lag is known
    absl::Duration lag;
  };

  void OnObject(ClusterFeed* feed, const ObjectChange& change) override;
  void OnEndpoint(ClusterFeed* feed, const EndpointRecord* before, const EndpointRecord* after) override;
  void OnMoved(ClusterFeed* feed) override;
  void OnState(ClusterFeed* feed) override;
  void MakeFlowLog();
  uint64_t FlowsLost() const;
  // Follows what the mesh's log lists, and no more once that is in step.
  void FollowClusters();
  void WantFlush();
  void Flush();
  // Nothing that the maps hold is newer than what the mirrors hold: remote state may be written.
  bool MayWriteRemote();
  void BookFlush(const FlushReport& report);
  void BookEnforced(const ClusterFeed& feed, Enforced* enforced);
  void SetRoutes();
  void ScheduleRetry();
  void FlushAt(absl::Duration when);
  // At once, unless the last report was a moment ago.
  void WantReport();
  absl::Duration BetweenReports() const;
  void Report();
  void EverySecond();
  v1::AgentStatusResult StatusResult(bool audit);
  v1::AgentReply EndpointMapsReply(const v1::EndpointMapsQuery& query);

  const AgentConfig config_;
  const Deps deps_;
  const std::string principal_;
  int64_t start_ms_ = 0;  // MakeStartStamp
  Pipeline pipeline_;
  ControlClient control_;
  EndpointStore endpoint_store_;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<NodeRegistrar> registrar_;
  std::unique_ptr<EndpointManager> endpoints_;
  std::unique_ptr<FlowPublisher> flow_publisher_;
  std::unique_ptr<FlowLog> flow_log_;

  bool starting_ = true;
  bool may_write_remote_ = false;
  bool follow_pending_ = false;
  bool flush_pending_ = false;
  bool report_pending_ = false;
  absl::Duration next_report_ = -absl::InfiniteDuration();  // if reports were evenly spread
  bool retry_pending_ = false;
  absl::Duration flush_at_ = absl::InfiniteDuration();
  Backoff retry_backoff_;
  FlushReport last_flush_;
  std::string vector_problem_;
  std::string route_problem_;
  std::optional<std::vector<std::pair<std::string, int>>> routes_;
  std::map<std::string, Enforced> enforced_;
  Enforcement enforcement_;
  std::vector<v1::DropCount> drops_;  // as of the last second
  uint64_t report_sequence_ = 0;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
