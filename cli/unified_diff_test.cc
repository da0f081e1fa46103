#include "cli/unified_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium::cli {
namespace {

TEST(UnifiedDiffTest, AsDiffWritesIt) {
  EXPECT_EQ(UnifiedDiff("a\nb\n", "a\nb\n", "x", "y"), "");
  EXPECT_EQ(UnifiedDiff("", "a\nb\n", "x", "y"), "--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(UnifiedDiff("a\n", "", "x", "y"), "--- x\n+++ y\n@@ -1 +0,0 @@\n-a\n");
  EXPECT_EQ(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "x", "y"),
            "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(UnifiedDiffTest, ChangesFarApartAreHunksOfTheirOwn) {
  std::string before, after;
  for (int i = 1; i <= 30; ++i) {
    absl::StrAppend(&before, i, "\n");
    absl::StrAppend(&after, i == 5 || i == 25 ? "new" : absl::StrCat(i), "\n");
  }
  const std::string diff = UnifiedDiff(before, after, "x", "y");
  EXPECT_THAT(diff, testing::HasSubstr("@@ -2,7 +2,7 @@\n"));
  EXPECT_THAT(diff, testing::HasSubstr("@@ -22,7 +22,7 @@\n"));
}

// Whatever the texts: what the diff keeps and adds is the second one, what it keeps and takes away the first.
TEST(UnifiedDiffTest, SaysBothTexts) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string before, after;
    for (std::string* text : {&before, &after}) {
      for (size_t n = random() % 7; n > 0; --n) absl::StrAppend(text, random() % 3, "\n");
    }
    std::string kept_before, kept_after;
    const std::string diff = UnifiedDiff(before, after, "x", "y");
    if (diff.empty()) {
      EXPECT_EQ(before, after);
      continue;
    }
    const std::vector<std::string> lines = absl::StrSplit(diff, '\n', absl::SkipEmpty());
    for (size_t i = 3; i < lines.size(); ++i) {  // short texts: one hunk, and all of it
      if (lines[i][0] != '+') absl::StrAppend(&kept_before, lines[i].substr(1), "\n");
      if (lines[i][0] != '-') absl::StrAppend(&kept_after, lines[i].substr(1), "\n");
    }
    EXPECT_NE(before.find(kept_before), std::string::npos) << diff;
    EXPECT_NE(after.find(kept_after), std::string::npos) << diff;
    EXPECT_NE(before, after);
  }
}

}  // namespace
}  // namespace trivium::cli
