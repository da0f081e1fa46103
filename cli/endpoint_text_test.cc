#include "cli/endpoint_text.h"

#include <gtest/gtest.h>

#include <string>

namespace trivium::cli {
namespace {

v1::LocalEndpoint Endpoint() {
  v1::LocalEndpoint endpoint;
  endpoint.set_uid(std::string(15, '\0') + "\x07");
  endpoint.set_namespace_("shop");
  endpoint.set_name("db");
  endpoint.set_number(7);
  endpoint.set_identity(300);
  endpoint.add_ips(std::string("\x0a\x01\x01\x05", 4));
  endpoint.set_ifname("lxcdb");
  endpoint.set_ifindex(12);
  endpoint.set_state(v1::ENDPOINT_READY);
  endpoint.set_registered(true);
  endpoint.set_ingress_rule_set(3);
  return endpoint;
}

void Add(v1::EndpointMapsResult* maps, const char* map, const char* key, const char* desired,
         const char* kernel, const char* rule) {
  v1::EndpointMapsResult::Entry* entry = maps->add_entries();
  entry->set_map(map);
  entry->set_key(key);
  entry->set_desired(desired);
  entry->set_kernel(kernel);
  entry->set_rule(rule);
}

TEST(EndpointText, EveryFieldOnALine) {
  EXPECT_EQ(EndpointText(Endpoint(), Style()),
            R"(Name:        shop/db
UID:         00000000-0000-0000-0000-000000000007
Number:      7
Identity:    300
IP:          10.1.1.5
Device:      lxcdb (12)
State:       ready
Registered:  yes
Ingress:     rule set 3
Egress:      closed
Audit mode:  disabled
)");
  v1::LocalEndpoint audited = Endpoint();
  audited.set_policy_audit_mode(true);
  audited.set_state(v1::ENDPOINT_NOT_ENFORCED);
  audited.set_problem("map policy_verdict: full");
  const std::string text = EndpointText(audited, Style());
  EXPECT_NE(text.find("State:       not-enforced\n"), std::string::npos);
  EXPECT_NE(text.find("Audit mode:  enabled: judged and reported, not enforced\n"), std::string::npos);
  EXPECT_NE(text.find("Problem:     map policy_verdict: full\n"), std::string::npos);
}

TEST(EndpointText, MapsBesideWhatTheyShouldBe) {
  v1::EndpointMapsResult maps;
  *maps.mutable_endpoint() = Endpoint();
  Add(&maps, "endpoint_policy", "endpoint 7 egress", "rule set 4", "", "");
  Add(&maps, "policy_verdict", "rule set 3 class 1 protocol 6 port 5432/16", "allow", "allow",
      "NetworkPolicy/shop/db spec.ingress[0] of revision 12");
  maps.set_total(5);
  maps.set_differences(1);
  const std::string text = EndpointMapsText(maps, Style());
  EXPECT_EQ(text.substr(text.find("MAP ")),
            R"(MAP               KEY                                          DESIRED      KERNEL    RULE
endpoint_policy   endpoint 7 egress                            rule set 4   missing   <none>
policy_verdict    rule set 3 class 1 protocol 6 port 5432/16   allow        same      NetworkPolicy/shop/db spec.ingress[0] of revision 12

5 entries (2 shown), 1 differ
)");
  maps.set_differences(0);
  EXPECT_NE(EndpointMapsText(maps, Style()).find("no difference between desired and kernel"),
            std::string::npos);
}

}  // namespace
}  // namespace trivium::cli
