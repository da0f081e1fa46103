#include "cli/flow_view.h"

#include <gtest/gtest.h>

#include <string>

namespace trivium::cli {
namespace {

v1::FlowEvent Event() {
  v1::FlowEvent event;
  event.set_time_us(absl::ToUnixMicros(absl::FromUnixSeconds(1'700'000'000) + absl::Milliseconds(250)));
  event.set_verdict(v1::FlowEvent::DROPPED);
  event.set_reason(1);
  event.set_reason_name("policy denied: no rule allows it");
  event.set_direction(v1::Rule::INGRESS);
  event.set_endpoint("data/db");
  event.set_source("gcp/shop/web");
  event.set_source_identity(513);
  event.set_source_ip(std::string("\x0a\x02\x00\x05", 4));
  event.set_source_port(40000);
  event.set_destination("aws/data/db");
  event.set_destination_identity(300);
  event.set_destination_ip(std::string("\x0a\x01\x00\x06", 4));
  event.set_destination_port(5432);
  event.set_protocol(v1::PROTOCOL_TCP);
  event.set_revision(42);
  event.set_count(3);
  return event;
}

TEST(FlowLine, SaysWhoWhatAndWhy) {
  v1::FlowEvent event = Event();
  EXPECT_EQ(
      FlowLine(event, "n1", Style()),
      "22:13:20.250 n1 DROPPED ingress gcp/shop/web (513) 10.2.0.5:40000 -> aws/data/db (300) 10.1.0.6:5432 "
      "TCP x3: policy denied: no rule allows it (revision 42)");
  event.set_verdict(v1::FlowEvent::AUDITED);
  event.set_policy("CiliumNetworkPolicy data/db spec.ingressDeny[0]");
  event.clear_source();
  event.set_protocol(v1::PROTOCOL_ICMP);
  event.set_source_port(0);
  event.set_destination_port(8);
  event.set_count(1);
  EXPECT_EQ(
      FlowLine(event, "n1", Style()),
      "22:13:20.250 n1 AUDITED ingress ? (513) 10.2.0.5 -> aws/data/db (300) 10.1.0.6 ICMP type 8: policy "
      "denied: no rule allows it (CiliumNetworkPolicy data/db spec.ingressDeny[0], revision 42)");
}

TEST(FlowJson, IsOneObjectWithNodeAndCluster) {
  const Json json = FlowJson(Event(), "aws", "n1");
  EXPECT_EQ(json["node"], "n1");
  EXPECT_EQ(json["cluster"], "aws");
  EXPECT_EQ(json["verdict"], "DROPPED");
  EXPECT_EQ(json["sourceIp"], "10.2.0.5");
  EXPECT_EQ(json["destinationPort"], 5432);
}

TEST(FlowFilter, EachFieldNarrows) {
  const v1::FlowEvent event = Event();
  const auto admits = [&event](auto set) {
    FlowFilter filter;
    set(&filter);
    return filter.Admits(event);
  };
  EXPECT_TRUE(FlowFilter().Admits(event));
  for (const char* from : {"shop/web", "gcp/shop/web", "shop/", "10.2.0.5"}) {
    EXPECT_TRUE(admits([&](FlowFilter* f) { f->from = from; })) << from;
    EXPECT_FALSE(admits([&](FlowFilter* f) { f->to = from; })) << from;
  }
  EXPECT_FALSE(admits([](FlowFilter* f) { f->from = "aws/shop/web"; }));
  EXPECT_FALSE(admits([](FlowFilter* f) { f->from = "sho/"; }));
  EXPECT_TRUE(admits([](FlowFilter* f) { f->ns = "data"; }));
  EXPECT_FALSE(admits([](FlowFilter* f) { f->ns = "other"; }));
  EXPECT_TRUE(admits([](FlowFilter* f) { f->verdict = "dropped"; }));
  EXPECT_FALSE(admits([](FlowFilter* f) { f->verdict = "audited"; }));
  EXPECT_TRUE(admits([](FlowFilter* f) { f->protocol = "tcp"; }));
  EXPECT_FALSE(admits([](FlowFilter* f) { f->protocol = "udp"; }));
  EXPECT_TRUE(admits([](FlowFilter* f) { f->port = 5432; }));
  EXPECT_FALSE(admits([](FlowFilter* f) { f->port = 80; }));
}

}  // namespace
}  // namespace trivium::cli
