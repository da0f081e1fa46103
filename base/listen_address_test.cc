#include "base/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trivium {
namespace {

using testing::HasSubstr;

TEST(ListenAddress, IsNumericOrOff) {
  for (const char* text : {"127.0.0.1:9460", "[::1]:0", "off", "0.0.0.0:65535"}) {
    const absl::StatusOr<ListenAddress> parsed = ListenAddress::Parse(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->ToString(), text);
  }
  for (const char* text : {"", "9460", "localhost:9460", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                           "::1:9460", "[127.0.0.1]:1", "127.0.0.1:-1"}) {
    EXPECT_THAT(std::string(ListenAddress::Parse(text).status().message()), HasSubstr("127.0.0.1:9460"))
        << text;
  }
}

TEST(ListenAddress, IsReadFromTheSectionMetrics) {
  const auto read = [](const std::string& text, ListenAddress* out) {
    return ReadMetricsSection(YamlSection::Parse(text, "f.yaml").value(), out);
  };
  ListenAddress address{"127.0.0.1", 7};
  EXPECT_TRUE(read("x: 1", &address).ok());
  EXPECT_EQ(address.ToString(), "127.0.0.1:7");
  EXPECT_TRUE(read("metrics: {listen: \"[::1]:8\"}", &address).ok());
  EXPECT_EQ(address.ToString(), "[::1]:8");
  EXPECT_TRUE(read("metrics: {listen: off}", &address).ok());
  EXPECT_TRUE(address.off());
  EXPECT_THAT(std::string(read("metrics: {listen: all}", &address).message()), HasSubstr("metrics.listen"));
  EXPECT_THAT(std::string(read("metrics: {port: 1}", &address).message()), HasSubstr("f.yaml:1"));
}

}  // namespace
}  // namespace trivium
