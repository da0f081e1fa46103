#include "nodeagent/endpoint/node_registrar.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace trivium {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(2);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);

}  // namespace

NodeRegistrar::NodeRegistrar(v1::Node node, Executor* executor, Random* random, ControlClient* control,
                             std::function<void()> on_registered)
    : node_(std::move(node)),
      executor_(executor),
      random_(random),
      control_(control),
      on_registered_(std::move(on_registered)),
      backoff_(kMinBackoff, kMaxBackoff, random) {}

void NodeRegistrar::Register() {
  if (std::exchange(sending_, true)) return;
  Send();
}

void NodeRegistrar::Send() {
  v1::Request request;
  request.set_request_id(random_->NewId().ToBytes());
  *request.mutable_register_node()->mutable_node() = node_;
  control_->Call("register-node", std::move(request), kTimeout,
                 [this, alive = alive_.Watch()](absl::StatusOr<v1::Reply> reply) {
                   if (alive.expired()) return;
                   if (reply.ok()) {
                     sending_ = false;
                     registered_ = true;
                     problem_.clear();
                     backoff_.Reset();
                     return on_registered_();
                   }
                   const std::string problem(reply.status().message());
                   if (problem != problem_ && !ControlClient::IsTransient(reply.status())) {
                     spdlog::error("the control plane refuses this node node={} error=\"{}\"", node_.name(),
                                   problem);
                   }
                   problem_ = problem;
                   executor_->PostAfter(backoff_.Next(), [this, watch = alive_.Watch()] {
                     if (!watch.expired()) Send();
                   });
                 });
}

}  // namespace trivium
