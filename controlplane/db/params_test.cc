#include "controlplane/db/params.h"

#include <gtest/gtest.h>

#include "controlplane/db/server_options.h"

namespace trivium {
namespace {

TEST(ArrayTextTest, EscapesWhatArraysReserve) {
  ArrayText array;
  array.Add("a,b").Add("").Add("say \"x\" \\ y").Add("{}").Add("NULL");
  EXPECT_EQ(array.Take(), R"({"a,b","","say \"x\" \\ y","{}","NULL"})");
  EXPECT_EQ(array.size(), 5u);
}

TEST(ArrayTextTest, WritesEachType) {
  EXPECT_EQ(ArrayText().Take(), "{}");
  EXPECT_EQ(ArrayText().AddInt(-7).AddInt(8).Take(), "{-7,8}");
  EXPECT_EQ(ArrayText().AddBool(true).AddBool(false).Take(), "{t,f}");
  EXPECT_EQ(ArrayText().AddBytes(absl::string_view("\x00\xff", 2)).Take(), "{\"\\\\x00ff\"}");
  EXPECT_EQ(ArrayText().AddId(Id128{1, 2}).Take(), "{00000000-0000-0001-0000-000000000002}");
}

TEST(ParamsTest, FindsNulInTextsOnly) {
  EXPECT_FALSE(Params().Text("ab").Bytes(std::string("a\0b", 3)).HasNul());
  EXPECT_TRUE(Params().Int(1).Text(std::string("a\0b", 3)).HasNul());
}

TEST(SqlHostTest, ParsesEveryForm) {
  EXPECT_EQ(SqlHost::Parse("db.example:5432")->host, "db.example");
  EXPECT_EQ(SqlHost::Parse("[::1]:26257")->host, "::1");
  EXPECT_EQ(SqlHost::Parse("[::1]:26257")->ToString(), "[::1]:26257");
  EXPECT_EQ(SqlHost::Parse("/run/postgresql:5432")->port, "5432");
  for (const char* bad : {"", "db", ":5432", "db:", "db:0", "db:65536", "db:x", "::1:5432", "[]:5432"}) {
    EXPECT_EQ(SqlHost::Parse(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace trivium
