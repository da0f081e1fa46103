#include "metrics/exporter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"

namespace trivium {
namespace {

constexpr MetricInfo kBuildInfo{"trivium_build_info", "1; the labels say which program and version runs."};
constexpr MetricInfo kReady{"trivium_ready", "Whether /readyz says that the process does its work."};
constexpr MetricInfo kDelay{
    "trivium_executor_delay_seconds",
    "How late the executor came to its last publication: how long work waits for it."};

constexpr char kIndex[] =
    "/metrics   for Prometheus (docs/metrics.md)\n"
    "/healthz   200: the process lives\n"
    "/readyz    200: it does its work; 503: why not\n";

}  // namespace

// What the server's thread shows.
struct MetricsExporter::Shown {
  absl::Mutex mutex;
  std::shared_ptr<const MetricsPage> page ABSL_GUARDED_BY(mutex);
  NotReady not_ready ABSL_GUARDED_BY(mutex);
  absl::Duration at ABSL_GUARDED_BY(mutex);

  HttpReply Answer(const std::string& path, absl::Duration now, absl::Duration stalled_after) {
    std::shared_ptr<const MetricsPage> last;
    NotReady reasons;
    absl::Duration age;
    {
      absl::MutexLock lock(&mutex);
      last = page;
      reasons = not_ready;
      age = now - at;
    }
    HttpReply reply;
    if (path == "/metrics") {
      reply.content_type = MetricsPage::kContentType;
      reply.body = last->Text();
      return reply;
    }
    if (path == "/healthz" || path == "/readyz") {
      if (path == "/healthz") reasons.clear();
      if (age > stalled_after) {
        reasons = {absl::StrCat("the executor has not run for ", absl::ToInt64Seconds(age), " s")};
      }
      reply.status = reasons.empty() ? 200 : 503;
      reply.body = absl::StrCat(reasons.empty() ? "ok" : absl::StrJoin(reasons, "\n"), "\n");
      return reply;
    }
    if (path == "/") {
      reply.body = kIndex;
      return reply;
    }
    reply.status = 404;
    reply.body = kIndex;
    return reply;
  }
};

MetricsExporter::MetricsExporter(Options options, Executor* executor, const Clock* clock, Files* files,
                                 Collect collect)
    : options_(std::move(options)),
      executor_(executor),
      clock_(clock),
      files_(files),
      collect_(std::move(collect)),
      shown_(std::make_shared<Shown>()),
      start_time_(static_cast<double>(absl::ToUnixMillis(clock->Now())) / 1000),
      due_(clock->Monotonic()) {
  if (!options_.listen.off()) Publish();
}

MetricsExporter::~MetricsExporter() = default;

ListenAddress MetricsExporter::address() const {
  return server_ == nullptr ? ListenAddress() : server_->address();
}

void MetricsExporter::Publish() {
  const absl::Duration now = clock_->Monotonic();
  auto page = std::make_shared<MetricsPage>();
  NotReady not_ready;
  page->Gauge(kBuildInfo, 1, {{"component", options_.component}, {"version", options_.version}});
  page->Gauge(kDelay, absl::ToDoubleSeconds(std::max(absl::ZeroDuration(), now - due_)));
  CollectProcess(files_, start_time_, page.get());
  collect_(page.get(), &not_ready);
  page->Gauge(kReady, not_ready.empty() ? 1 : 0);
  {
    absl::MutexLock lock(&shown_->mutex);
    shown_->page = std::move(page);
    shown_->not_ready = std::move(not_ready);
    shown_->at = now;
  }
  if (server_ == nullptr && now >= try_listening_) StartServer();
  due_ = clock_->Monotonic() + options_.publish_every;
  executor_->PostAfter(options_.publish_every, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Publish();
  });
}

void MetricsExporter::StartServer() {
  const bool first = try_listening_ == -absl::InfiniteDuration();
  try_listening_ = clock_->Monotonic() + options_.retry_listening;
  HttpServer::Options options;
  options.listen = options_.listen;
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      options,
      [shown = shown_, clock = clock_, stalled_after = options_.stalled_after](const std::string& path) {
        return shown->Answer(path, clock->Monotonic(), stalled_after);
      },
      clock_);
  if (server.ok()) {
    server_ = *std::move(server);
    spdlog::info("serving metrics address={}", server_->address().ToString());
  } else if (first) {
    spdlog::error("cannot serve metrics, trying again: each process needs its own address error=\"{}\"",
                  std::string(server.status().message()));
  }
}

}  // namespace trivium
