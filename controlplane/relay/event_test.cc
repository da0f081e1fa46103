#include "controlplane/relay/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "bus/subject.h"
#include "schema/json_schema.h"
#include "schema/subjects.h"
#include "tests/contract/random_history.h"
#include "tests/support/json_validator.h"

namespace trivium {
namespace {

using json::Json;
using testing::IsEmpty;
using Code = absl::StatusCode;

Batch BatchOf(std::vector<v1::Change> list, uint64_t epoch = 3, uint64_t revision = 12) {
  v1::Changes changes;
  for (v1::Change& change : list) {
    change.set_actor("aws:ctl:admin");
    change.set_source("triviumctl/0.1");
    change.set_time_us(1'700'000'000'123'456);
    *changes.add_changes() = std::move(change);
  }
  auto batch = EncodeBatch("aws", epoch, revision, Id128{1, 2}, Id128{3, 4}, std::move(changes));
  EXPECT_TRUE(batch.ok()) << batch.status();
  return *std::move(batch);
}

v1::Object Endpoint() {
  v1::Object object;
  v1::Endpoint& endpoint = *object.mutable_endpoint();
  endpoint.mutable_meta()->set_uid(std::string(16, '\x22'));
  endpoint.set_namespace_("shop");
  endpoint.set_name("cart-1");
  endpoint.add_addresses()->set_ip(std::string("\x0a\x01\x01\x05", 4));
  return object;
}

Json Parsed(const Event& event, std::optional<PreviousEvent> previous = std::nullopt) {
  return Json::parse(EventText(event, previous));
}

TEST(EventTest, AChangeIsACloudEvent) {
  const std::vector<Event> events = EventsOf(BatchOf({UpsertOf(NamespaceObject("x")), UpsertOf(Endpoint())}));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].subject, "trivium.v1.ev.aws.endpoint.shop.upsert");
  const Json json = Parsed(events[1], PreviousEvent{"aws:3:7:0", 7});
  EXPECT_EQ(json["specversion"], "1.0");
  EXPECT_EQ(json["id"], "aws:3:12:1");
  EXPECT_EQ(json["source"], "/trivium/clusters/aws");
  EXPECT_EQ(json["type"], "trivium.v1.endpoint.upsert");
  EXPECT_EQ(json["subject"], "22222222222222222222222222222222");
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.123456Z");
  EXPECT_EQ(json["epoch"], "3");
  EXPECT_EQ(json["revision"], "12");
  EXPECT_EQ(json["index"], 1);
  EXPECT_EQ(json["changes"], 2);
  EXPECT_EQ(json["previd"], "aws:3:7:0");
  EXPECT_EQ(json["prevrevision"], "7");
  EXPECT_EQ(json["actor"], "aws:ctl:admin");
  EXPECT_EQ(json["data"]["kind"], "Endpoint");
  EXPECT_EQ(json["data"]["metadata"]["resourceVersion"], "12");
  EXPECT_EQ(json["data"]["spec"]["addresses"][0]["ip"], "10.1.1.5");
}

TEST(EventTest, WhatIsNotKnownOfThePreviousOneIsNotSaid) {
  const Json json = Parsed(EventsOf(BatchOf({UpsertOf(Endpoint())}))[0]);
  EXPECT_FALSE(json.contains("previd"));
  EXPECT_FALSE(json.contains("prevrevision"));
}

TEST(EventTest, ADeletionSaysWhatIsGoneInItsNamespace) {
  v1::Change endpoint = DeleteOf({v1::KIND_ENDPOINT, std::string(32, '2')});
  endpoint.mutable_object()->mutable_endpoint()->set_namespace_("shop");
  endpoint.mutable_object()->mutable_endpoint()->set_name("cart-1");
  const std::vector<Event> events =
      EventsOf(BatchOf({endpoint, DeleteOf({v1::KIND_POLICY, "CiliumNetworkPolicy/shop/db"}),
                        DeleteOf({v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy//all"}),
                        DeleteOf({v1::KIND_SERVICE, "shop/web"}),
                        DeleteOf({v1::KIND_BACKEND, "shop/web/00/http"}), DeleteOf({v1::KIND_NODE, "n1"}),
                        // As writers of before this wrote it.
                        DeleteOf({v1::KIND_ENDPOINT, std::string(32, '2')})}));
  std::vector<std::string> subjects;
  for (const Event& event : events) subjects.push_back(event.subject.substr(strlen("trivium.v1.ev.aws.")));
  EXPECT_THAT(subjects, testing::ElementsAre("endpoint.shop.delete", "policy.shop.delete", "policy._.delete",
                                             "service.shop.delete", "backend.shop.delete", "node._.delete",
                                             "endpoint._.delete"));
  const Json json = Parsed(events[0]);
  EXPECT_EQ(json["data"]["metadata"]["name"], "cart-1");
  EXPECT_EQ(json["data"]["metadata"]["namespace"], "shop");
  EXPECT_EQ(json["data"]["metadata"]["uid"], "22222222-2222-2222-2222-222222222222");
  EXPECT_FALSE(json["data"].contains("spec"));
  EXPECT_EQ(Parsed(events[1])["data"]["kind"], "CiliumNetworkPolicy");
  EXPECT_EQ(Parsed(events[1])["data"]["metadata"]["name"], "db");
}

TEST(EventTest, NoNameWidensASubject) {
  for (const char* name : {"a.b", "*", ">", "a b", "", "_", "$x", "a=2eb", "\xc3\xa9", "a\nb", "_log"}) {
    v1::Object object = Endpoint();
    object.mutable_endpoint()->set_namespace_(name);
    const std::string subject = EventsOf(BatchOf({UpsertOf(object)}))[0].subject;
    EXPECT_TRUE(SubjectMatches("trivium.v1.ev.aws.endpoint.*.upsert", subject)) << subject;
    EXPECT_TRUE(IsLiteralSubject(subject)) << subject;
  }
  std::set<std::string> tokens;
  for (const char* name : {"a.b", "a=2eb", "", "_", "=5f", "a-b", "a_b"}) tokens.insert(EventToken(name));
  EXPECT_EQ(tokens.size(), 7u);  // different names stay different
  EXPECT_EQ(EventToken("a-b_c9"), "a-b_c9");
}

TEST(EventTest, EveryKindsEventsKeepToTheirSchema) {
  RandomHistory history({"aws", 1, 1}, {}, 11);
  int checked = 0;
  for (int i = 0; i < 30; ++i) {
    const CommitRequest request = history.Next(40);
    for (const Event& event : EventsOf(request.batch)) {
      const std::string kind = event.attributes["dataschema"].get<std::string>();
      for (const v1::Kind one : json::AllObjectKinds()) {
        if (json::EventSchemaId(KindName(one)) != kind) continue;
        const Json json = Parsed(event, PreviousEvent{"aws:1:1:0", 1});
        EXPECT_THAT(JsonBreaches(json::EventSchema(one), json), IsEmpty()) << json.dump(2);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 600);
  for (const char* marker : {"begin", "epoch", "lost"}) {
    const Json json = Parsed(MarkerOf("aws", {3, 9, 0, 0, {}, marker}, EventPosition{2, 8}, "why", 5));
    EXPECT_THAT(JsonBreaches(json::LogEventSchema(), json), IsEmpty()) << json.dump(2);
    EXPECT_EQ(json["id"], absl::StrCat("aws:3:9:", marker));
    EXPECT_EQ(json["data"]["previousrevision"], "8");
  }
}

TEST(EventTest, WhatIsTooLargeComesWithoutItsSpecAndSaysSo) {
  const Event event = EventsOf(BatchOf({UpsertOf(Endpoint())}))[0];
  const std::string whole = EventText(event, std::nullopt);
  const Json json = Json::parse(EventText(event, std::nullopt, whole.size() - 1));
  EXPECT_EQ(json["dataomitted"], absl::StrCat(whole.size()));
  EXPECT_FALSE(json["data"].contains("spec"));
  EXPECT_EQ(json["data"]["metadata"]["name"], "cart-1");
  EXPECT_THAT(JsonBreaches(json::EventSchema(v1::KIND_ENDPOINT), json), IsEmpty());
  EXPECT_FALSE(Json::parse(EventText(event, std::nullopt, whole.size())).contains("dataomitted"));
}

TEST(EventTest, BytesThatAreNoTextDoNotThrow) {
  v1::Object object = Endpoint();
  object.mutable_endpoint()->set_name("\xff\xfe");
  EXPECT_FALSE(EventText(EventsOf(BatchOf({UpsertOf(object)}))[0], std::nullopt).empty());
}

TEST(EventTest, AnIdIsACursor) {
  for (const EventPosition& position :
       {EventPosition{3, 12, 4, 9, Id128{7, 8}, ""}, EventPosition{3, 12, 0, 0, Id128{}, "lost"},
        EventPosition{1, 0, 0, 0, Id128{}, "begin"}, EventPosition{4, 5, 0, 0, Id128{}, "epoch"}}) {
    const auto back = ParseEventPosition("aws", EventId("aws", position), absl::StrCat(position.changes),
                                         position.batch.IsZero() ? "" : position.batch.ToHex());
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, position);
  }
  for (const char* id :
       {"", "gcp:3:12:0", "aws:3:12", "aws:3:12:9", "aws:x:12:0", "aws:3:12:end", "a:b:c:d:e"}) {
    EXPECT_EQ(ParseEventPosition("aws", id, "9", "").status().code(), Code::kDataLoss) << id;
  }
  EXPECT_FALSE(ParseEventPosition("aws", "aws:3:12:0", "", "").ok());
  EXPECT_FALSE(ParseEventPosition("aws", "aws:3:12:0", "1", "zz").ok());
}

}  // namespace
}  // namespace trivium
