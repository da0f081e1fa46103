// The door of the control plane: takes requests from the bus, finds out who asks and whether they may, and
// hands them to the writer, the reader or the waiter. Every request gets one Reply, whatever it holds.
// Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "controlplane/api/epoch_admin.h"
#include "controlplane/api/policy_differ.h"
#include "controlplane/api/reader.h"
#include "controlplane/api/waiter.h"
#include "controlplane/lease/forwarder.h"
#include "controlplane/reachability/reachability_keeper.h"
#include "controlplane/writer/planner.h"
#include "controlplane/writer/writer.h"
#include "schema/subjects.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class ApiServer {
 public:
  static constexpr char kQueue[] = "api";  // of all control planes of a cluster
  static constexpr size_t kMaxRequestBytes = 1024 * 1024;
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(10);
  static constexpr absl::Duration kMaxTimeout = absl::Minutes(1);
  static constexpr absl::Duration kMaxWait = absl::Minutes(30);

  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;

  // Other control planes of the cluster hand requests to it as `instance`. No pointer is owned.
  ApiServer(std::string instance, const Planner* planner, Writer* writer, Forwarder* forwarder,
            Reader* reader, Waiter* waiter, EpochAdmin* epochs, PolicyDiffer* differ,
            ReachabilityKeeper* reachability, Bus* bus, Executor* executor, Clock* clock);

  // Subscribes to the cluster's requests.
  absl::Status Start();
  // From now on every request is answered "try again".
  void Stop() { stopped_ = true; }

  // One request as it came: `subject` says who asks.
  void Handle(const std::string& subject, const std::string& payload, Answer answer);
  // One that another control plane of the cluster has taken, and leaves to this one. It is committed here,
  // whoever holds the lease by now.
  void HandleForwarded(const std::string& subject, const std::string& payload, Answer answer);

  uint64_t requests() const { return requests_; }
  uint64_t refused() const { return refused_; }
  uint64_t forwarded() const { return forwarded_; }  // to here, from others

 private:
  absl::Status Admit(const std::string& subject, const std::string& payload, Principal* principal,
                     v1::Request* request) const;
  // What holds for every request, however it came.
  absl::Status Check(const Principal& principal, const v1::Request& request) const;
  absl::Status AdmitForwarded(const std::string& subject, const std::string& payload, Principal* principal,
                              v1::Request* request, size_t* bytes) const;
  void Refuse(const std::string& subject, const absl::Status& status, Answer answer);
  void Diff(const v1::Request& request, const Principal& principal, Answer answer);
  Caller CallerOf(const Principal& principal, const v1::Request& request) const;
  absl::Status Listen(const std::string& subject, const std::string& queue,
                      void (ApiServer::*handle)(const std::string&, const std::string&, Answer));
  void Write(v1::Request request, const Principal& principal, size_t bytes, absl::Duration timeout,
             Answer answer);

  const std::string instance_;
  const Planner* const planner_;
  Writer* const writer_;
  Forwarder* const forwarder_;
  Reader* const reader_;
  Waiter* const waiter_;
  EpochAdmin* const epochs_;
  PolicyDiffer* const differ_;
  ReachabilityKeeper* const reachability_;
  Bus* const bus_;
  Executor* const executor_;
  Clock* const clock_;
  bool stopped_ = false;
  uint64_t requests_ = 0;
  uint64_t refused_ = 0;
  uint64_t forwarded_ = 0;
  Alive alive_;
};

}  // namespace trivium
