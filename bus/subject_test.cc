#include "bus/subject.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

TEST(Subject, Literal) {
  for (const char* good : {"a", "a.b", "trivium.v1.rpc.aws.aws:node:n1.api.get", "_INBOX.x.1"}) {
    EXPECT_TRUE(IsLiteralSubject(good)) << good;
  }
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "a\tb", "a\r\nPUB"}) {
    EXPECT_FALSE(IsLiteralSubject(bad)) << bad;
  }
}

TEST(Subject, Pattern) {
  for (const char* good : {"a", "*", ">", "a.*.b", "a.>", "*.*"}) EXPECT_TRUE(IsSubjectPattern(good)) << good;
  for (const char* bad : {"", "a.>.b", "a*", "a.b>", "a. b"}) EXPECT_FALSE(IsSubjectPattern(bad)) << bad;
}

TEST(Subject, Matches) {
  EXPECT_TRUE(SubjectMatches("a.b", "a.b"));
  EXPECT_TRUE(SubjectMatches("a.*", "a.b"));
  EXPECT_TRUE(SubjectMatches("a.>", "a.b.c"));
  EXPECT_TRUE(SubjectMatches(">", "a"));
  EXPECT_FALSE(SubjectMatches("a.>", "a"));
  EXPECT_FALSE(SubjectMatches("a.*", "a.b.c"));
  EXPECT_FALSE(SubjectMatches("a.*.c", "a.b"));
  EXPECT_FALSE(SubjectMatches("a", "b"));
  EXPECT_FALSE(SubjectMatches("a.b", "a"));
}

}  // namespace
}  // namespace trivium
