#include <chrono>
#include <thread>

#include "bus/nats_event_stream.h"
#include "tests/contract/event_stream_contract.h"
#include "tests/support/nats_fixture.h"

namespace trivium {
namespace {

constexpr auto kStep = std::chrono::milliseconds(5);
constexpr auto kPatience = std::chrono::seconds(60);

class NatsWorld final : public EventStreamWorld {
 public:
  NatsWorld()
      : nats_(absl::StrCat("jetstream { store_dir: \"", folder_.path(), "\", max_file_store: 1GB }")) {
    NatsOptions options;
    options.servers = {nats_.url()};
    options.principal = "aws:relay:one";
    auto bus = NatsBus::Create(options);
    EXPECT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
    auto up = std::make_shared<bool>(false);
    bus_->WatchState(&executor_, [up](Bus::State state) { *up = state == Bus::State::kConnected; });
    EXPECT_TRUE(Await([up] { return *up; }));
    Do([this] { stream_ = std::make_unique<NatsEventStream>(bus_.get(), &executor_); });
  }
  ~NatsWorld() override {
    Do([this] { stream_.reset(); });
  }
  EventStream* stream() override { return stream_.get(); }
  bool Await(const std::function<bool()>& condition) override {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      bool holds = false;
      executor_.RunAndWait([&] { holds = condition(); });
      if (holds) return true;
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(kStep);
    }
  }
  void Do(const std::function<void()>& what) override {
    executor_.RunAndWait([&] { what(); });
  }
  void RestartAfterTheWindow() override {
    nats_.server().Kill();
    std::this_thread::sleep_for(std::chrono::milliseconds(1300));  // the window is one second of wall time
    nats_.server().Start();
    AwaitServing();
  }
  void LetAllExpire(const std::string& stream) override {
    std::this_thread::sleep_for(std::chrono::seconds(7));  // the age is six seconds
    EXPECT_TRUE(Await([this, stream] {
      if (!asked_) {
        asked_ = true;
        stream_->Last(stream, "ev.aws.>", [this](const absl::StatusOr<std::optional<StoredEvent>>& last) {
          asked_ = false;
          gone_ = last.ok() && !last->has_value();
        });
      }
      return gone_;
    }));
  }
  size_t max_payload() override { return 1024 * 1024; }

 private:
  // JetStream answers.
  void AwaitServing() {
    EXPECT_TRUE(Await([this] {
      if (!asked_) {
        asked_ = true;
        stream_->Last("TRIVIUM-EV-aws", "ev.aws.>",
                      [this](const absl::StatusOr<std::optional<StoredEvent>>& last) {
                        asked_ = false;
                        serving_ = last.ok();
                      });
      }
      return serving_;
    }));
  }

  TempFolder folder_;
  PlainNats nats_;
  LoopExecutor executor_{"test"};
  std::unique_ptr<NatsBus> bus_;
  std::unique_ptr<NatsEventStream> stream_;
  bool asked_ = false, gone_ = false, serving_ = false;
};

std::unique_ptr<EventStreamWorld> MakeNatsWorld() { return std::make_unique<NatsWorld>(); }

INSTANTIATE_TEST_SUITE_P(Nats, EventStreamContract, testing::Values(&MakeNatsWorld));

}  // namespace
}  // namespace trivium
