#include "cli/label_selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trivium::cli {
namespace {

using Labels = std::map<std::string, std::string>;

bool Matches(const std::string& text, const Labels& labels) {
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(text);
  EXPECT_TRUE(selector.ok()) << selector.status();
  return selector.ok() && selector->Matches(labels);
}

TEST(LabelSelectorTest, EveryFormOfKubectl) {
  const Labels web = {{"app", "web"}, {"zone", "b"}, {"x.io/canary", ""}};
  EXPECT_TRUE(Matches("", web));
  EXPECT_TRUE(Matches("app=web", web));
  EXPECT_TRUE(Matches("app==web,zone=b", web));
  EXPECT_FALSE(Matches("app=web,zone=a", web));
  EXPECT_TRUE(Matches("app!=db", web));
  EXPECT_TRUE(Matches("tier!=back", web)) << "what lacks the label is not that either";
  EXPECT_TRUE(Matches("zone in (a, b),app=web", web));
  EXPECT_FALSE(Matches("zone in (a,c)", web));
  EXPECT_TRUE(Matches("zone notin (a,c)", web));
  EXPECT_FALSE(Matches("zone notin (a,b)", web));
  EXPECT_TRUE(Matches("x.io/canary,!old", web));
  EXPECT_FALSE(Matches("!app", web));
  EXPECT_TRUE(Matches("x.io/canary=", web));
}

TEST(LabelSelectorTest, FaultsNameTheRequirement) {
  for (const char* bad : {"app=web,", "=web", "app=a b", "zone within (a)", "(a)", "a b", "app in (a"}) {
    const absl::Status status = LabelSelector::Parse(bad).status();
    EXPECT_FALSE(status.ok()) << bad;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("is no requirement: write KEY=VALUE"))
        << bad;
  }
}

}  // namespace
}  // namespace trivium::cli
