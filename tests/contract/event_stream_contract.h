// What every EventStream does. Instantiate with an EventStreamWorld (see fake_event_stream_contract_test.cc,
// nats_event_stream_contract_test.cc).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bus/event_stream.h"

namespace trivium {

class EventStreamWorld {
 public:
  virtual ~EventStreamWorld() = default;
  virtual EventStream* stream() = 0;
  // Lets things happen until the condition, asked on the executor, holds. False after a long time.
  virtual bool Await(const std::function<bool()>& condition) = 0;
  // Runs on the executor that the stream belongs to.
  virtual void Do(const std::function<void()>& what) = 0;
  // The server is killed, with what it has on disk, and is back once the window of ids is over.
  virtual void RestartAfterTheWindow() = 0;
  // All messages grow older than the stream's age.
  virtual void LetAllExpire(const std::string& stream) = 0;
  virtual size_t max_payload() = 0;
};

using EventStreamWorldFactory = std::unique_ptr<EventStreamWorld> (*)();

class EventStreamContract : public testing::TestWithParam<EventStreamWorldFactory> {
 protected:
  using Code = absl::StatusCode;

  EventStreamContract() : world_(GetParam()()) {}

  StreamConfig Config() {
    StreamConfig config;
    config.name = "TRIVIUM-EV-aws";
    config.subjects = "ev.aws.>";
    config.max_age = absl::Seconds(6);
    config.max_bytes = 10'000'000;
    config.duplicate_window = absl::Seconds(1);
    return config;
  }
  absl::StatusOr<StreamState> Ensure(const StreamConfig& config) {
    return Ask<StreamState>([&](auto done) { world_->stream()->Ensure(config, std::move(done)); });
  }
  absl::StatusOr<std::optional<StoredEvent>> Last(const std::string& subjects) {
    return Ask<std::optional<StoredEvent>>(
        [&](auto done) { world_->stream()->Last(Config().name, subjects, std::move(done)); });
  }
  absl::StatusOr<uint64_t> Publish(const std::string& id, const Fence& fence,
                                   const std::string& subject = "ev.aws.a", std::string payload = "x") {
    return Ask<uint64_t>([&](auto done) {
      world_->stream()->Publish(Config().name, {subject, id, {{"Color", "red"}}, payload}, fence,
                                absl::Seconds(20), std::move(done));
    });
  }

  std::unique_ptr<EventStreamWorld> world_;

 private:
  template <typename T, typename Start>
  absl::StatusOr<T> Ask(Start start) {
    auto answer = std::make_shared<std::optional<absl::StatusOr<T>>>();
    world_->Do([&] { start([answer](absl::StatusOr<T> got) { *answer = std::move(got); }); });
    if (!world_->Await([answer] { return answer->has_value(); })) return absl::UnknownError("no callback");
    return **answer;
  }
};

TEST_P(EventStreamContract, AnEmptyStreamBeginsAtZero) {
  const auto state = Ensure(Config());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->messages, 0u);
  EXPECT_EQ(state->last_sequence, 0u);
  EXPECT_FALSE(state->made.empty());
  const auto last = Last("ev.aws.>");
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_FALSE(last->has_value());
}

TEST_P(EventStreamContract, WhatIsStoredIsTheLastWithItsIdHeadersAndBytes) {
  ASSERT_TRUE(Ensure(Config()).ok());
  const std::string bytes("a\0b\r\n", 5);
  EXPECT_EQ(Publish("id1", {0, ""}, "ev.aws.a", bytes).value_or(0), 1u);
  EXPECT_EQ(Publish("id2", {1, "id1"}, "ev.aws.b.c").value_or(0), 2u);
  const auto last = Last("ev.aws.>"), first = Last("ev.aws.a");
  ASSERT_TRUE(last.ok() && last->has_value() && first.ok() && first->has_value());
  EXPECT_EQ((*last)->id, "id2");
  EXPECT_EQ((*last)->sequence, 2u);
  EXPECT_EQ((*last)->subject, "ev.aws.b.c");
  EXPECT_EQ((*first)->id, "id1");
  EXPECT_EQ((*first)->payload, bytes);
  EXPECT_EQ((*first)->Header("Color"), "red");
  EXPECT_EQ(Ensure(Config())->last_sequence, 2u);
}

TEST_P(EventStreamContract, TheFenceLetsOneOfTwoThrough) {
  ASSERT_TRUE(Ensure(Config()).ok());
  EXPECT_EQ(Publish("id1", {0, ""}).value_or(0), 1u);
  EXPECT_EQ(Publish("other", {0, ""}).status().code(), Code::kAborted);
  EXPECT_EQ(Publish("id2", {1, "id1"}).value_or(0), 2u);
  EXPECT_EQ(Publish("other", {1, "id1"}).status().code(), Code::kAborted);
  EXPECT_EQ(Publish("other", {2, "id1"}).status().code(), Code::kAborted);
  EXPECT_EQ(Publish("other", {9, "id2"}).status().code(), Code::kAborted);
  EXPECT_EQ(Ensure(Config())->last_sequence, 2u);
}

TEST_P(EventStreamContract, BehindWhatWasNotStoredNothingIs) {
  ASSERT_TRUE(Ensure(Config()).ok());
  ASSERT_TRUE(Publish("id1", {0, ""}).ok());
  auto outcomes = std::make_shared<std::vector<absl::StatusOr<uint64_t>>>();
  world_->Do([&] {
    // The second is fenced wrongly; those behind it are fenced by what it would have been.
    const std::vector<Fence> fences = {{1, "id1"}, {7, "id2"}, {3, "id3"}, {4, "id4"}};
    for (size_t i = 0; i < fences.size(); ++i) {
      world_->stream()->Publish(Config().name, {"ev.aws.a", absl::StrCat("id", i + 2), {}, "x"}, fences[i],
                                absl::Seconds(20),
                                [outcomes](absl::StatusOr<uint64_t> got) { outcomes->push_back(got); });
    }
  });
  ASSERT_TRUE(world_->Await([outcomes] { return outcomes->size() == 4; }));
  int stored = 0;
  for (const auto& outcome : *outcomes) stored += outcome.ok() ? 1 : 0;
  EXPECT_EQ(stored, 1);
  EXPECT_EQ((*Last("ev.aws.>"))->id, "id2");
}

TEST_P(EventStreamContract, ManyUnderWayArriveInOrder) {
  ASSERT_TRUE(Ensure(Config()).ok());
  auto stored = std::make_shared<std::vector<uint64_t>>();
  world_->Do([&] {
    for (uint64_t i = 0; i < 200; ++i) {
      world_->stream()->Publish(Config().name, {"ev.aws.a", absl::StrCat("id", i + 1), {}, "x"},
                                {i, i == 0 ? "" : absl::StrCat("id", i)}, absl::Seconds(20),
                                [stored](absl::StatusOr<uint64_t> got) {
                                  EXPECT_TRUE(got.ok()) << got.status();
                                  stored->push_back(got.value_or(0));
                                });
    }
  });
  ASSERT_TRUE(world_->Await([stored] { return stored->size() == 200; }));
  for (uint64_t i = 0; i < 200; ++i) EXPECT_EQ((*stored)[i], i + 1);
}

TEST_P(EventStreamContract, AServerThatForgotTheIdSaysSoAndTheSequenceFences) {
  ASSERT_TRUE(Ensure(Config()).ok());
  ASSERT_TRUE(Publish("id1", {0, ""}).ok());
  world_->RestartAfterTheWindow();
  EXPECT_EQ(Publish("id2", {0, ""}).status().code(), Code::kAborted);
  // Debian's server forgets it, a current one does not.
  const absl::StatusOr<uint64_t> remembered = Publish("id2", {1, "id1"});
  if (remembered.ok()) {
    EXPECT_EQ(*remembered, 2u);
    EXPECT_EQ(Publish("id3", {2, "id2"}).value_or(0), 3u);
    return;
  }
  EXPECT_EQ(remembered.status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Publish("id2", {1, ""}).value_or(0), 2u);
  EXPECT_EQ(Publish("id3", {2, "id2"}).value_or(0), 3u);
}

TEST_P(EventStreamContract, AStreamThatTheLimitsEmptiedKeepsItsSequence) {
  const std::string made = Ensure(Config())->made;
  ASSERT_TRUE(Publish("id1", {0, ""}).ok());
  ASSERT_TRUE(Publish("id2", {1, "id1"}).ok());
  world_->LetAllExpire(Config().name);
  const auto state = Ensure(Config());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->messages, 0u);
  EXPECT_EQ(state->last_sequence, 2u);
  EXPECT_EQ(state->made, made);
  EXPECT_FALSE(Last("ev.aws.>")->has_value());
  EXPECT_EQ(Publish("id3", {0, ""}).status().code(), Code::kAborted);
  EXPECT_EQ(Publish("id3", {2, ""}).value_or(0), 3u);
}

TEST_P(EventStreamContract, LimitsChangeAndMessagesStay) {
  StreamConfig config = Config();
  const std::string made = Ensure(config)->made;
  ASSERT_TRUE(Publish("id1", {0, ""}).ok());
  config.max_bytes = 20'000'000;
  const auto state = Ensure(config);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->messages, 1u);
  EXPECT_EQ(state->made, made);
}

TEST_P(EventStreamContract, AConsumerMayBeAskedForAgain) {
  ASSERT_TRUE(Ensure(Config()).ok());
  for (int i = 0; i < 2; ++i) {
    auto outcome = std::make_shared<std::optional<absl::Status>>();
    world_->Do([&] {
      world_->stream()->EnsureConsumer(Config().name, {"audit:a", "ev.aws.a"},
                                       [outcome](const absl::Status& got) { *outcome = got; });
    });
    ASSERT_TRUE(world_->Await([outcome] { return outcome->has_value(); }));
    EXPECT_TRUE((*outcome)->ok()) << **outcome;
  }
}

TEST_P(EventStreamContract, TooLargeIsSaidToBeSo) {
  ASSERT_TRUE(Ensure(Config()).ok());
  const std::string large(world_->max_payload() + 1, 'x');
  EXPECT_EQ(Publish("id1", {0, ""}, "ev.aws.a", large).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Ensure(Config())->last_sequence, 0u);
}

}  // namespace trivium
