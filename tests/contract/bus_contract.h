// What every Bus does. Instantiate with a BusWorld (see fake_bus_contract_test.cc,
// nats_bus_contract_test.cc).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bus/bus.h"

namespace trivium {

// Where a bus lives in a test. Handlers run on executor(); what they record is read within Await's condition
// or after it.
class BusWorld {
 public:
  virtual ~BusWorld() = default;
  virtual std::unique_ptr<Bus> Connect(const std::string& name) = 0;
  virtual Executor* executor() = 0;
  // Lets things happen until the condition, asked on the executor, holds. False after a long time.
  virtual bool Await(const std::function<bool()>& condition) = 0;
  // Handlers call it after recording.
  virtual void Touch() = 0;
  // Every client loses its connection; gets it back.
  virtual void Interrupt() = 0;
  virtual void Resume() = 0;
  virtual size_t max_payload() = 0;
};

using BusWorldFactory = std::unique_ptr<BusWorld> (*)();

class BusContract : public testing::TestWithParam<BusWorldFactory> {
 protected:
  using Code = absl::StatusCode;

  BusContract() : world_(GetParam()()) {}

  // A client that is connected.
  std::unique_ptr<Bus> Connect(const std::string& name) {
    std::unique_ptr<Bus> bus = world_->Connect(name);
    auto up = std::make_shared<bool>(false);
    bus->WatchState(world_->executor(), [this, up](Bus::State state) {
      *up = state == Bus::State::kConnected;
      world_->Touch();
    });
    EXPECT_TRUE(world_->Await([up] { return *up; }));
    return bus;
  }
  // Collects payloads.
  void Listen(Bus* bus, const std::string& subject, const std::string& queue,
              std::vector<std::string>* into) {
    EXPECT_TRUE(bus->Subscribe(subject, queue, world_->executor(),
                               [this, into](Message m) {
                                 into->push_back(m.payload);
                                 world_->Touch();
                               })
                    .ok());
    EXPECT_TRUE(bus->Flush(absl::Seconds(10)).ok());
  }
  bool AwaitSize(const std::vector<std::string>* list, size_t size) {
    return world_->Await([=] { return list->size() >= size; });
  }
  // Asks and waits for the outcome.
  absl::StatusOr<std::string> Ask(Bus* bus, const std::string& subject, const std::string& payload,
                                  absl::Duration timeout = absl::Seconds(20)) {
    std::vector<absl::StatusOr<std::string>> outcomes;
    bus->Request(subject, payload, timeout, world_->executor(), [&](absl::StatusOr<std::string> reply) {
      outcomes.push_back(std::move(reply));
      world_->Touch();
    });
    if (!world_->Await([&] { return !outcomes.empty(); })) return absl::UnknownError("no callback");
    return outcomes[0];
  }
  // A further round trip, within which a copy too many would have come.
  void Barrier(Bus* bus, const std::string& token) {
    std::vector<std::string> seen;
    Listen(bus, "barrier." + token, "", &seen);
    EXPECT_TRUE(bus->Publish("barrier." + token, "x").ok());
    EXPECT_TRUE(AwaitSize(&seen, 1));
  }

  std::unique_ptr<BusWorld> world_;
};

TEST_P(BusContract, KeepsTheOrderOfAPublisher) {
  std::vector<std::string> got;  // outlives the clients
  auto a = Connect("a"), b = Connect("b");
  Listen(b.get(), "feed.*", "", &got);
  std::vector<std::string> sent;
  for (int i = 0; i < 2000; ++i) {
    sent.push_back(std::to_string(i));
    ASSERT_TRUE(a->Publish(i % 2 ? "feed.x" : "feed.y", sent.back()).ok());
  }
  ASSERT_TRUE(AwaitSize(&got, sent.size()));
  EXPECT_EQ(got, sent);
}

TEST_P(BusContract, DeliversBySubject) {
  std::vector<std::string> star, rest, exact, own;
  auto a = Connect("a"), b = Connect("b");
  Listen(b.get(), "t.*.z", "", &star);
  Listen(b.get(), "t.>", "", &rest);
  Listen(b.get(), "t.1.z", "", &exact);
  Listen(a.get(), "t.1.z", "", &own);  // one's own messages too
  for (const char* subject : {"t.1.z", "t.2.z", "t.1", "u.1.z", "t.1.z.y"}) {
    ASSERT_TRUE(a->Publish(subject, subject).ok());
  }
  ASSERT_TRUE(AwaitSize(&rest, 4));
  ASSERT_TRUE(AwaitSize(&star, 2));
  ASSERT_TRUE(AwaitSize(&exact, 1));
  ASSERT_TRUE(AwaitSize(&own, 1));
  Barrier(b.get(), "b");
  EXPECT_THAT(star, testing::ElementsAre("t.1.z", "t.2.z"));
  EXPECT_THAT(rest, testing::ElementsAre("t.1.z", "t.2.z", "t.1", "t.1.z.y"));
  EXPECT_THAT(exact, testing::ElementsAre("t.1.z"));
  EXPECT_THAT(own, testing::ElementsAre("t.1.z"));
}

TEST_P(BusContract, OneMemberOfAQueueGroupGetsEach) {
  std::vector<std::string> one, two, all;
  auto a = Connect("a"), b = Connect("b"), c = Connect("c");
  Listen(b.get(), "q.*", "group", &one);
  Listen(c.get(), "q.*", "group", &two);
  Listen(c.get(), "q.*", "", &all);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(a->Publish("q.x", std::to_string(i)).ok());
  ASSERT_TRUE(world_->Await([&] { return one.size() + two.size() >= 200 && all.size() >= 200; }));
  Barrier(b.get(), "b");
  Barrier(c.get(), "c");
  EXPECT_EQ(one.size() + two.size(), 200u);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_GT(one.size(), 0u);
  EXPECT_GT(two.size(), 0u);
}

TEST_P(BusContract, AnswersRequests) {
  auto a = Connect("a"), b = Connect("b");
  ASSERT_TRUE(b->Subscribe("rpc.*", "cp", world_->executor(), [&](Message m) {
                 EXPECT_FALSE(m.reply_to.empty());
                 EXPECT_TRUE(b->Publish(m.reply_to, m.subject + ":" + m.payload).ok());
                 // A second answer goes nowhere.
                 EXPECT_TRUE(b->Publish(m.reply_to, "again").ok());
               }).ok());
  ASSERT_TRUE(b->Flush(absl::Seconds(10)).ok());
  for (int i = 0; i < 20; ++i) {
    const auto reply = Ask(a.get(), "rpc.x", std::to_string(i));
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(*reply, "rpc.x:" + std::to_string(i));
  }
  EXPECT_TRUE(world_->Await([] { return true; }));  // the last handler has returned
}

TEST_P(BusContract, AnswersManyRequestsAtOnce) {
  std::map<int, std::string> replies;
  auto a = Connect("a"), b = Connect("b");
  ASSERT_TRUE(b->Subscribe("rpc", "", world_->executor(), [&](Message m) {
                 EXPECT_TRUE(b->Publish(m.reply_to, m.payload).ok());
               }).ok());
  ASSERT_TRUE(b->Flush(absl::Seconds(10)).ok());
  for (int i = 0; i < 100; ++i) {
    a->Request("rpc", std::to_string(i), absl::Seconds(20), world_->executor(),
               [&, i](absl::StatusOr<std::string> reply) {
                 EXPECT_TRUE(reply.ok()) << reply.status();
                 replies[i] += reply.value_or("");
                 world_->Touch();
               });
  }
  ASSERT_TRUE(world_->Await([&] { return replies.size() == 100; }));
  for (const auto& [i, reply] : replies) EXPECT_EQ(reply, std::to_string(i));
}

TEST_P(BusContract, SaysThatNobodyServesASubject) {
  auto a = Connect("a");
  EXPECT_EQ(Ask(a.get(), "rpc.nobody", "x").status().code(), Code::kUnavailable);
}

TEST_P(BusContract, ARequestHasADeadline) {
  auto a = Connect("a"), b = Connect("b");
  std::vector<std::string> asked;
  Listen(b.get(), "rpc.silent", "", &asked);
  EXPECT_EQ(Ask(a.get(), "rpc.silent", "x", absl::Milliseconds(300)).status().code(),
            Code::kDeadlineExceeded);
  EXPECT_TRUE(AwaitSize(&asked, 1));
}

TEST_P(BusContract, RefusesBadSubjects) {
  auto a = Connect("a");
  for (const char* bad : {"", "a b", "a..b", "a.*", "a.>", "a\r\nPUB x 1"}) {
    EXPECT_EQ(a->Publish(bad, "x").code(), Code::kInvalidArgument) << bad;
    EXPECT_EQ(Ask(a.get(), bad, "x").status().code(), Code::kInvalidArgument) << bad;
  }
  for (const char* bad : {"", "a b", "a.>.b"}) {
    EXPECT_EQ(a->Subscribe(bad, "", world_->executor(), [](const Message&) {}).code(), Code::kInvalidArgument)
        << bad;
  }
  EXPECT_EQ(a->Subscribe("a", "q q", world_->executor(), [](const Message&) {}).code(),
            Code::kInvalidArgument);
}

TEST_P(BusContract, RefusesWhatIsTooLarge) {
  std::vector<std::string> got;
  auto a = Connect("a");
  Listen(a.get(), "big", "", &got);
  const std::string fits(world_->max_payload(), 'x');
  EXPECT_EQ(a->Publish("big", fits + "x").code(), Code::kInvalidArgument);
  EXPECT_EQ(Ask(a.get(), "big", fits + "x").status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(a->Publish("big", fits).ok());
  ASSERT_TRUE(AwaitSize(&got, 1));
  EXPECT_EQ(got[0].size(), fits.size());
}

TEST_P(BusContract, FlushReachesTheServer) {
  auto a = Connect("a");
  EXPECT_TRUE(a->Flush(absl::Seconds(10)).ok());
  std::vector<absl::Status> done;
  a->FlushAsync(absl::Seconds(10), world_->executor(), [&](absl::Status status) {
    done.push_back(std::move(status));
    world_->Touch();
  });
  ASSERT_TRUE(world_->Await([&] { return !done.empty(); }));
  EXPECT_TRUE(done[0].ok()) << done[0];
}

TEST_P(BusContract, ReconnectsAndKeepsSubscriptions) {
  std::vector<std::string> got;
  std::vector<Bus::State> states;
  auto a = Connect("a"), b = Connect("b");
  Listen(b.get(), "feed.*", "", &got);
  b->WatchState(world_->executor(), [&](Bus::State state) {
    states.push_back(state);
    world_->Touch();
  });
  ASSERT_TRUE(a->Publish("feed.x", "before").ok());
  ASSERT_TRUE(AwaitSize(&got, 1));

  bool asked = false;
  absl::Status outcome;
  std::vector<std::string> silent;
  Listen(b.get(), "rpc.silent", "", &silent);
  a->Request("rpc.silent", "x", absl::Hours(1), world_->executor(), [&](absl::StatusOr<std::string> reply) {
    asked = true;
    outcome = reply.status();
    world_->Touch();
  });
  ASSERT_TRUE(AwaitSize(&silent, 1));

  world_->Interrupt();
  // An answer that can no longer come is not waited for.
  ASSERT_TRUE(world_->Await([&] { return asked && states.size() == 2; }));
  EXPECT_EQ(outcome.code(), Code::kUnavailable);
  EXPECT_EQ(a->Publish("feed.x", "lost").code(), Code::kUnavailable);
  EXPECT_EQ(Ask(a.get(), "rpc.silent", "x").status().code(), Code::kUnavailable);
  EXPECT_FALSE(a->Flush(absl::Milliseconds(200)).ok());
  // Subscribing needs no connection.
  EXPECT_TRUE(b->Subscribe("late.*", "", world_->executor(), [&](Message m) {
                 got.push_back(m.payload);
                 world_->Touch();
               }).ok());

  world_->Resume();
  ASSERT_TRUE(world_->Await([&] { return states.size() == 3; }));
  EXPECT_THAT(states, testing::ElementsAre(Bus::State::kConnected, Bus::State::kDisconnected,
                                           Bus::State::kConnected));
  std::vector<std::string> back;
  ASSERT_TRUE(b->Flush(absl::Seconds(10)).ok());
  ASSERT_TRUE(b->Publish("feed.x", "after").ok());
  ASSERT_TRUE(b->Publish("late.x", "late").ok());
  ASSERT_TRUE(AwaitSize(&got, 3));
  EXPECT_THAT(got, testing::UnorderedElementsAre("before", "after", "late"));
}

TEST_P(BusContract, RebuildKeepsSubscriptions) {
  std::vector<std::string> got;
  std::vector<Bus::State> states;
  auto a = Connect("a"), b = Connect("b");
  Listen(b.get(), "feed.*", "", &got);
  b->WatchState(world_->executor(), [&](Bus::State state) {
    states.push_back(state);
    world_->Touch();
  });
  for (size_t round = 1; round <= 3; ++round) {
    b->Rebuild();
    ASSERT_TRUE(world_->Await([&] { return states.size() == 1 + 2 * round; }));
    EXPECT_EQ(states.back(), Bus::State::kConnected);
    ASSERT_TRUE(b->Flush(absl::Seconds(10)).ok());
    ASSERT_TRUE(a->Publish("feed.x", std::to_string(round)).ok());
    ASSERT_TRUE(AwaitSize(&got, round));
  }
  Barrier(b.get(), "b");
  EXPECT_THAT(got, testing::ElementsAre("1", "2", "3"));  // no second copy by an old connection
  // Requests work over the new connection.
  ASSERT_TRUE(a->Subscribe("rpc", "", world_->executor(), [&](Message m) {
                 EXPECT_TRUE(a->Publish(m.reply_to, "yes").ok());
               }).ok());
  ASSERT_TRUE(a->Flush(absl::Seconds(10)).ok());
  EXPECT_EQ(Ask(b.get(), "rpc", "x").value_or("no"), "yes");
}

TEST_P(BusContract, NothingStartsAfterDestruction) {
  auto counts = std::make_shared<int>(0);
  auto a = Connect("a"), b = Connect("b");
  std::vector<std::string> seen;
  Listen(a.get(), "x", "", &seen);
  ASSERT_TRUE(b->Subscribe("x", "", world_->executor(), [counts](const Message&) { ++*counts; }).ok());
  ASSERT_TRUE(b->Flush(absl::Seconds(10)).ok());
  b->Request("rpc.nobody", "x", absl::Milliseconds(1), world_->executor(),
             [counts](const absl::StatusOr<std::string>&) { ++*counts; });
  int before = 0;
  bool destroyed = false;
  world_->executor()->Post([&] {
    b.reset();
    before = *counts;
    destroyed = true;
    world_->Touch();
  });
  ASSERT_TRUE(world_->Await([&] { return destroyed; }));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(a->Publish("x", "y").ok());
  ASSERT_TRUE(AwaitSize(&seen, 10));
  EXPECT_EQ(*counts, before);
}

}  // namespace trivium
