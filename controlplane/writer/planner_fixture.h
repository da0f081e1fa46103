// For tests of the planner: a cluster and a mesh in memory, where every request is its own revision.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/writer/addresses.h"
#include "controlplane/writer/plan_mesh.h"
#include "controlplane/writer/planner.h"
#include "schema/codec.h"
#include "schema/object.h"

namespace trivium {

// Counts: the same uids in every run.
class CountingRandom final : public Random {
 public:
  uint64_t Next() override { return ++next_; }

 private:
  uint64_t next_ = 0;
};

inline v1::Cidr MakeCidr(absl::string_view text) { return ParseCidr(text).value(); }
inline std::string MakeIp(absl::string_view text) { return ParseAddress(text).value(); }

// The state that a ClusterMirror has before revision 1.
inline void LoadEmpty(ClusterMirror* mirror, uint64_t epoch = 1) {
  v1::Snapshot snapshot;
  snapshot.mutable_head()->set_cluster(mirror->ref().name);
  snapshot.mutable_head()->set_epoch(epoch);
  snapshot.mutable_head()->set_batch(Id128().ToBytes());
  snapshot.mutable_head()->set_digest(Id128().ToBytes());
  ASSERT_TRUE(mirror->Load({snapshot}).ok());
}

// Plans with `plan(Draft*)` and makes what comes of it the mirror's next revision. Answers the changes.
template <typename Plan>
v1::Changes CommitPlan(ClusterMirror* mirror, Plan plan) {
  const Position at = mirror->position();
  Id128 digest;
  v1::Changes changes;
  {
    Draft draft(&mirror->mirror(), mirror->index(), at.revision + 1);
    plan(&draft);
    digest = draft.DigestAfter();
    changes = draft.ToChanges();
  }
  if (changes.changes().empty()) return changes;
  absl::StatusOr<Batch> batch =
      EncodeBatch(mirror->ref().name, at.epoch, at.revision + 1, at.batch, digest, changes);
  EXPECT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(mirror->Apply(*batch), Replica::Outcome::kApplied);
  return changes;
}

class PlannerTest : public testing::Test {
 protected:
  static constexpr char kCluster[] = "aws";

  PlannerTest()
      : mesh_(ClusterRef{kMeshCluster, 0, 0}, true),
        cluster_(ClusterRef{kCluster, 1, 7}, true),
        planner_(PlannerConfig{kCluster, 7, 3, {MakeCidr("10.1.0.0/16"), MakeCidr("fd00:1::/48")}},
                 &mesh_.mirror(), &random_) {
    LoadEmpty(&mesh_);
    LoadEmpty(&cluster_);
    LeaseBlock();
  }

  Caller CallerOf(absl::string_view role, absl::string_view name) {
    Caller caller;
    caller.principal = Principal{kCluster, std::string(role), std::string(name)};
    caller.source = "test/1";
    caller.request_id = random_.NewId();
    caller.time_us = 1'700'000'000'000'000;
    return caller;
  }
  Caller Ctl() { return CallerOf("ctl", "alice"); }
  Caller NodeCaller(absl::string_view name) { return CallerOf("node", name); }

  void LeaseBlock(uint32_t cluster_id = 7) {
    CommitPlan(&mesh_, [&](Draft* draft) {
      EXPECT_TRUE(PlanLeaseBlock(cluster_id, 1000, CallerOf("cp", "cp1"), &random_, draft).ok());
    });
  }

  // One request, one revision.
  absl::StatusOr<Planned> Do(const v1::Request& request, const Caller& caller) {
    absl::StatusOr<Planned> planned = absl::UnknownError("not planned");
    changes_ = CommitPlan(&cluster_, [&](Draft* draft) {
      planned = planner_.Plan(request, caller, draft);
      if (planned.ok()) return;
      EXPECT_TRUE(draft->empty()) << "a refused request left changes";
      EXPECT_EQ(draft->DigestAfter(), cluster_.mirror().digest());
    });
    return planned;
  }
  absl::StatusOr<Planned> Do(const v1::Request& request) { return Do(request, Ctl()); }

  static v1::Request Apply(const std::string& yaml, const std::string& ns = "") {
    v1::Request request;
    v1::Manifest* manifest = request.mutable_apply()->add_manifests();
    manifest->set_file("shop.yaml");
    manifest->set_text(yaml);
    request.mutable_apply()->set_default_namespace(ns);
    return request;
  }
  static v1::Request Delete(const std::string& kind, const std::string& ns, const std::string& name) {
    v1::Request request;
    request.mutable_delete_()->set_kind(kind);
    request.mutable_delete_()->set_namespace_(ns);
    request.mutable_delete_()->set_name(name);
    return request;
  }
  static std::string NamespaceYaml(const std::string& name, const std::string& labels = "{}") {
    return "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + name + "\n  labels: " + labels + "\n";
  }
  static std::string PolicyYaml(const std::string& ns, const std::string& name,
                                const std::string& app = "db") {
    return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: " + name +
           (ns.empty() ? std::string() : "\n  namespace: " + ns) +
           "\nspec:\n  podSelector:\n    matchLabels: {app: " + app + "}\n  policyTypes: [Ingress]\n";
  }
  static v1::Request Register(const std::string& node, const std::string& address,
                              const std::vector<std::string>& cidrs = {}) {
    v1::Request request;
    v1::Node* n = request.mutable_register_node()->mutable_node();
    n->set_name(node);
    n->set_boot_id("boot-1");
    n->add_addresses(MakeIp(address));
    for (const std::string& cidr : cidrs) *n->add_pod_cidrs() = MakeCidr(cidr);
    return request;
  }
  static std::string Uid(uint64_t n) { return Id128{0xe0, n}.ToBytes(); }
  static v1::Request Add(uint64_t uid, const std::string& ns, const std::string& name,
                         const std::string& node, const std::string& ip, const std::string& app = "web") {
    v1::Request request;
    v1::AddEndpointRequest* add = request.mutable_add_endpoint();
    add->set_uid(Uid(uid));
    add->set_namespace_(ns);
    add->set_name(name);
    add->set_node(node);
    (*add->mutable_labels())["app"] = app;
    add->add_ips(MakeIp(ip));
    return request;
  }
  static v1::Request Remove(uint64_t uid, const std::string& node) {
    v1::Request request;
    request.mutable_remove_endpoint()->set_uid(Uid(uid));
    request.mutable_remove_endpoint()->set_node(node);
    return request;
  }

  // Namespace shop, nodes n1 (10.1.1.0/24) and n2 (10.1.2.0/24).
  void MakeShop() {
    ASSERT_TRUE(Do(Apply(NamespaceYaml("shop", "{team: red}"))).ok());
    ASSERT_TRUE(Do(Register("n1", "192.168.0.1", {"10.1.1.0/24"}), NodeCaller("n1")).ok());
    ASSERT_TRUE(Do(Register("n2", "192.168.0.2", {"10.1.2.0/24"}), NodeCaller("n2")).ok());
  }

  const v1::Endpoint* FindEndpoint(uint64_t uid) const {
    const v1::Object* object = cluster_.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Id128{0xe0, uid}));
    return object == nullptr ? nullptr : &object->endpoint();
  }
  const v1::Identity& IdentityOf(uint64_t uid) const {
    return cluster_.mirror()
        .Find(v1::KIND_IDENTITY, std::to_string(FindEndpoint(uid)->identity()))
        ->identity();
  }

  CountingRandom random_;
  ClusterMirror mesh_;
  ClusterMirror cluster_;
  Planner planner_;
  v1::Changes changes_;  // of the last Do
};

MATCHER_P2(Refuses, code, text, "") {
  *result_listener << arg.status().ToString();
  return arg.status().code() == code && std::string(arg.status().message()).find(text) != std::string::npos;
}

}  // namespace trivium
