#include "bench/floor.h"

#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/kernel_map.h"
#include "bpf/abi/types.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

class BareFloor final : public Floor {
 public:
  BareFloor(std::string subject, std::string payload)
      : subject_(std::move(subject)), fixed_(!payload.empty()), last_(std::move(payload)) {}
  ~BareFloor() override {
    subscribers_.clear();
    if (sql_ != nullptr) PQfinish(sql_);
  }

  absl::Status Connect(const MeshFiles& mesh, const ControlPlaneFiles& control_plane, size_t subscribers) {
    for (const AgentFiles& agent : mesh.agents) {
      if (subscribers_.size() == subscribers) break;
      TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<BareNats> subscriber, BareNats::Connect(agent.nats));
      TRIVIUM_RETURN_IF_ERROR(
          subscriber->Subscribe(subject_, [this](absl::string_view payload) { Received(payload); }));
      TRIVIUM_RETURN_IF_ERROR(subscriber->Flush(absl::Seconds(5)));
      subscribers_.push_back(std::move(subscriber));
    }
    TRIVIUM_ASSIGN_OR_RETURN(publisher_, BareNats::Connect(control_plane.nats));
    TRIVIUM_ASSIGN_OR_RETURN(KernelMap map,
                             KernelMap::CreateHash(sizeof(ipcache_key), sizeof(ipcache_value), 1024));
    map_ = std::make_unique<KernelMap>(std::move(map));
    sql_ = PQconnectdb(control_plane.sql.c_str());
    if (PQstatus(sql_) != CONNECTION_OK) return absl::UnavailableError(PQerrorMessage(sql_));
    TRIVIUM_RETURN_IF_ERROR(Execute("DROP TABLE IF EXISTS latency_floor"));
    return Execute("CREATE TABLE latency_floor (n INT8 PRIMARY KEY, v BYTEA NOT NULL)");
  }

  absl::StatusOr<Times> Run(int i) override {
    // What the product has just sent is on its way to these subscribers too: neither its bytes nor its end
    // are to be missed.
    if (!fixed_) TRIVIUM_RETURN_IF_ERROR(AwaitEverySubscriber("the product's message"));
    std::string payload;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      payload = last_;
    }
    Times times;
    const Clock::time_point start = Clock::now();
    TRIVIUM_RETURN_IF_ERROR(Execute(
        absl::StrCat("INSERT INTO latency_floor VALUES (", i, ", decode(repeat('ab', 300), 'hex'))")));
    times.sql = MillisecondsSince(start);

    received_.store(0);
    const Clock::time_point published = Clock::now();
    TRIVIUM_RETURN_IF_ERROR(publisher_->Publish(subject_, payload));
    TRIVIUM_RETURN_IF_ERROR(AwaitEverySubscriber("a bare publish"));
    times.nats = MillisecondsSince(published);

    const Clock::time_point writing = Clock::now();
    ipcache_key key = {};
    key.space = static_cast<uint32_t>(i % 1000);
    const ipcache_value value = {};
    TRIVIUM_RETURN_IF_ERROR(map_->Update(&key, &value));
    times.map = MillisecondsSince(writing);
    times.all = MillisecondsSince(start);
    received_.store(0);
    return times;
  }

  absl::Status CleanUp() override { return Execute("DROP TABLE IF EXISTS latency_floor"); }

 private:
  absl::Status AwaitEverySubscriber(const char* what) {
    const Clock::time_point since = Clock::now();
    while (received_.load() < subscribers_.size()) {
      if (MillisecondsSince(since) > 5000) {
        return absl::DeadlineExceededError(absl::StrCat(what, " did not reach every subscriber"));
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return absl::OkStatus();
  }

  void Received(absl::string_view payload) {
    if (!fixed_) {
      std::lock_guard<std::mutex> lock(mutex_);
      last_.assign(payload.data(), payload.size());
    }
    received_.fetch_add(1);
  }

  absl::Status Execute(const std::string& statement) {
    PGresult* result = PQexec(sql_, statement.c_str());
    const auto clear = absl::MakeCleanup([result] { PQclear(result); });
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return absl::OkStatus();
    return absl::InternalError(PQresultErrorMessage(result));
  }

  const std::string subject_;
  const bool fixed_;
  std::unique_ptr<BareNats> publisher_;
  std::unique_ptr<KernelMap> map_;
  PGconn* sql_ = nullptr;
  std::mutex mutex_;
  std::string last_;
  std::atomic<size_t> received_{0};
  std::vector<std::unique_ptr<BareNats>> subscribers_;  // last: their handlers use what is above
};

}  // namespace

absl::StatusOr<std::unique_ptr<Floor>> Floor::Open(const MeshFiles& mesh,
                                                   const ControlPlaneFiles& control_plane, size_t subscribers,
                                                   std::string payload) {
  auto floor = std::make_unique<BareFloor>(subjects::Feed(control_plane.cluster), std::move(payload));
  TRIVIUM_RETURN_IF_ERROR(floor->Connect(mesh, control_plane, subscribers));
  return floor;
}

}  // namespace trivium::bench
