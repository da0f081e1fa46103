// Identities on a real database, with whole control planes that race: one number for one label set,
// references that a count confirms, and a namespace of 5,000 pods that is relabelled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "controlplane/app.h"
#include "controlplane/store/sql_store.h"
#include "controlplane/writer/addresses.h"
#include "schema/subjects.h"
#include "tests/db/sql_world.h"
#include "tests/support/fake_bus.h"

namespace trivium {
namespace {

// Control planes of one cluster on one thread, each with a store of its own: they race in the database.
class Fleet {
 public:
  Fleet(const SqlWorld& world, int instances) : broker_(&executor_, RealRandom()) {
    for (int i = 0; i < instances; ++i) {
      auto one = std::make_unique<One>();
      ControlPlaneConfig config;
      config.instance = absl::StrCat("cp", i);
      config.clusters = {ServedCluster{"aws", 1, "eu-west-2", 1, 0, {*ParseCidr("10.1.0.0/16")}}};
      absl::Notification started;
      executor_.RunAndWait([&] {
        one->store = std::make_unique<SqlStore>(StoreOn(world.options()), RealRandom());
        one->bus = broker_.Connect(config.Principal(), "eu-west-2");
        one->app = std::make_unique<App>(
            config, App::Drivers{one->store.get(), one->bus.get(), &executor_, RealClock(), RealRandom()});
        one->app->Start([&](const absl::Status& status) {
          EXPECT_TRUE(status.ok()) << status;
          started.Notify();
        });
      });
      started.WaitForNotification();
      all_.push_back(std::move(one));
    }
  }
  ~Fleet() {
    executor_.RunAndWait([this] {
      for (auto& one : all_) {
        one->app.reset();
        one->bus.reset();
        one->store.reset();
      }
    });
  }

  // From any thread; `answer` runs on the executor. What is refused for want of time or room is asked again.
  void Call(size_t instance, const std::string& principal, const std::string& verb, v1::Request request,
            std::function<void(const v1::Reply&)> answer) {
    if (request.request_id().empty()) request.set_request_id(RealRandom()->NewId().ToBytes());
    request.set_source("test/1");
    request.set_deadline_ms(120'000);
    executor_.Post([=, this] { Ask(instance, principal, verb, request, answer); });
  }
  v1::Reply CallAndWait(size_t instance, const std::string& principal, const std::string& verb,
                        v1::Request request) {
    v1::Reply out;
    absl::Notification done;
    Call(instance, principal, verb, std::move(request), [&](const v1::Reply& reply) {
      out = reply;
      done.Notify();
    });
    done.WaitForNotification();
    return out;
  }
  bool Settled() {
    bool settled = false;
    executor_.RunAndWait([&] {
      settled = std::all_of(all_.begin(), all_.end(),
                            [](const auto& one) { return one->app->cluster()->mover().settled(); });
    });
    return settled;
  }
  uint64_t lost_races() {
    uint64_t lost = 0;
    executor_.RunAndWait([&] {
      for (const auto& one : all_) lost += one->app->cluster()->writer()->counters().lost_races;
    });
    return lost;
  }
  size_t size() const { return all_.size(); }

 private:
  struct One {
    std::unique_ptr<SqlStore> store;
    std::unique_ptr<FakeBus> bus;
    std::unique_ptr<App> app;
  };

  void Ask(size_t instance, const std::string& principal, const std::string& verb, const v1::Request& request,
           const std::function<void(const v1::Reply&)>& answer) {
    all_[instance]->app->cluster()->api()->Handle(
        subjects::Api("aws", principal, verb), request.SerializeAsString(),
        [=, this](const v1::Reply& reply) {
          const auto code = static_cast<absl::StatusCode>(reply.code());
          // The same request id: what was done meanwhile is answered, not done twice.
          if (code != absl::StatusCode::kResourceExhausted && code != absl::StatusCode::kUnavailable &&
              code != absl::StatusCode::kDeadlineExceeded) {
            return answer(reply);
          }
          executor_.PostAfter(absl::Milliseconds(50),
                              [=, this] { Ask(instance, principal, verb, request, answer); });
        });
  }

  LoopExecutor executor_{"fleet"};
  FakeBroker broker_;
  std::vector<std::unique_ptr<One>> all_;
};

class IdentityRaceTest : public testing::Test {
 protected:
  void Begin(int instances) {
    fleet_ = std::make_unique<Fleet>(world_, instances);
    v1::Request node;
    node.mutable_register_node()->mutable_node()->set_name("n1");
    node.mutable_register_node()->mutable_node()->set_boot_id("boot");
    node.mutable_register_node()->mutable_node()->add_addresses(*ParseAddress("192.168.0.1"));
    ASSERT_EQ(fleet_->CallAndWait(0, "aws:node:n1", "register-node", node).code(), 0u);
    ASSERT_EQ(Label("blue").code(), 0u);
  }
  v1::Reply Label(const std::string& team) {
    v1::Request ns;
    ns.mutable_apply()->add_manifests()->set_text(absl::StrCat(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: ", team, "}}\n"));
    return fleet_->CallAndWait(0, "aws:ctl:alice", "apply", ns);
  }
  // `pods` endpoints of `sets` label sets, all asked for at once; the identities of each set.
  std::map<int, std::set<uint32_t>> AddAll(int pods, int sets) {
    std::map<int, std::set<uint32_t>> identities;  // touched on the executor alone until all are answered
    absl::BlockingCounter left(pods);
    for (int i = 0; i < pods; ++i) {
      v1::Request request;
      v1::AddEndpointRequest* add = request.mutable_add_endpoint();
      add->set_uid(Id128{1, static_cast<uint64_t>(i) + 1}.ToBytes());
      add->set_namespace_("shop");
      add->set_name(absl::StrCat("pod-", i));
      add->set_node("n1");
      (*add->mutable_labels())["app"] = absl::StrCat("app-", i % sets);
      add->add_ips(*ParseAddress(absl::StrCat("10.1.", 1 + i / 250, ".", 1 + i % 250)));
      fleet_->Call(static_cast<size_t>(i) % fleet_->size(), "aws:node:n1", "add-endpoint", std::move(request),
                   [&identities, &left, set = i % sets](const v1::Reply& reply) {
                     EXPECT_EQ(reply.code(), 0u) << reply.message();
                     identities[set].insert(reply.add_endpoint().identity().id());
                     left.DecrementCount();
                   });
    }
    left.Wait();
    return identities;
  }
  // One number of the database, as text.
  std::string Value(const std::string& query) const {
    return world_.Value(absl::StrCat("SELECT (", query, ")::TEXT"));
  }
  void ExpectAudited() const {
    EXPECT_EQ(Value("SELECT count(*) FROM admin_identity_audit"), "0");
    EXPECT_EQ(Value("SELECT sum(refs) FROM identities"), Value("SELECT count(*) FROM endpoints"));
    EXPECT_EQ(Value("SELECT count(*) FROM endpoints AS e LEFT JOIN identities AS i"
                    " ON i.cluster_id = e.cluster_id AND i.id = e.identity WHERE i.id IS NULL"),
              "0");
  }

  SqlWorld world_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(IdentityRaceTest, TenThousandRequestsOnEightInstancesMakeOneIdentityPerLabelSet) {
  Begin(8);
  // Held by nobody who is there, the lease keeps nobody from committing: all eight race.
  EXPECT_EQ(world_.Value("UPDATE writer_leases SET holder = 'ghost', fence = fence + 1, "
                         "expires_at = now() + INTERVAL '1 hour' RETURNING holder"),
            "ghost");
  constexpr int kPods = 10'000;
  constexpr int kSets = 500;
  const std::map<int, std::set<uint32_t>> identities = AddAll(kPods, kSets);
  ASSERT_EQ(identities.size(), static_cast<size_t>(kSets));
  std::set<uint32_t> all;
  for (const auto& [set, numbers] : identities) {
    EXPECT_EQ(numbers.size(), 1u) << "label set " << set;
    all.insert(numbers.begin(), numbers.end());
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(kSets)) << "two label sets share a number";
  EXPECT_EQ(Value("SELECT count(*) FROM identities"), absl::StrCat(kSets));
  EXPECT_EQ(Value("SELECT count(*) FROM endpoints"), absl::StrCat(kPods));
  EXPECT_EQ(Value("SELECT count(*) FROM identities WHERE refs <> 20"), "0");
  ExpectAudited();
  EXPECT_GT(fleet_->lost_races(), 0u) << "nobody raced";
}

// The audit finds what it is for.
TEST_F(IdentityRaceTest, TheAuditFindsAWrongCount) {
  Begin(1);
  AddAll(3, 1);
  ExpectAudited();
  MustRun(world_.As("postgres"), "UPDATE identities SET refs = refs + 1");
  EXPECT_EQ(Value("SELECT counted - found FROM admin_identity_audit"), "1");
}

TEST_F(IdentityRaceTest, ARelabelledNamespaceOfFiveThousandPodsMakesNoDuplicate) {
  Begin(2);
  constexpr int kPods = 5'000;
  constexpr int kSets = 10;
  AddAll(kPods, kSets);
  EXPECT_EQ(Value("SELECT count(*) FROM identities"), absl::StrCat(kSets));
  const std::string before = Value("SELECT max(revision) FROM change_log WHERE cluster_id = 1");
  ASSERT_EQ(Label("red").code(), 0u);
  while (!fleet_->Settled()) {
    // Waits for what the movers commit: each question is a round trip through their executor and the
    // database.
    EXPECT_EQ(Value("SELECT count(*) FROM admin_identity_audit"), "0");
  }
  EXPECT_EQ(Value("SELECT count(*) FROM identities"), absl::StrCat(2 * kSets));
  EXPECT_EQ(Value("SELECT count(*) FROM endpoints AS e JOIN identities AS i ON i.cluster_id = e.cluster_id"
                  " AND i.id = e.identity WHERE i.label_text LIKE '%team=red%'"),
            absl::StrCat(kPods));
  // In pieces that leave room for others.
  EXPECT_EQ(Value(absl::StrCat("SELECT count(*) FROM change_log WHERE cluster_id = 1 AND changes > 300"
                               " AND revision > ",
                               before)),
            "0");
  ExpectAudited();
}

}  // namespace
}  // namespace trivium
