#include "cli/trace_text.h"

#include <gtest/gtest.h>

#include <string>

namespace trivium::cli {
namespace {

void AddLabel(google::protobuf::RepeatedPtrField<v1::Label>* labels, const char* key, const char* value) {
  v1::Label* label = labels->Add();
  label->set_key(key);
  label->set_value(value);
}

v1::TraceDirection::Rule Rule(const char* origin, const char* action, const char* reason) {
  v1::TraceDirection::Rule rule;
  rule.set_policy_cluster("gcp");
  rule.set_kind("NetworkPolicy");
  rule.set_namespace_("data");
  rule.set_name("db");
  rule.set_origin(origin);
  rule.set_action(action);
  rule.set_reason(reason);
  return rule;
}

TEST(TraceText, SaysWhoWhatAndWhy) {
  v1::TraceRequest request;
  request.set_port(80);
  v1::TraceResult result;
  result.set_verdict("denied");
  result.set_from("aws/shop/web");
  result.set_from_identity(258);
  AddLabel(result.mutable_from_labels(), "k8s:app", "web");
  AddLabel(result.mutable_from_labels(), "k8s:io.kubernetes.pod.namespace", "shop");
  result.set_to("gcp/data/db");
  result.set_to_identity(513);
  result.mutable_egress()->set_verdict("allowed");
  result.mutable_egress()->set_reason("no policy selects the source: everything is allowed");
  v1::TraceDirection* ingress = result.mutable_ingress();
  ingress->set_verdict("denied");
  ingress->set_reason("a policy closes ingress of the destination, and no rule allows this");
  *ingress->add_selecting() = Rule("", "", "closes ingress");
  *ingress->add_would_allow() =
      Rule("spec.ingress[0]", "allow", "the source matches, but the rule is for TCP/5432, not for TCP/80");
  v1::Head* head = result.add_at();
  head->set_cluster("aws");
  head->set_revision(318);
  head = result.add_at();
  head->set_cluster("gcp");
  head->set_revision(8);
  EXPECT_EQ(TraceText(request, result, Style()),
            R"(from:     aws/shop/web (identity 258; app=web)
to:       gcp/data/db (identity 513)
asked:    TCP/80
verdict:  denied

egress of the source: allowed
  no policy selects the source: everything is allowed

ingress of the destination: denied
  a policy closes ingress of the destination, and no rule allows this
  policies that select it:
    NetworkPolicy data/db: closes ingress
  what would have allowed it:
    NetworkPolicy data/db spec.ingress[0] (allow): the source matches, but the rule is for TCP/5432, not for TCP/80

as of revision 318 of aws, 8 of gcp
)");
  ingress->set_audit(true);
  EXPECT_NE(TraceText(request, result, Style()).find("denied (audit mode: passes, and is reported)"),
            std::string::npos);
}

TEST(TraceText, WhatWasAskedAndWhatDecided) {
  v1::TraceRequest request;
  request.set_protocol(v1::PROTOCOL_ICMP);
  request.set_port(8);
  v1::TraceResult result;
  result.set_verdict("allowed");
  result.mutable_egress()->set_verdict("allowed");
  result.mutable_ingress()->set_verdict("allowed");
  v1::TraceDirection::Rule* host = result.mutable_ingress()->add_decided_by();
  host->set_origin("built-in: node reaches its pods");
  host->set_action("allow");
  host->set_reason("the source is entity host; any port");
  const std::string text = TraceText(request, result, Style());
  EXPECT_NE(text.find("asked:    ICMP type 8\n"), std::string::npos);
  EXPECT_NE(text.find("    built-in: node reaches its pods (allow): the source is entity host; any port\n"),
            std::string::npos);
  request.set_port_name("web");
  EXPECT_NE(TraceText(request, result, Style()).find("asked:    port web\n"), std::string::npos);
}

}  // namespace
}  // namespace trivium::cli
