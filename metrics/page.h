// What one scrape shows: metrics with their values at one moment. Filled by its owner, then only read (any
// number of threads may). The only room that knows prometheus-cpp.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/histogram.h"

namespace trivium {

// Named as Prometheus wants it: base units (seconds, bytes) at the end of the name, counters end in _total.
struct MetricInfo {
  const char* name;
  const char* help;
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class MetricsPage {
 public:
  MetricsPage();
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  // One metric may be given several times, with other labels each time.
  void Counter(const MetricInfo& metric, double value, const MetricLabels& labels = {});
  void Gauge(const MetricInfo& metric, double value, const MetricLabels& labels = {});
  void Histogram(const MetricInfo& metric, const trivium::Histogram& value, const MetricLabels& labels = {});
  // Shown even if nothing is counted yet under any label.
  void DeclareCounter(const MetricInfo& metric);
  void DeclareGauge(const MetricInfo& metric);

  // The text format that Prometheus reads (version 0.0.4).
  std::string Text() const;
  static constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trivium
