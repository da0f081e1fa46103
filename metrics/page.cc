#include "metrics/page.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "absl/container/flat_hash_map.h"

namespace trivium {

struct MetricsPage::State {
  std::vector<prometheus::MetricFamily> families;  // in order of appearance
  absl::flat_hash_map<std::string, size_t> by_name;

  prometheus::MetricFamily& Family(const MetricInfo& metric, prometheus::MetricType type) {
    const auto [it, added] = by_name.try_emplace(metric.name, families.size());
    if (added) families.push_back(prometheus::MetricFamily{metric.name, metric.help, type, {}});
    return families[it->second];
  }
  prometheus::ClientMetric& Sample(const MetricInfo& metric, prometheus::MetricType type,
                                   const MetricLabels& labels) {
    prometheus::ClientMetric& sample = Family(metric, type).metric.emplace_back();
    for (const auto& [name, value] : labels) sample.label.push_back({name, value});
    return sample;
  }
};

MetricsPage::MetricsPage() : state_(std::make_unique<State>()) {}
MetricsPage::~MetricsPage() = default;

void MetricsPage::Counter(const MetricInfo& metric, double value, const MetricLabels& labels) {
  state_->Sample(metric, prometheus::MetricType::Counter, labels).counter.value = value;
}

void MetricsPage::Gauge(const MetricInfo& metric, double value, const MetricLabels& labels) {
  state_->Sample(metric, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricsPage::Histogram(const MetricInfo& metric, const trivium::Histogram& value,
                            const MetricLabels& labels) {
  prometheus::ClientMetric::Histogram& histogram =
      state_->Sample(metric, prometheus::MetricType::Histogram, labels).histogram;
  histogram.sample_count = value.count();
  histogram.sample_sum = value.sum();
  uint64_t cumulative = 0;
  for (size_t i = 0; i < value.bounds().size(); ++i) {
    cumulative += value.counts()[i];
    histogram.bucket.push_back({cumulative, value.bounds()[i]});
  }
}

void MetricsPage::DeclareCounter(const MetricInfo& metric) {
  state_->Family(metric, prometheus::MetricType::Counter);
}

void MetricsPage::DeclareGauge(const MetricInfo& metric) {
  state_->Family(metric, prometheus::MetricType::Gauge);
}

std::string MetricsPage::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, state_->families);
  return out.str();
}

}  // namespace trivium
