// The machines of the world, each with one process that dies and starts again: control planes, agents,
// subscribers. What outlives a process (disk, kernel, clock) is the site's. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "controlplane/app.h"
#include "nodeagent/app.h"
#include "tests/sim/life.h"
#include "tests/sim/plan.h"
#include "tests/sim/subscriber.h"
#include "tests/support/fake_bus.h"
#include "tests/support/fake_device_io.h"
#include "tests/support/fake_files.h"
#include "tests/support/fake_map_io.h"
#include "tests/support/fake_store.h"

namespace trivium::sim {

// What all sites share. Not owned.
struct Surroundings {
  uint64_t seed = 0;
  Scheduler* scheduler = nullptr;
  Coverage* coverage = nullptr;
  FakeBroker* broker = nullptr;
  std::shared_ptr<FakeDatabase> database;
  Executor* server = nullptr;  // of the database
  std::function<FakeStore::Fate(uint32_t process, const FakeStore::Operation&)> fate;
  // Sabotage (world.h); null: none.
  std::function<bool()> forget_commit;
  std::function<bool()> lose_map_write;
  // After each task of that process.
  std::function<void(uint32_t process)> after_task;
};

class Site {
 public:
  Site(Surroundings* around, uint32_t process, uint32_t cluster, std::string name);
  virtual ~Site() = default;
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  void Start();
  // As by SIGKILL.
  void Kill();
  bool up() const { return executor_ != nullptr; }
  uint32_t process() const { return process_; }
  uint32_t cluster() const { return cluster_; }
  const std::string& name() const { return name_; }
  // How the broker knows its present run.
  const std::string& client() const { return client_; }
  SimClock* clock() { return &clock_; }
  SimExecutor* executor() { return executor_; }
  Life* life() { return life_.get(); }
  uint64_t runs() const { return runs_; }

 protected:
  virtual void DoStart() = 0;
  virtual void DoKill() = 0;
  virtual void OnDeath() {}

  Surroundings* const around_;
  const uint32_t process_;
  const uint32_t cluster_;
  const std::string name_;
  SimClock clock_;
  uint64_t runs_ = 0;
  std::string client_;
  SimExecutor* executor_ = nullptr;
  std::unique_ptr<Life> life_;
  std::unique_ptr<SimRandom> random_;
  std::unique_ptr<FakeBus> bus_;
  std::unique_ptr<MortalBus> mortal_bus_;
};

class ControlPlaneSite final : public Site {
 public:
  ControlPlaneSite(Surroundings* around, uint32_t process, uint32_t cluster, uint32_t instance);
  ~ControlPlaneSite() override { Kill(); }
  App* app() { return app_.get(); }
  bool serving() const { return serving_; }
  // Why it gave up at start; it is to be started again.
  const absl::Status& failure() const { return failure_; }

 private:
  void DoStart() override;
  void DoKill() override;

  ControlPlaneConfig config_;
  std::unique_ptr<FakeStore> store_;
  std::unique_ptr<MortalStore> mortal_store_;
  std::unique_ptr<App> app_;
  bool serving_ = false;
  absl::Status failure_;
};

class AgentSite final : public Site {
 public:
  AgentSite(Surroundings* around, uint32_t process, uint32_t cluster, uint32_t number);
  ~AgentSite() override { Kill(); }
  AgentApp* app() { return app_.get(); }
  const AgentConfig& config() const { return config_; }
  FakeMapIo* maps() { return maps_.get(); }
  FakeFiles* files() { return &files_; }
  FakeDeviceIo* devices() { return &devices_; }
  const absl::Status& failure() const { return failure_; }
  std::string PodIp(uint32_t slot) const;  // 4 bytes

  // The machine starts anew: what was in the kernel and not on the disk is gone. Down only.
  void LosePower();
  // What its durable copies were at some earlier moment; down only. See Event::kSpoilCopy.
  void KeepOldCopies();
  void SpoilCopies(uint32_t how);

  static constexpr size_t kMapCapacity = 4096;
  double maps_fail = 0;     // share of map writes that fail
  bool files_fail = false;  // its disk takes nothing
  bool trouble = false;     // a map write has failed, or found no room, since somebody cleared this
  std::function<void(const FakeMapIo::Write&)> on_map_write;

 private:
  void DoStart() override;
  void DoKill() override;
  void OnDeath() override;
  void MakeMaps();

  const uint32_t number_;
  AgentConfig config_;
  SimRandom luck_;
  std::unique_ptr<FakeMapIo> maps_;
  std::unique_ptr<MapIo> lying_maps_;
  FakeFiles files_;
  FakeFileSync file_sync_{&files_};
  FakeFiles::Contents old_copies_;
  FakeDeviceIo devices_;
  int boots_ = 1;
  std::unique_ptr<AgentApp> app_;
  absl::Status failure_;
};

class SubscriberSite final : public Site {
 public:
  SubscriberSite(Surroundings* around, uint32_t process, uint32_t cluster, uint32_t number);
  ~SubscriberSite() override { Kill(); }
  Subscriber* app() { return app_.get(); }

 private:
  void DoStart() override;
  void DoKill() override;
  std::unique_ptr<Subscriber> app_;
};

}  // namespace trivium::sim
