// Requests to the own cluster's control plane. Not thread-safe: callbacks run on the executor.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class ControlClient {
 public:
  using Done = std::function<void(absl::StatusOr<v1::Reply>)>;
  // Nothing is owned. `source` names this program and its version.
  ControlClient(std::string cluster, std::string principal, std::string source, Executor* executor, Bus* bus);

  // `verb` is the name of the request's field. An answer with a code other than OK comes as that status.
  void Call(const std::string& verb, v1::Request request, absl::Duration timeout, Done done);

  // Whether trying again later may help: the control plane is out of reach, busy, or lost a race.
  static bool IsTransient(const absl::Status& status);

 private:
  const std::string cluster_;
  const std::string principal_;
  const std::string source_;
  Executor* const executor_;
  Bus* const bus_;
};

}  // namespace trivium
