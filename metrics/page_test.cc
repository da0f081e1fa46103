#include "metrics/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "metrics/exporter.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr MetricInfo kSent{"sent_total", "Sent."};
constexpr MetricInfo kWaiting{"waiting_things", "Waiting."};
constexpr MetricInfo kTook{"took_seconds", "Took."};

TEST(MetricsPage, IsTheTextThatPrometheusReads) {
  MetricsPage page;
  page.Counter(kSent, 3, {{"cluster", "aws"}});
  page.Gauge(kWaiting, 0);
  page.Counter(kSent, 4, {{"cluster", "a\"b\nc"}});
  Histogram took({0.1, 1});
  took.Add(0.1);
  took.Add(0.5);
  took.Add(7);
  page.Histogram(kTook, took);
  EXPECT_EQ(page.Text(),
            "# HELP sent_total Sent.\n# TYPE sent_total counter\n"
            "sent_total{cluster=\"aws\"} 3\n"
            "sent_total{cluster=\"a\\\"b\\nc\"} 4\n"
            "# HELP waiting_things Waiting.\n# TYPE waiting_things gauge\nwaiting_things 0\n"
            "# HELP took_seconds Took.\n# TYPE took_seconds histogram\n"
            "took_seconds_count 3\ntook_seconds_sum 7.6\n"
            "took_seconds_bucket{le=\"0.1\"} 1\ntook_seconds_bucket{le=\"1\"} 2\n"
            "took_seconds_bucket{le=\"+Inf\"} 3\n");
}

TEST(MetricsPage, DeclaredMetricsAreShownWithoutValues) {
  MetricsPage page;
  page.DeclareCounter(kSent);
  EXPECT_THAT(page.Text(), HasSubstr("# TYPE sent_total counter\n"));
}

TEST(MetricsProcess, HasWhatEveryClientLibraryHas) {
  MetricsPage page;
  CollectProcess(RealFiles(), 1234.5, &page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("\nprocess_start_time_seconds 1234.5\n"));
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes",
                           "process_virtual_memory_bytes", "process_threads", "process_open_fds"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name + " "));
  }
  EXPECT_THAT(text, Not(HasSubstr("process_resident_memory_bytes 0\n")));
}

}  // namespace
}  // namespace trivium
