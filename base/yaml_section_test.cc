#include "base/yaml_section.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trivium {
namespace {

using testing::HasSubstr;

YamlSection Must(const std::string& text) { return *YamlSection::Parse(text, "/etc/t/a.yaml"); }

TEST(YamlSection, ReadsWhatIsThereAndKeepsDefaults) {
  const YamlSection s =
      Must("name: x\nport: 5\nca: ca.crt\nkey: /k\nhosts: [a, b]\nsql: {user: u}\nn: [{x: 1}]\n");
  std::string name, ca, key, level = "info";
  uint64_t port = 0, other = 7;
  std::vector<std::string> hosts;
  EXPECT_TRUE(s.Text("name", &name).ok());
  EXPECT_TRUE(s.File("ca", &ca).ok());
  EXPECT_TRUE(s.File("key", &key).ok());
  EXPECT_TRUE(s.OptionalText("level", &level).ok());
  EXPECT_TRUE(s.Number("port", 1, 9, &port).ok());
  EXPECT_TRUE(s.OptionalNumber("other", 1, 9, &other).ok());
  EXPECT_TRUE(s.TextList("hosts", &hosts).ok());
  EXPECT_EQ(name, "x");
  EXPECT_EQ(ca, "/etc/t/ca.crt");
  EXPECT_EQ(key, "/k");
  EXPECT_EQ(level, "info");
  EXPECT_EQ(port, 5u);
  EXPECT_EQ(other, 7u);
  EXPECT_THAT(hosts, testing::ElementsAre("a", "b"));
  EXPECT_TRUE(s.Section("sql").ok());
  EXPECT_EQ(s.Sections("n")->size(), 1u);
}

TEST(YamlSection, ErrorsNameFileLineAndKey) {
  std::string out;
  uint64_t number = 0;
  EXPECT_THAT(std::string(YamlSection::Parse("a: [", "/f").status().message()), HasSubstr("/f:1: "));
  EXPECT_THAT(std::string(YamlSection::Parse("- a", "/f").status().message()),
              HasSubstr("must be a mapping"));
  const YamlSection s = Must("a: 1\nb: {c: x, d: 2}\nb2: 3\n");
  EXPECT_THAT(std::string(s.Allow({"a", "b"}).message()),
              HasSubstr("a.yaml:3: unknown key b2; known are a, b"));
  EXPECT_THAT(std::string(s.Text("z", &out).message()), HasSubstr("z is missing"));
  EXPECT_THAT(std::string(s.Section("b")->Number("c", 1, 2, &number).message()),
              HasSubstr("a.yaml:2: b.c must be a number from 1 to 2"));
  EXPECT_FALSE(Must("a: 1\na: 2\n").Allow({"a"}).ok());
}

}  // namespace
}  // namespace trivium
