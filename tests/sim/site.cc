#include "tests/sim/site.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/cidr.h"

namespace trivium::sim {
namespace {

constexpr char kCopies[] = "/state/mirror/";

std::string Address(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
}

v1::Cidr Network(const std::string& address, uint32_t length) {
  v1::Cidr cidr;
  cidr.set_address(address);
  cidr.set_length(length);
  return cidr;
}

}  // namespace

Site::Site(Surroundings* around, uint32_t process, uint32_t cluster, std::string name)
    : around_(around),
      process_(process),
      cluster_(cluster),
      name_(std::move(name)),
      clock_(around->scheduler) {
  SimRandom random(around->seed, absl::StrCat("clock of ", name_));
  clock_.Jump(absl::Milliseconds(static_cast<int64_t>(random.Below(4000)) - 2000));
}

void Site::Start() {
  if (up()) return;
  ++runs_;
  client_ = absl::StrCat(name_, "#", runs_);
  executor_ = around_->scheduler->NewExecutor();
  life_ = std::make_unique<Life>(around_->coverage, around_->scheduler);
  life_->OnDeath([this] { OnDeath(); });
  random_ = std::make_unique<SimRandom>(around_->seed, client_);
  bus_ = around_->broker->Connect(client_, kClusterNames[cluster_]);
  mortal_bus_ = std::make_unique<MortalBus>(life_.get(), bus_.get());
  executor_->SetAfterTask([this] { around_->after_task(process_); });
  executor_->Post([this] { DoStart(); });
}

void Site::Kill() {
  if (!up()) return;
  life_->Die();
  DoKill();
  around_->coverage->Hit(Point::kReaderOverflow, bus_->dropped());
  mortal_bus_.reset();
  bus_.reset();
  executor_->Close();
  executor_ = nullptr;
}

ControlPlaneSite::ControlPlaneSite(Surroundings* around, uint32_t process, uint32_t cluster,
                                   uint32_t instance)
    : Site(around, process, cluster, absl::StrCat(kClusterNames[cluster], ":cp:cp", process)) {
  config_.instance = absl::StrCat(kClusterNames[cluster], "-", instance);
  config_.clusters = {ServedCluster{kClusterNames[cluster],
                                    cluster + 1,
                                    absl::StrCat("region-", cluster + 1),
                                    cluster + 1,
                                    0,
                                    {Network(Address(10, cluster + 1, 0, 0), 16)}}};
  config_.beacon_ms = 1000;
  // In some worlds a batch is planned ahead however little waits, in some an identity that nobody has goes at
  // once.
  if (SimRandom(around->seed, "plan ahead").Below(2) == 0) config_.plan_ahead_from = 1;
  if (SimRandom(around->seed, "identity grace").Below(4) == 0) config_.identity_grace_s = 1;
}

void ControlPlaneSite::DoStart() {
  store_ = std::make_unique<FakeStore>(around_->database, &clock_);
  store_->SetServer(around_->server, [this](const FakeStore::Operation& operation) {
    return around_->fate(process_, operation);
  });
  mortal_store_ = std::make_unique<MortalStore>(life_.get(), store_.get(), around_->forget_commit);
  app_ = std::make_unique<App>(
      config_, App::Drivers{mortal_store_.get(), mortal_bus_.get(), executor_, &clock_, random_.get()});
  app_->Start([this](const absl::Status& status) {
    serving_ = status.ok();
    failure_ = status;
  });
}

void ControlPlaneSite::DoKill() {
  app_.reset();
  mortal_store_.reset();
  store_.reset();
  serving_ = false;
  failure_ = absl::OkStatus();
}

AgentSite::AgentSite(Surroundings* around, uint32_t process, uint32_t cluster, uint32_t number)
    : Site(around, process, cluster, absl::StrCat(kClusterNames[cluster], ":node:n", number)),
      number_(number),
      luck_(around->seed, absl::StrCat("maps of ", process)) {
  config_.cluster = kClusterNames[cluster];
  config_.cluster_id = cluster + 1;
  config_.node = absl::StrCat("n", number);
  config_.zone = "z";
  config_.underlay_device = "eth0";
  config_.underlay_addresses = {Address(192, 168, cluster + 1, number)};
  config_.pod_cidrs = {Network(Address(10, cluster + 1, number, 0), 24)};
  config_.inner_addresses = {Address(10, cluster + 1, number, 1)};
  config_.state_dir = "/state";
  files_.SetGate([this](const std::string&, size_t bytes, size_t* torn) -> absl::Status {
    if (life_ == nullptr || life_->dead()) return absl::UnavailableError("dead");
    if (!life_->Effect(Point::kCrashAtFileWrite)) {
      *torn = luck_.Below(bytes + 1);
      if (*torn > 0) around_->coverage->Hit(Point::kFileAppendTorn);
      return absl::UnavailableError("dead");
    }
    if (!files_fail) return absl::OkStatus();
    around_->coverage->Hit(Point::kFileWriteFailed);
    *torn = luck_.Below(bytes + 1);
    return absl::ResourceExhaustedError("no space left on device");
  });
  MakeMaps();
}

void AgentSite::MakeMaps() {
  maps_ = std::make_unique<FakeMapIo>(kMapCapacity);
  maps_->SetFault([this](const FakeMapIo::Write&) {
    if (!life_->Effect(Point::kCrashAtMapWrite)) return true;
    if (maps_fail == 0 || !luck_.Chance(maps_fail)) return false;
    around_->coverage->Hit(Point::kMapWriteFailed);
    return trouble = true;
  });
  maps_->SetOnFull([this](MapId) {
    around_->coverage->Hit(Point::kMapFull);
    trouble = true;
  });
  maps_->SetObserver([this](const FakeMapIo::Write& write) {
    around_->scheduler->Note(HashOf(write.key, HashOf(write.value)));
    if (on_map_write != nullptr) on_map_write(write);
  });
}

std::string AgentSite::PodIp(uint32_t slot) const { return Address(10, cluster_ + 1, number_, 10 + slot); }

void AgentSite::DoStart() {
  devices_.SetFault(absl::OkStatus());
  AgentApp::Deps deps;
  deps.executor = executor_;
  deps.clock = &clock_;
  deps.random = random_.get();
  deps.files = &files_;
  deps.file_sync = &file_sync_;
  deps.bus = mortal_bus_.get();
  deps.maps = maps_.get();
  if (around_->lose_map_write != nullptr) {
    lying_maps_ = std::make_unique<LyingMapIo>(maps_.get(), around_->lose_map_write);
    deps.maps = lying_maps_.get();
  }
  deps.devices = &devices_;
  deps.boot_id = absl::StrCat("boot-", boots_);
  app_ = std::make_unique<AgentApp>(config_, std::move(deps));
  failure_ = app_->Start();
}

void AgentSite::DoKill() {
  app_.reset();
  failure_ = absl::OkStatus();
}

void AgentSite::OnDeath() { devices_.SetFault(absl::UnavailableError("dead")); }

void AgentSite::LosePower() {
  around_->coverage->Hit(Point::kPowerLoss);
  files_.LosePower(&luck_);
  MakeMaps();
  devices_ = FakeDeviceIo();
  ++boots_;
}

void AgentSite::KeepOldCopies() {
  old_copies_.clear();
  for (const auto& [path, bytes] : files_.contents()) {
    if (absl::StartsWith(path, kCopies)) old_copies_[path] = bytes;
  }
}

void AgentSite::SpoilCopies(uint32_t how) {
  FakeFiles::Contents& contents = files_.contents();
  if (how == 0) {
    around_->coverage->Hit(Point::kCopyLost);
    std::erase_if(contents, [](const auto& file) { return absl::StartsWith(file.first, kCopies); });
  } else if (how == 1) {
    for (auto& [path, bytes] : contents) {
      if (!absl::StartsWith(path, kCopies) || bytes.empty() || luck_.Chance(0.5)) continue;
      around_->coverage->Hit(Point::kCopyTorn);
      bytes.resize(luck_.Below(bytes.size()));
    }
  } else if (!old_copies_.empty()) {
    around_->coverage->Hit(Point::kCopyOld);
    std::erase_if(contents, [](const auto& file) { return absl::StartsWith(file.first, kCopies); });
    for (const auto& [path, bytes] : old_copies_) contents[path] = bytes;
  }
}

SubscriberSite::SubscriberSite(Surroundings* around, uint32_t process, uint32_t cluster, uint32_t number)
    : Site(around, process, cluster, absl::StrCat(kClusterNames[cluster], ":ev:s", number)) {}

void SubscriberSite::DoStart() {
  std::vector<std::string> clusters = {kMeshCluster};
  for (const char* cluster : kClusterNames) clusters.emplace_back(cluster);
  app_ = std::make_unique<Subscriber>(name_, clusters, mortal_bus_.get(), executor_, random_.get());
  app_->Start().IgnoreError();  // cut off at the start: heads show what is missing later
}

void SubscriberSite::DoKill() { app_.reset(); }

}  // namespace trivium::sim
