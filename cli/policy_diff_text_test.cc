#include "cli/policy_diff_text.h"

#include <gtest/gtest.h>

namespace trivium::cli {
namespace {

v1::PolicyDiffFlow* Add(v1::PolicyDiffResult* result, const std::string& from, v1::Protocol protocol,
                        uint32_t first, uint32_t last, bool now_allowed, const std::string& rule) {
  v1::PolicyDiffFlow* flow = result->add_flows();
  flow->set_from(from);
  flow->set_to("aws shop app=db");
  flow->set_to_identity(300);
  flow->set_direction(v1::Rule::INGRESS);
  flow->set_protocol(protocol);
  flow->set_first_port(first);
  flow->set_last_port(last);
  flow->set_before(now_allowed ? "denied" : "allowed");
  flow->set_after(now_allowed ? "allowed" : "denied");
  flow->set_after_rule(rule);
  flow->set_endpoints(2);
  return flow;
}

TEST(PolicyDiffTextTest, PeersWithTheSameChangeStandTogether) {
  v1::PolicyDiffResult result;
  v1::ApplyResult::Item* item = result.mutable_apply()->add_items();
  item->set_kind("NetworkPolicy");
  item->set_name("db");
  item->set_action("configured");
  for (const char* from : {"world", "192.0.2.0/24"}) {
    Add(&result, from, v1::PROTOCOL_ANY, 0, 65535, false, "");
    Add(&result, from, v1::PROTOCOL_ICMP, 0, 255, false, "");
  }
  Add(&result, "aws shop app=web", v1::PROTOCOL_TCP, 5432, 5432, true,
      "NetworkPolicy shop/db spec.ingress[0]");
  Add(&result, "aws shop app=web", v1::PROTOCOL_TCP, 8000, 8080, true,
      "NetworkPolicy shop/db spec.ingress[0]");
  v1::PolicyDiffFlow* egress = Add(&result, "aws shop app=db", v1::PROTOCOL_ICMPV6, 128, 129, false,
                                   "CiliumNetworkPolicy shop/x spec.egressDeny[0]");
  egress->set_to("host");
  egress->set_to_identity(1);
  egress->set_from_identity(300);
  egress->set_direction(v1::Rule::EGRESS);
  egress->set_endpoints(1);
  egress->set_before_rule("NetworkPolicy shop/db spec.egress[0]");
  result.set_more(7);
  EXPECT_EQ(PolicyDiffText(result, {}),
            "networkpolicy.networking.k8s.io/db configured\n"
            "\n"
            "to aws shop app=db (2 pods, ingress)\n"
            "  now denied    world; 192.0.2.0/24   TCP,UDP,SCTP, ICMP        no rule allows it\n"
            "  now allowed   aws shop app=web      TCP/5432, TCP/8000-8080   NetworkPolicy shop/db "
            "spec.ingress[0]\n"
            "\n"
            "from aws shop app=db (1 pod, egress)\n"
            "  now denied   host   ICMPv6 type 128-129   CiliumNetworkPolicy shop/x spec.egressDeny[0] (was: "
            "NetworkPolicy shop/db spec.egress[0])\n"
            "\n"
            "and 7 more changes\n");
}

TEST(PolicyDiffTextTest, NothingChangesAndMuchChanges) {
  v1::PolicyDiffResult result;
  EXPECT_EQ(PolicyDiffText(result, {}), "no connection would be judged otherwise\n");
  for (int i = 0; i < 9; ++i) Add(&result, std::to_string(i), v1::PROTOCOL_TCP, 1, 65535, true, "");
  EXPECT_NE(PolicyDiffText(result, {}).find("0; 1; 2; 3; 4; 5; and 3 more   TCP   no policy closes it\n"),
            std::string::npos)
      << PolicyDiffText(result, {});
}

}  // namespace
}  // namespace trivium::cli
