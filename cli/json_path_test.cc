#include "cli/json_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/get_format.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

Json List() {
  return Json::parse(R"({"kind": "List", "items": [
    {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "web"}}, "spec": {"ports": [80, 443], "up": true}},
    {"metadata": {"name": "b"}, "spec": {"ports": [], "zone": "z1"}},
    {"metadata": {"name": "c"}, "spec": {"ports": [53], "zone": "z2"}}]})");
}

std::string Print(const std::string& path) {
  const absl::StatusOr<JsonPath> parsed = JsonPath::Parse(path);
  return parsed.ok() ? parsed->Print(List()) : std::string(parsed.status().message());
}

TEST(JsonPathTest, WhatKubectlsUsersWrite) {
  EXPECT_EQ(Print("{.items[*].metadata.name}"), "a b c");
  EXPECT_EQ(Print(".items[0].metadata.name"), "a") << "braces may be left out";
  EXPECT_EQ(Print("{range .items[*]}{.metadata.name}{\"\\t\"}{.spec.ports[*]}{'\\n'}{end}"),
            "a\t80 443\nb\t\nc\t53\n");
  EXPECT_EQ(Print("names: {.items[*]['metadata'].name}\\n"), "names: a b c\n");
  EXPECT_EQ(Print("{.items[-1].metadata.name}"), "c");
  EXPECT_EQ(Print("{.items[1:].metadata.name}"), "b c");
  EXPECT_EQ(Print("{.items[0:2].metadata.name}"), "a b");
  EXPECT_EQ(Print("{..zone}"), "z1 z2");
  EXPECT_EQ(Print("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}"), "web");
  EXPECT_EQ(Print("{.items[?(@.metadata.name == \"b\")].spec.zone}"), "z1");
  EXPECT_EQ(Print("{.items[?(@.spec.zone!='z1')].metadata.name}"), "c");
  EXPECT_EQ(Print("{.items[?(@.spec.up)].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[?(@.spec.up==true)].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[?(@.spec.ports[0] > 60)].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[0].spec}"), R"({"ports":[80,443],"up":true})");
  EXPECT_EQ(Print("{.nothing.there}|{.items[9]}|{.items[-9]}"), "||");
  EXPECT_EQ(Print("{.kind}"), "List");
  EXPECT_THAT(Print("{$}"), HasSubstr("\"kind\":\"List\""));
}

TEST(JsonPathTest, FaultsNameThePlace) {
  EXPECT_EQ(Print("{.items[*}"), "-o jsonpath: at character 10 of '{.items[*}': want ]");
  EXPECT_THAT(Print("{range .items[*]}{.metadata.name}"), HasSubstr("{end} of a {range}"));
  EXPECT_THAT(Print("{end}"), HasSubstr("a {range} before"));
  EXPECT_THAT(Print("{.items[x]}"), HasSubstr("want a number"));
  EXPECT_THAT(Print("{}"), HasSubstr("want a path like .metadata.name"));
  EXPECT_THAT(Print("{.items"), HasSubstr("want }"));
  EXPECT_THAT(Print("{\"open}"), HasSubstr("the quote's end"));
  EXPECT_THAT(Print("{.items[?(@.a == )]}"), HasSubstr("want a number"));
  EXPECT_THAT(Print(""), HasSubstr("is empty"));
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "{range .items[*]}";
  EXPECT_THAT(Print(deep), HasSubstr("fewer {range}s"));
}

TEST(JsonPathTest, FormatsHaveNames) {
  EXPECT_EQ(ParseGetFormat("wide")->kind, GetFormat::Kind::kWide);
  EXPECT_EQ(ParseGetFormat("jsonpath={.kind}")->kind, GetFormat::Kind::kJsonPath);
  EXPECT_THAT(std::string(ParseGetFormat("ymal").status().message()), HasSubstr("did you mean 'yaml'?"));
  EXPECT_THAT(std::string(ParseGetFormat("xml").status().message()), HasSubstr("formats are wide, json"));
}

}  // namespace
}  // namespace trivium::cli
