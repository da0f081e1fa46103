// One control plane as the command line sees it: ask, wait for the answer, ask again while nobody answers.
//
// Blocking, for main threads only; not thread-safe. Calls keep their request id over retries, so that a write
// whose answer was lost is answered with its first result, not done twice.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "bus/bus.h"
#include "cli/config.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

class Client {
 public:
  // Everything pointed at outlives the client. `cluster` is whose control plane answers.
  Client(Bus* bus, Executor* executor, Clock* clock, Random* random, std::string cluster,
         std::string principal);

  // The reply if its code is OK; else an error with its code and message. kUnavailable or kDeadlineExceeded:
  // nobody answered within `timeout`, whatever was tried; the message names the last failure.
  absl::StatusOr<v1::Reply> Call(v1::Request request, absl::Duration timeout);

  // Every message of `subject` from now on, each on the executor's thread. Returns once the server has heard
  // of it; errors: kUnavailable.
  absl::Status Listen(const std::string& subject, absl::Duration timeout, Bus::Handler on_message);

  const std::string& cluster() const { return cluster_; }

 private:
  absl::StatusOr<v1::Reply> Attempt(const std::string& subject, const std::string& payload,
                                    absl::Duration timeout);
  // After a failed attempt: false if another one makes no sense, or would be after `end`; else waits before
  // it.
  bool MayTryAgain(const absl::Status& status, absl::Duration end, Backoff* backoff);
  void Pause(absl::Duration delay);

  Bus* const bus_;
  Executor* const executor_;
  Clock* const clock_;
  Random* const random_;
  const std::string cluster_;
  const std::string principal_;
};

// Says who we are in every request: "triviumctl/0.1.0".
extern const char kSource[];

}  // namespace trivium::cli
