#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trivium {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const absl::Time kTime = absl::FromUnixMillis(1'700'000'000'123);

TEST(Log, AMessageIsWordsAndPairs) {
  const LogMessage message =
      SplitLogMessage(R"(took a snapshot cluster=aws-euw2 revision=7 error="a "b", c=d: no" left=2 "x")");
  EXPECT_EQ(message.words, "took a snapshot");
  EXPECT_THAT(message.pairs, ElementsAre(Pair("cluster", "aws-euw2"), Pair("revision", "7"),
                                         Pair("error", R"(a "b", c=d: no)"), Pair("left", R"(2 "x")")));
}

TEST(Log, OddMessagesLoseNothing) {
  EXPECT_EQ(SplitLogMessage("").words, "");
  EXPECT_THAT(SplitLogMessage("no pairs = here, A=b, 1 = 2").pairs, IsEmpty());
  EXPECT_THAT(SplitLogMessage("x a= b=").pairs, ElementsAre(Pair("a", ""), Pair("b", "")));
  EXPECT_THAT(SplitLogMessage("x a=\"").pairs, ElementsAre(Pair("a", "\"")));
  EXPECT_THAT(SplitLogMessage("x a=\" b=c").pairs, ElementsAre(Pair("a", "\" b=c")));
  EXPECT_THAT(SplitLogMessage("x a=\"\" b=c").pairs, ElementsAre(Pair("a", ""), Pair("b", "c")));
}

TEST(Log, ATextLineStaysOneLine) {
  EXPECT_EQ(TextLogLine(kTime, "info", "aws-cp1", "serving cluster=aws\nerror fake\t1\x1b[31m"),
            "2023-11-14T22:13:20.123Z info aws-cp1: serving cluster=aws\\nerror fake\\t1\\033[31m");
}

TEST(Log, AJsonLineHasThePairsAsMembers) {
  const std::string line = JsonLogLine(kTime, "warn", "aws/n1",
                                       "took a snapshot cluster=aws revision=7 level=x error=\"a\n\xff\"");
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const nlohmann::json parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(parsed["level"], "warn");
  EXPECT_EQ(parsed["process"], "aws/n1");
  EXPECT_EQ(parsed["message"], "took a snapshot");
  EXPECT_EQ(parsed["cluster"], "aws");
  EXPECT_EQ(parsed["revision"], "7");
  EXPECT_EQ(parsed["error"], "a\n\xef\xbf\xbd");
}

TEST(Log, OtherWordsAreRefused) {
  EXPECT_EQ(InitLogging("x", "loud").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InitLogging("x", "info", "xml").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace trivium
