// The connection that the program itself uses: NATS with TLS. Tests bring their own (Session::connect).
#include <utility>

#include "base/executor.h"
#include "base/random.h"
#include "base/status.h"
#include "bus/nats_bus.h"
#include "cli/session.h"

namespace trivium::cli {
namespace {

class NatsConnection final : public Connection {
 public:
  NatsConnection(std::unique_ptr<LoopExecutor> executor, std::unique_ptr<NatsBus> bus, const Context& context)
      : executor_(std::move(executor)),
        bus_(std::move(bus)),
        client_(bus_.get(), executor_.get(), RealClock(), RealRandom(), context.cluster, context.principal) {}
  Client& client() override { return client_; }

 private:
  const std::unique_ptr<LoopExecutor> executor_;  // outlives the bus
  const std::unique_ptr<NatsBus> bus_;
  Client client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectNats(const Context& context) {
  NatsOptions options;
  options.servers = context.nats.servers;
  options.ca = context.nats.ca;
  options.cert = context.nats.cert;
  options.key = context.nats.key;
  options.principal = context.principal;
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Create(std::move(options));
  TRIVIUM_RETURN_IF_ERROR(Annotate(bus.status(), "context " + context.name));
  return std::unique_ptr<Connection>(
      new NatsConnection(std::make_unique<LoopExecutor>("triviumctl"), *std::move(bus), context));
}

}  // namespace trivium::cli
