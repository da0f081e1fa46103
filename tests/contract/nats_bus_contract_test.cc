#include <condition_variable>
#include <mutex>

#include "bus/nats_bus.h"
#include "tests/contract/bus_contract.h"
#include "tests/support/nats_fixture.h"

namespace trivium {
namespace {

class NatsWorld final : public BusWorld {
 public:
  std::unique_ptr<Bus> Connect(const std::string& name) override {
    NatsOptions options;
    options.servers = {nats_.url()};
    options.principal = name;
    auto bus = NatsBus::Create(options);
    EXPECT_TRUE(bus.ok()) << bus.status();
    return *std::move(bus);
  }
  Executor* executor() override { return &executor_; }
  bool Await(const std::function<bool()>& condition) override {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      uint64_t seen = 0;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        seen = touched_;
      }
      bool holds = false;
      executor_.RunAndWait([&] { holds = condition(); });
      if (holds) return true;
      std::unique_lock<std::mutex> lock(mutex_);
      if (!changed_.wait_until(lock, deadline, [&] { return touched_ != seen; })) return false;
    }
  }
  void Touch() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++touched_;
    changed_.notify_all();
  }
  void Interrupt() override { nats_.server().Kill(); }
  void Resume() override { nats_.server().Start(); }
  size_t max_payload() override { return 1024 * 1024; }

 private:
  PlainNats nats_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t touched_ = 0;
  LoopExecutor executor_{"test"};
};

std::unique_ptr<BusWorld> MakeNatsWorld() { return std::make_unique<NatsWorld>(); }

INSTANTIATE_TEST_SUITE_P(Nats, BusContract, testing::Values(&MakeNatsWorld));

}  // namespace
}  // namespace trivium
