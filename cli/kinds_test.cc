#include "cli/kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/ascii.h"
#include "cli/suggest.h"
#include "cli/wanted.h"

namespace trivium::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Problem(const std::vector<std::string>& words) {
  return std::string(ParseWanted(words).status().message());
}

TEST(KindsTest, EveryWordMeansOneKind) {
  std::set<std::string> seen;
  for (const KindInfo& kind : AllKinds()) {
    for (const std::string& word : {std::string(kind.name), absl::AsciiStrToUpper(kind.plural),
                                    std::string(kind.resource), std::string(kind.short_name)}) {
      if (word.empty()) continue;
      ASSERT_TRUE(FindKind(word).ok()) << word;
      EXPECT_STREQ((*FindKind(word))->name, kind.name) << word;
    }
    EXPECT_TRUE(seen.insert(kind.plural).second) << kind.plural;
  }
  for (const auto& [word, name] :
       std::vector<std::pair<std::string, std::string>>{{"pods", "Endpoint"},
                                                        {"po", "Endpoint"},
                                                        {"cep", "Endpoint"},
                                                        {"ciliumidentities", "Identity"},
                                                        {"ciliumid", "Identity"},
                                                        {"cn", "Node"}}) {
    ASSERT_TRUE(FindKind(word).ok()) << word;
    EXPECT_EQ((*FindKind(word))->name, name) << word;
  }
}

TEST(KindsTest, WordsForSeveral) {
  const auto policies = FindKinds("policies");
  ASSERT_TRUE(policies.ok());
  EXPECT_EQ(policies->size(), 3u);
  const auto all = FindKinds("all");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), AllKinds().size() - 2) << "all but clusters and regions";
}

TEST(KindsTest, AMisspeltKindNamesTheNearest) {
  EXPECT_THAT(std::string(FindKind("netpool").status().message()), HasSubstr("did you mean 'netpol'?"));
  EXPECT_THAT(std::string(FindKind("namespcae").status().message()), HasSubstr("did you mean 'namespace'?"));
  EXPECT_THAT(std::string(FindKind("identitties").status().message()),
              HasSubstr("did you mean 'identities'?"));
  const std::string far(FindKind("deployments").status().message());
  EXPECT_THAT(far, testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(far, HasSubstr("there are: networkpolicies (netpol)"));
}

TEST(SuggestTest, Distances) {
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("get", "get"), 0u);
  EXPECT_EQ(EditDistance("gte", "get"), 1u) << "two neighbours exchanged";
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(Nearest("dscribe", std::vector<std::string>{"delete", "describe"}), "describe");
  EXPECT_EQ(Nearest("x", std::vector<std::string>{"no", "id"}), "") << "nothing of it is left";
}

TEST(WantedTest, BothForms) {
  auto wanted = ParseWanted({"netpol,cnp", "web", "api"});
  ASSERT_TRUE(wanted.ok());
  ASSERT_EQ(wanted->size(), 2u);
  EXPECT_STREQ((*wanted)[1].kind->name, "CiliumNetworkPolicy");
  EXPECT_THAT((*wanted)[1].names, ElementsAre("web", "api"));
  wanted = ParseWanted({"netpol/web", "no/n1", "netpol/api"});
  ASSERT_TRUE(wanted.ok());
  ASSERT_EQ(wanted->size(), 2u);
  EXPECT_THAT((*wanted)[0].names, ElementsAre("web", "api"));
  EXPECT_THAT((*wanted)[1].names, ElementsAre("n1"));
  EXPECT_THAT(Problem({"netpol/web", "api"}), HasSubstr("do not mix"));
  EXPECT_THAT(Problem({"netpol/shop/web"}), HasSubstr("is said with -n"));
  EXPECT_THAT(Problem({","}), HasSubstr("say what"));
  EXPECT_THAT(Problem({}), HasSubstr("say what"));
  EXPECT_THAT(Problem({"netpol,podz"}), HasSubstr("did you mean 'pods'?"));
}

}  // namespace
}  // namespace trivium::cli
