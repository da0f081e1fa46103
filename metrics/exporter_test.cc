#include "metrics/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "metrics/http_test_client.h"

namespace trivium {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr MetricInfo kPublications{"publications_total", "Publications."};

// A clock that a test moves; read by the server's thread too.
class MovableClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + Monotonic(); }
  absl::Duration Monotonic() const override { return absl::Seconds(seconds_.load()); }
  void Move(int seconds) { seconds_ += seconds; }

 private:
  std::atomic<int> seconds_{1000};
};

class MetricsExporterTest : public testing::Test {
 protected:
  ~MetricsExporterTest() override {
    executor_.RunAndWait([&] { exporter_.reset(); });
  }
  void Start(ListenAddress listen = {"127.0.0.1", 0}, absl::Duration every = absl::Seconds(3600)) {
    executor_.RunAndWait([&] {
      MetricsExporter::Options options;
      options.listen = listen;
      options.component = "agent";
      options.version = "7";
      options.publish_every = every;
      options.retry_listening = absl::ZeroDuration();
      exporter_ = std::make_unique<MetricsExporter>(options, &executor_, &clock_, RealFiles(),
                                                    [&](MetricsPage* page, NotReady* not_ready) {
                                                      page->Counter(kPublications, ++publications_);
                                                      *not_ready = reasons_;
                                                      if (publications_ == 3) third_.Notify();
                                                    });
    });
  }
  ListenAddress Address() {
    ListenAddress address;
    executor_.RunAndWait([&] { address = exporter_->address(); });
    return address;
  }
  std::string Get(const std::string& path) { return HttpGet(Address(), path); }

  LoopExecutor executor_{"test"};
  MovableClock clock_;
  int publications_ = 0;
  NotReady reasons_;
  absl::Notification third_;
  std::unique_ptr<MetricsExporter> exporter_;
};

TEST_F(MetricsExporterTest, ShowsThePageAndWhatEveryProcessHas) {
  Start();
  const std::string page = Get("/metrics");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4;"));
  EXPECT_THAT(page, HasSubstr("\ntrivium_build_info{component=\"agent\",version=\"7\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\npublications_total 1\n"));
  EXPECT_THAT(page, HasSubstr("\ntrivium_ready 1\n"));
  EXPECT_THAT(page, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(Get("/"), HasSubstr("/readyz"));
  EXPECT_THAT(Get("/else"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(MetricsExporterTest, PublishesAgainAndAgain) {
  Start({"127.0.0.1", 0}, absl::Milliseconds(1));
  third_.WaitForNotification();
  EXPECT_THAT(Get("/metrics"), Not(HasSubstr("\npublications_total 1\n")));
}

TEST_F(MetricsExporterTest, SaysWhyItIsNotReady) {
  reasons_ = {"SQL does not answer", "the mirror is behind"};
  Start();
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Get("/readyz"), EndsWith("\r\n\r\nSQL does not answer\nthe mirror is behind\n"));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics"), HasSubstr("\ntrivium_ready 0\n"));
}

TEST_F(MetricsExporterTest, AScrapeNeedsNoExecutorAndHealthzSeesThatItIsStuck) {
  Start();
  const ListenAddress address = Address();
  const auto release =
      std::make_shared<absl::Notification>();  // whoever waits still holds it when it is told
  executor_.Post([release] { release->WaitForNotification(); });
  EXPECT_THAT(HttpGet(address, "/metrics"), HasSubstr("publications_total"));
  EXPECT_THAT(HttpGet(address, "/healthz"), EndsWith("ok\n"));
  clock_.Move(31);
  EXPECT_THAT(HttpGet(address, "/healthz"), HasSubstr("has not run for 31 s"));
  EXPECT_THAT(HttpGet(address, "/readyz"), StartsWith("HTTP/1.1 503 "));
  release->Notify();
}

TEST_F(MetricsExporterTest, OffMeansThatNothingIsCollected) {
  Start(ListenAddress());
  EXPECT_TRUE(Address().off());
  EXPECT_EQ(publications_, 0);
}

TEST_F(MetricsExporterTest, AnAddressThatIsTakenIsTriedAgain) {
  HttpServer::Options options;
  options.listen = {"127.0.0.1", 0};
  auto other = HttpServer::Start(
                   options, [](const std::string&) { return HttpReply(); }, RealClock())
                   .value();
  const ListenAddress wanted = other->address();
  Start(wanted, absl::Milliseconds(1));
  EXPECT_TRUE(Address().off());
  other.reset();
  while (Address().off()) {
  }
  EXPECT_EQ(Address().port, wanted.port);
}

}  // namespace
}  // namespace trivium
