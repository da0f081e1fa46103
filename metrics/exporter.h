// Shows a daemon to its watchers: /metrics for Prometheus, /healthz (the process lives: its executor runs)
// and /readyz (it does its work; if not, 503 and why, one reason a line).
//
// The executor owns all state, so it publishes: every second a page is filled there, handed over whole, and
// never changed again. A scrape reads the last page on the server's thread; however slow it is, the executor
// does not notice. Construct and destroy it on the executor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "metrics/http_server.h"
#include "metrics/page.h"

namespace trivium {

// Why a process does not do its work; empty: it does.
using NotReady = std::vector<std::string>;

class MetricsExporter {
 public:
  struct Options {
    ListenAddress listen;   // off: nothing is collected, nothing served
    std::string component;  // "controlplane", "agent"
    std::string version;
    absl::Duration publish_every = absl::Seconds(1);
    absl::Duration retry_listening = absl::Seconds(10);
    // An executor that has not published for so long is stuck: neither healthy nor ready.
    absl::Duration stalled_after = absl::Seconds(30);
  };
  // Fills the page with what the owner has; runs on the executor.
  using Collect = std::function<void(MetricsPage*, NotReady*)>;

  // An address that is taken is no reason to stop a daemon: it is logged, and tried again. Nothing is owned.
  MetricsExporter(Options options, Executor* executor, const Clock* clock, Files* files, Collect collect);
  ~MetricsExporter();
  MetricsExporter(const MetricsExporter&) = delete;
  MetricsExporter& operator=(const MetricsExporter&) = delete;

  // Where it is served; off if it is not (yet).
  ListenAddress address() const;

 private:
  struct Shown;

  void Publish();
  void StartServer();

  const Options options_;
  Executor* const executor_;
  const Clock* const clock_;
  Files* const files_;
  const Collect collect_;
  const std::shared_ptr<Shown> shown_;
  const double start_time_;
  absl::Duration due_;  // when this publication should have run
  absl::Duration try_listening_ = -absl::InfiniteDuration();
  std::unique_ptr<HttpServer> server_;
  Alive alive_;
};

// Fills in what every process has: CPU, memory, descriptors, start (docs/metrics.md). `start_time`: Unix
// seconds.
void CollectProcess(Files* files, double start_time, MetricsPage* page);

}  // namespace trivium
