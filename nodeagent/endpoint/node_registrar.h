// Keeps this node registered with its cluster's control plane. Not thread-safe: runs on the executor.
#pragma once

#include <functional>
#include <string>

#include "base/backoff.h"
#include "base/executor.h"
#include "base/random.h"
#include "nodeagent/endpoint/control_client.h"

namespace trivium {

class NodeRegistrar {
 public:
  // `node` as it shall be (number and meta empty). `on_registered` runs after every success.
  NodeRegistrar(v1::Node node, Executor* executor, Random* random, ControlClient* control,
                std::function<void()> on_registered);

  // Asks for registration until the control plane has confirmed it; again after each call.
  void Register();
  bool registered() const { return registered_; }
  // Why it is not (yet) registered; empty if it is.
  const std::string& problem() const { return problem_; }

 private:
  void Send();

  const v1::Node node_;
  Executor* const executor_;
  Random* const random_;
  ControlClient* const control_;
  const std::function<void()> on_registered_;
  Backoff backoff_;
  bool sending_ = false;
  bool registered_ = false;
  std::string problem_ = "not registered yet";
  Alive alive_;
};

}  // namespace trivium
