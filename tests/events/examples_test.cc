// The examples of examples/events, as a reader of docs/events.md would run them, against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "controlplane/relay/event.h"
#include "schema/event_grants.h"
#include "schema/subjects.h"
#include "tests/contract/random_history.h"
#include "tests/events/events_world.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr char kStream[] = "TRIVIUM-EV-aws";
constexpr char kExamples[] = TRIVIUM_SOURCE_DIR "/examples/events/";
constexpr int kSkipped = 77;

// What a command prints, and its exit status.
std::pair<std::string, int> Shell(const std::string& command) {
  FILE* const pipe = popen(absl::StrCat("timeout 60 ", command, " 2>&1").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  char buffer[4096];
  for (size_t n = 0; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, n);
  const int status = pclose(pipe);
  return {out, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

class EventExamples : public testing::Test {
 protected:
  EventExamples() {
    world_.server().Start();
    relay_ = std::make_unique<EventsClient>(&world_, "aws:relay:aws-relay1");
    StreamConfig config;
    config.name = kStream;
    config.subjects = subjects::EveryEvent("aws");
    EXPECT_TRUE(relay_->Ensure(config).ok());
    for (const auto& [consumer, filter] : EventConsumers("audit", "aws", {})) {
      EXPECT_TRUE(relay_->EnsureConsumer(kStream, {consumer, filter}).ok());
    }
    Publish(MarkerOf("aws", {1, 0, 0, 0, {}, "begin"}, std::nullopt, "events begin after this revision", 0));
    Say("a", PreviousEvent{"aws:1:0:begin", 0});
    Say("b", PreviousEvent{"aws:1:1:0", 1});
    Say("c", PreviousEvent{"aws:1:9:0", 9});  // others were before it
  }
  void Say(const std::string& name, const PreviousEvent& previous) {
    const CommitRequest request = history_.Next({UpsertOf(NamespaceObject(name))});
    Publish(EventsOf(request.batch)[0], previous);
  }
  void Publish(const Event& event, const std::optional<PreviousEvent>& previous = std::nullopt) {
    const auto stored = relay_->Publish(kStream, event.subject, EventText(event, previous));
    EXPECT_TRUE(stored.ok()) << stored.status();
  }
  std::string Server() const { return absl::StrCat("tls://127.0.0.1:", world_.port()); }

  EventsWorld world_;
  std::unique_ptr<EventsClient> relay_;
  RandomHistory history_{{"aws", 1, 1}, StoredHead{1, 0, {}, {}, {}, 0}, 3};
};

TEST_F(EventExamples, PythonReadsDurablyAndSeesAGap) {
  const std::string python = TRIVIUM_BINARY_DIR "/tests/events/python";
  const auto [said, made] = Shell(absl::StrCat(TRIVIUM_SOURCE_DIR, "/tests/events/python_env ", python));
  if (made == kSkipped) GTEST_SKIP() << said;
  ASSERT_EQ(made, 0) << said;
  const std::string command =
      absl::StrCat(python, "/bin/python ", kExamples, "subscribe.py --server ", Server(), " --folder ",
                   world_.folder(), " --cluster aws --name audit --consumer audit --count ");
  const auto [first, ended] = Shell(command + "2");
  EXPECT_EQ(ended, 0) << first;
  EXPECT_THAT(first, HasSubstr("resync trivium.v1._log.begin after revision 0"));
  EXPECT_THAT(first, HasSubstr("aws:1:1:0 trivium.v1.namespace.upsert Namespace a\n"));
  // Where it ended; the two others have not been acknowledged.
  const auto [second, again] = Shell(command + "2");
  EXPECT_EQ(again, 0) << second;
  EXPECT_THAT(second, testing::Not(HasSubstr("aws:1:1:0 ")));
  EXPECT_THAT(second, HasSubstr("aws:1:2:0 trivium.v1.namespace.upsert Namespace b\n"));
  EXPECT_THAT(second,
              HasSubstr("gap on trivium.v1.ev.aws.namespace._.upsert: have aws:1:2:0, it follows aws:1:9:0"));
}

TEST_F(EventExamples, CReadsDurably) {
  const std::string command =
      absl::StrCat(TRIVIUM_EXAMPLE, " ", Server(), " ", world_.folder(), " aws audit audit ");
  const auto [first, ended] = Shell(command + "3");
  EXPECT_EQ(ended, 0) << first;
  EXPECT_EQ(first,
            "trivium.v1.ev.aws._log._.begin aws:1:0:begin\n"
            "trivium.v1.ev.aws.namespace._.upsert aws:1:1:0\n"
            "trivium.v1.ev.aws.namespace._.upsert aws:1:2:0\n");
  const auto [second, again] = Shell(command + "1");
  EXPECT_EQ(again, 0) << second;
  EXPECT_EQ(second, "trivium.v1.ev.aws.namespace._.upsert aws:1:3:0\n");
}

TEST_F(EventExamples, TheNatsCommandHearsLiveEvents) {
  std::pair<std::string, int> heard;
  std::atomic<bool> ended{false};
  std::thread listener([&] {
    heard = Shell(absl::StrCat(kExamples, "subscribe.sh ", Server(), " ", world_.folder(),
                               " aws audit 'trivium.v1.ev.aws.>' 1"));
    ended = true;
  });
  // Until it listens, nobody hears.
  for (int i = 0; i < 50 && !ended; ++i) {
    Say(absl::StrCat("live-", i), PreviousEvent{"aws:1:9:0", 9});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  listener.join();
  if (heard.second == kSkipped) GTEST_SKIP() << heard.first;
  EXPECT_EQ(heard.second, 0) << heard.first;
  EXPECT_THAT(heard.first, HasSubstr("trivium.v1.namespace.upsert"));
}

}  // namespace
}  // namespace trivium
