#include "tests/contract/event_stream_contract.h"
#include "tests/support/fake_event_stream.h"
#include "tests/support/manual_executor.h"

namespace trivium {
namespace {

class FakeWorld final : public EventStreamWorld {
 public:
  FakeWorld() { server_.SetMaxPayload(max_payload()); }
  EventStream* stream() override { return &stream_; }
  bool Await(const std::function<bool()>& condition) override {
    executor_.RunUntilIdle();
    return condition();
  }
  void Do(const std::function<void()>& what) override { what(); }
  void RestartAfterTheWindow() override { server_.ForgetIds(); }
  void LetAllExpire(const std::string& stream) override { server_.Expire(stream); }
  size_t max_payload() override { return 1024 * 1024; }

 private:
  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  FakeStreamServer server_;
  FakeEventStream stream_{&server_, &executor_};
};

std::unique_ptr<EventStreamWorld> MakeFakeWorld() { return std::make_unique<FakeWorld>(); }

INSTANTIATE_TEST_SUITE_P(Fake, EventStreamContract, testing::Values(&MakeFakeWorld));

}  // namespace
}  // namespace trivium
