// `diff`, `policy diff` and `explain` as whole command lines.
#include "cli/commands_fixture.h"
#include "policy/parse.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

class DiffTest : public CommandsTest {
 protected:
  static std::string Policy(const std::string& port, const std::string& more = "") {
    return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" + more +
           "metadata: {name: db, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: db}}\n"
           "  ingress:\n  - ports: [{port: " +
           port + "}]\n";
  }
  // What the control plane holds after an apply of `text`.
  static v1::Reply Live(const std::string& text, bool with_manifest = true) {
    const auto parsed = policy::ParseManifests(text, policy::ParseContext{"f", "aws-euw2", "default"});
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    v1::Reply reply;
    v1::GetResult::Item& item = *reply.mutable_get()->add_items();
    *item.mutable_object()->mutable_object() = parsed->front().object;
    v1::Meta* meta = item.mutable_object()->mutable_object()->mutable_policy()->mutable_meta();
    meta->set_uid(std::string(16, '\x11'));
    meta->set_generation(4);
    if (with_manifest) item.set_manifest(parsed->front().text);
    return reply;
  }
};

TEST_F(DiffTest, WhatMeansTheSameDoesNotDiffer) {
  bus_.answers = {Says(Live(Policy("80")))};
  EXPECT_EQ(Run({"diff", "-f", "-"}, "# a comment\n" + Policy("80")), kExitOk) << err();
  EXPECT_EQ(out(), "");
  EXPECT_EQ(bus_.requests[0].get().kind(), "NetworkPolicy");
  EXPECT_EQ(bus_.requests[0].get().name(), "db");
  EXPECT_EQ(bus_.requests[0].get().namespace_(), "shop");
}

TEST_F(DiffTest, WhatDiffersIsShownAndIsExitOne) {
  bus_.answers = {Says(Live(Policy("80")))};
  const std::string file = Write("db.yaml", Policy("443"));
  EXPECT_EQ(Run({"diff", "-f", file}), 1) << err();
  EXPECT_EQ(
      out(),
      "--- live/networkpolicy.networking.k8s.io/shop/db\n+++ " + file +
          ":1\n"
          "@@ -6,7 +6,7 @@\n spec:\n   ingress:\n     - ports:\n-        - port: 80\n+        - port: 443\n"
          "   podSelector:\n     matchLabels:\n       app: db\n");
}

TEST_F(DiffTest, WhatIsNotThereYetIsAddedWhole) {
  bus_.answers = {Refuses(absl::StatusCode::kNotFound, "does not exist")};
  EXPECT_EQ(Run({"diff", "-f", "-"}, Policy("443")), 1) << err();
  EXPECT_THAT(out(), HasSubstr("@@ -0,0 +1,12 @@\n+apiVersion: networking.k8s.io/v1\n"));
}

TEST_F(DiffTest, WithoutAManifestWhatItMeansIsCompared) {
  bus_.answers = {Says(Live(Policy("80"), false))};
  EXPECT_EQ(Run({"diff", "-f", "-"}, Policy("443")), 1) << err();
  EXPECT_THAT(out(), HasSubstr("-              first: 80\n"));
  EXPECT_THAT(out(), HasSubstr("+              first: 443\n"));
}

TEST_F(DiffTest, FailuresAreMoreThanOne) {
  bus_.answers = {Fails(absl::UnavailableError("nobody"))};
  EXPECT_EQ(Run({"diff", "--timeout", "200ms", "-f", "-"}, Policy("80")), kExitUnreachable);
  EXPECT_EQ(Run({"diff", "-f", "-"}, "kind: x\n"), kExitUsage);
  EXPECT_EQ(Run({"diff", "-f", (folder_ / "none.yaml").string()}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("none.yaml"));
  bus_.answers = {Refuses(absl::StatusCode::kPermissionDenied, "no")};
  EXPECT_EQ(Run({"policy", "diff", "-f", "-"}, Policy("80")), kExitUsage);
}

TEST_F(DiffTest, PolicyDiffAsksOnceAndSaysWhetherAnythingChanges) {
  v1::Reply reply;
  v1::ApplyResult::Item* item = reply.mutable_policy_diff()->mutable_apply()->add_items();
  item->set_kind("NetworkPolicy");
  item->set_name("db");
  item->set_action("unchanged");
  bus_.answers = {Says(reply)};
  EXPECT_EQ(Run({"policy", "diff", "-n", "bank", "--max", "5", "-f", "-"}, Policy("80")), kExitOk) << err();
  EXPECT_EQ(out(), "networkpolicy.networking.k8s.io/db unchanged\nno connection would be judged otherwise\n");
  EXPECT_THAT(bus_.subjects[0], HasSubstr(".api.policy-diff"));
  const v1::PolicyDiffRequest& asked = bus_.requests[0].policy_diff();
  EXPECT_EQ(asked.manifests(0).text(), Policy("80"));
  EXPECT_EQ(asked.default_namespace(), "bank");
  EXPECT_EQ(asked.max_flows(), 5u);
  EXPECT_FALSE(asked.delete_());
  EXPECT_GT(bus_.requests[0].deadline_ms(), 5000u) << "it is not cut into attempts";

  v1::PolicyDiffFlow* flow = reply.mutable_policy_diff()->add_flows();
  flow->set_from("world");
  flow->set_to("aws shop app=db");
  flow->set_after("denied");
  item->set_kind("Namespace");
  item->set_action("configured");
  bus_.answers = {Says(reply)};
  EXPECT_EQ(Run({"policy", "diff", "--delete", "-f", "-", "-o", "json"}, Policy("80")), kExitDiffers)
      << err();
  EXPECT_TRUE(bus_.requests.back().policy_diff().delete_());
  EXPECT_THAT(out(), HasSubstr("\"from\": \"world\""));
  EXPECT_THAT(err(), HasSubstr("note: pods of a namespace whose labels change"));
}

TEST_F(DiffTest, Explain) {
  EXPECT_EQ(Run({"explain", "cnp.spec.egressDeny"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("FIELD: egressDeny  <[]Object>"));
  EXPECT_EQ(Run({"explain", "cnp.spec.egresDeny"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("did you mean 'egressDeny'?"));
}

}  // namespace
}  // namespace trivium::cli
