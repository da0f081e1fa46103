#include "bus/jetstream_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trivium::bus_internal {
namespace {

using testing::ElementsAre;
using testing::Pair;
using Code = absl::StatusCode;

TEST(JetStreamJson, AStreamIsBoundedAndKeepsWhatItHas) {
  StreamConfig config;
  config.name = "S";
  config.subjects = "a.>";
  config.max_age = absl::Hours(1);
  config.max_bytes = 1000;
  const auto json = nlohmann::json::parse(StreamConfigJson(config));
  EXPECT_EQ(json["max_age"], 3600000000000);
  EXPECT_EQ(json["max_bytes"], 1000);
  EXPECT_EQ(json["discard"], "old");
  EXPECT_EQ(json["deny_delete"], true);
  EXPECT_EQ(json["deny_purge"], true);
  EXPECT_EQ(json["subjects"][0], "a.>");
}

TEST(JetStreamJson, TheWindowOfIdsIsNoLongerThanTheAge) {  // the server refuses that
  StreamConfig config;
  config.max_age = absl::Seconds(5);
  EXPECT_EQ(nlohmann::json::parse(StreamConfigJson(config))["duplicate_window"], 5000000000);
}

TEST(JetStreamJson, ErrorsSayWhatToDoAboutThem) {
  const auto code = [](int err, int http, const std::string& text) {
    return ErrorIn(
               nlohmann::json{{"error", {{"code", http}, {"err_code", err}, {"description", text}}}}.dump())
        .code();
  };
  EXPECT_EQ(code(10071, 400, "wrong last sequence: 7"), Code::kAborted);
  EXPECT_EQ(code(10070, 400, "wrong last msg ID: a:1:2:3"), Code::kAborted);
  // The server has forgotten the id: not a lost race.
  EXPECT_EQ(code(10070, 400, "wrong last msg ID: "), Code::kFailedPrecondition);
  EXPECT_EQ(code(10037, 404, "no message found"), Code::kNotFound);
  EXPECT_EQ(code(10047, 500, "insufficient storage resources available"), Code::kResourceExhausted);
  EXPECT_EQ(code(10008, 503, "JetStream system temporarily unavailable"), Code::kUnavailable);
  EXPECT_EQ(code(10058, 400, "stream name already in use"), Code::kFailedPrecondition);
  EXPECT_EQ(ErrorIn("{}").code(), Code::kOk);
  EXPECT_EQ(ErrorIn("no json").code(), Code::kDataLoss);
}

TEST(JetStreamJson, AMessageComesBackWithItsHeaders) {
  // "NATS/1.0\r\nNats-Msg-Id: c1:1:3:0\r\n\r\n", "x"
  const auto event = ParseStoredEvent(
      R"({"message":{"subject":"a.b","seq":3,"hdrs":"TkFUUy8xLjANCk5hdHMtTXNnLUlkOiBjMToxOjM6MA0KDQo=",)"
      R"("data":"eA=="}})");
  ASSERT_TRUE(event.ok() && event->has_value()) << event.status();
  EXPECT_EQ((*event)->sequence, 3u);
  EXPECT_EQ((*event)->id, "c1:1:3:0");
  EXPECT_EQ((*event)->payload, "x");
  const auto none =
      ParseStoredEvent(R"({"error":{"code":404,"err_code":10037,"description":"no message found"}})");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(ParseStoredEvent(R"({"message":{"hdrs":"%"}})").status().code(), Code::kDataLoss);
}

TEST(JetStreamJson, AcknowledgementsSaySequences) {
  EXPECT_EQ(*ParsePublishAnswer(R"({"stream":"S","seq":12})"), 12u);
  EXPECT_EQ(ParsePublishAnswer(R"({"stream":"S"})").status().code(), Code::kDataLoss);
  EXPECT_THAT(ParseHeaders("NATS/1.0 100 Idle\r\nA: b: c\r\nD:e\r\n\r\n"),
              ElementsAre(Pair("A", "b: c"), Pair("D", "e")));
}

}  // namespace
}  // namespace trivium::bus_internal
