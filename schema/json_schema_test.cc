// The committed schemas are what the descriptors say, and what is written as JSON keeps to them.
// TRIVIUM_REGENERATE=1 writes schema/json/ anew.
#include "schema/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"
#include "tests/contract/random_history.h"
#include "tests/support/json_validator.h"

namespace trivium::json {
namespace {

using testing::IsEmpty;
using testing::Not;

std::string PathOf(const std::string& kind) {
  return absl::StrCat(TRIVIUM_SOURCE_DIR, "/schema/json/", kind, ".json");
}

TEST(JsonSchema, TheCommittedOnesAreWhatTheDescriptorsSay) {
  std::map<std::string, Json> schemas = {{kLogEvents, LogEventSchema()}};
  for (const v1::Kind kind : AllObjectKinds()) schemas[std::string(KindName(kind))] = EventSchema(kind);
  EXPECT_EQ(schemas.size(), 13u);
  std::set<std::string> expected;
  for (const auto& [kind, schema] : schemas) {
    const std::string text = schema.dump(2) + "\n", path = PathOf(kind);
    expected.insert(path);
    if (std::getenv("TRIVIUM_REGENERATE") != nullptr) {
      std::ofstream(path) << text;
      continue;
    }
    std::ifstream file(path);
    const std::string committed{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_EQ(committed, text) << path << " is not what the descriptors say: TRIVIUM_REGENERATE=1 writes it";
  }
  for (const auto& entry : std::filesystem::directory_iterator(TRIVIUM_SOURCE_DIR "/schema/json")) {
    EXPECT_TRUE(expected.contains(entry.path().string())) << entry.path() << " is no kind's";
  }
}

TEST(JsonSchema, EveryObjectIsWrittenAsItsKindsSchemaSays) {
  RandomHistory history({"aws", 1, 1}, {}, 7);
  for (const v1::Kind kind : AllObjectKinds()) {
    const Json data = EventSchema(kind).at("properties").at("data");
    for (int i = 0; i < 50; ++i) {
      const v1::Object object = history.RandomObject(kind);
      const Json json = ObjectJson(object, 17);
      EXPECT_THAT(JsonBreaches(data, json), IsEmpty()) << json.dump(2);
      Json more = json;
      more["spec"]["made_up"] = 1;
      EXPECT_THAT(JsonBreaches(data, more), Not(IsEmpty())) << KindName(kind);
    }
  }
}

TEST(JsonSchema, TheValidatorFindsWhatIsWrong) {
  const Json data = EventSchema(v1::KIND_ENDPOINT).at("properties").at("data");
  RandomHistory history({"aws", 1, 1}, {}, 7);
  v1::Object object = history.RandomObject(v1::KIND_ENDPOINT);
  object.mutable_endpoint()->add_addresses()->set_ip(std::string("\x0a\x01\x01\x05", 4));
  const Json right = ObjectJson(object, 3);
  ASSERT_THAT(JsonBreaches(data, right), IsEmpty());
  for (const auto& spoil : std::vector<std::function<void(Json*)>>{
           [](Json* json) { json->erase("kind"); }, [](Json* json) { (*json)["kind"] = "Pod"; },
           [](Json* json) { (*json)["metadata"]["uid"] = "zz"; },
           [](Json* json) { (*json)["spec"]["node"] = "one"; },
           [](Json* json) { (*json)["spec"]["node"] = -1; },
           [](Json* json) { (*json)["spec"].erase("identity"); },
           [](Json* json) { (*json)["spec"]["addresses"][0]["ip"] = "here"; },
           [](Json* json) { (*json)["spec"]["addresses"] = Json::array(); }}) {
    Json wrong = right;
    spoil(&wrong);
    EXPECT_THAT(JsonBreaches(data, wrong), Not(IsEmpty())) << wrong.dump(2);
  }
  EXPECT_THAT(JsonBreaches({{"oneOf", Json::array()}}, right), Not(IsEmpty()));
}

}  // namespace
}  // namespace trivium::json
