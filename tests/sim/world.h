// One schedule: the mesh of Plan::shape on simulated machines, its events, and what must hold after every
// step and in the end. One thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/agent_watch.h"
#include "tests/sim/history.h"
#include "tests/sim/network.h"
#include "tests/sim/plan.h"
#include "tests/sim/site.h"
#include "tests/sim/workload.h"

namespace trivium::sim {

// What a test of the simulation itself breaks, to see that it is found.
enum class Sabotage {
  kNone,
  kForgottenCommit,  // now and then the database answers OK and keeps nothing
  kLostMapWrite,     // now and then a map write is said to be done and is not
};

struct Outcome {
  std::string failure;  // empty: all held
  uint64_t trace = 0;
  uint64_t steps = 0;
  uint64_t commits = 0;
  uint64_t map_writes = 0;
  uint64_t flows_judged = 0;
  size_t most_waiting = 0;
  size_t heap_bytes = 0;  // at its largest
  absl::Duration virtual_time;
  absl::Duration to_converge;
  Coverage coverage;
};

class World {
 public:
  World(Plan plan, Sabotage sabotage);
  ~World();
  Outcome Run();

 private:
  void Apply(const Event& event);
  void Ask(uint32_t cluster, const std::string& verb, v1::Request request);
  void AskDelete(uint32_t cluster, const std::string& kind, const std::string& ns, const std::string& name);
  void Crash(Site* site, absl::Duration down);
  void StartLater(Site* site, absl::Duration delay);
  void AfterTask(uint32_t process);
  void CheckReplica(uint32_t process, const Replica& replica, bool remote);
  void CheckBounds(Site* site);
  void CheckHeap();
  // Whoever was told that it is done finds it in the log.
  void CheckAnswer(uint32_t cluster, const Person::Request& request);
  // Nobody removes a pod that its node has, and was told that it has.
  void CheckRemovals(const std::string& cluster, const CommitRequest& request);
  void Gasp(Site* site, absl::Duration left, absl::Duration every);
  void CutClient(Site* site, absl::Duration lasts);
  std::string ComparePods(size_t agent);
  std::string CompareReports(size_t agent);
  void Heal();
  // What restores and deletions took from the pods that are there, people make again.
  void MakeNamespaces();
  // Empty: all are at the head and everything is as it should be. Else what is not.
  std::string NotConverged();
  void CheckEnd();
  void Fail(std::string what);
  void Backup();
  void Restore();
  void MoveLease(const Event& event);
  void Later(absl::Duration delay, std::function<void()> task);

  const Plan plan_;
  Coverage coverage_;
  Scheduler scheduler_;
  SimRandom luck_;
  SimRandom broker_random_;
  SimExecutor* const director_;
  SimExecutor* const network_executor_;
  SimExecutor* const server_;
  History history_;
  std::unique_ptr<FakeBroker> broker_;
  Surroundings around_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<ControlPlaneSite>> control_planes_;
  std::vector<std::unique_ptr<AgentSite>> agents_;
  std::vector<std::unique_ptr<SubscriberSite>> subscribers_;
  std::vector<Site*> sites_;
  std::vector<std::unique_ptr<AgentWatch>> watches_;
  std::vector<std::unique_ptr<Cni>> cnis_;
  std::vector<std::unique_ptr<Person>> people_;
  std::vector<AgentSite*> nodes_;
  // What was last seen in each process, of its present run, log by log.
  struct Seen {
    uint64_t run = 0;
    std::array<Position, kClusters + 1> at;
  };
  std::vector<Seen> seen_;
  std::map<uint32_t, absl::Duration> restart_after_;  // by process: once it dies by itself
  SimClock admin_clock_{&scheduler_};
  std::unique_ptr<FakeStore> admin_;
  FakeDatabase::Rows backup_;
  bool has_backup_ = false;
  std::set<const Record*> undone_;  // by a restore
  bool calm_ = false;               // faults are over
  absl::Duration start_;
  uint64_t give_ups_ = 0;
  std::string last_give_up_;
  std::string failure_;
  Outcome outcome_;
};

}  // namespace trivium::sim
