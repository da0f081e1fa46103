#include "bench/scale/agents.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/random.h"
#include "base/status.h"
#include "bench/scale/events.h"
#include "bench/scale/memory_map_io.h"
#include "bpf/abi/types.h"
#include "bus/nats_bus.h"
#include "nodeagent/app.h"
#include "nodeagent/config.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/kernel_map_io.h"

namespace trivium::bench {
namespace {

// The way to the load generator. Some events go together: to write each, and to wake up who reads it, would
// cost as much as what it tells of. Thread-safe.
class EventPipe {
 public:
  explicit EventPipe(int fd) : fd_(fd) {}

  // It leaves when `executor` has done what it has to do now.
  void Tell(Executor* executor, const AppliedEvent& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(event);
    if (!std::exchange(posted_, true)) executor->Post([this] { Flush(); });
  }

 private:
  static constexpr size_t kAtOnce = PIPE_BUF / sizeof(AppliedEvent);

  void Flush() {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_ = false;
    for (size_t done = 0; done < events_.size(); done += kAtOnce) {
      const size_t bytes = std::min(kAtOnce, events_.size() - done) * sizeof(AppliedEvent);
      if (write(fd_, &events_[done], bytes) != static_cast<ssize_t>(bytes) && !std::exchange(told_, true)) {
        std::cerr << "agents: nobody reads the events\n";
      }
    }
    events_.clear();
  }

  const int fd_;
  std::mutex mutex_;
  std::vector<AppliedEvent> events_;
  bool posted_ = false;
  bool told_ = false;
};

// Passes everything on and tells when `vector` was written: an agent writes it last.
class WatchedMapIo final : public MapIo {
 public:
  WatchedMapIo(std::unique_ptr<MapIo> maps, uint32_t agent, Executor* executor, EventPipe* events)
      : maps_(std::move(maps)), agent_(agent), executor_(executor), events_(events) {}

  MapInfo Info(MapId map) const override { return maps_->Info(map); }
  MapWriteResult Update(MapId map, const MapRecords& records) override {
    MapWriteResult result = maps_->Update(map, records);
    if (map == MapId::kVector && result.ok()) {
      for (size_t i = 0; i < records.count(); ++i) Tell(records.key(i), records.value(i));
    }
    return result;
  }
  MapWriteResult Delete(MapId map, const MapRecords& keys) override { return maps_->Delete(map, keys); }
  absl::StatusOr<MapRecords> ReadAll(MapId map) override { return maps_->ReadAll(map); }

 private:
  void Tell(absl::string_view key, absl::string_view value) {
    vector_key k;
    vector_value v;
    std::memcpy(&k, key.data(), sizeof(k));
    std::memcpy(&v, value.data(), sizeof(v));
    events_->Tell(executor_, {agent_, k.cluster, v.epoch, v.revision, NowNs()});
  }

  const std::unique_ptr<MapIo> maps_;
  const uint32_t agent_;
  Executor* const executor_;
  EventPipe* const events_;
};

// Pods whose links nobody has: everything but packets.
class NoDevices final : public DeviceIo {
 public:
  absl::Status SetUpNode() override { return absl::OkStatus(); }
  absl::StatusOr<PodDevice> AttachPod(const PodDevice& device) override {
    PodDevice filled = device;
    filled.ifindex = ++last_ifindex_;
    filled.host_mac = std::string("\x02\0\0\0\0\x01", 6);
    attached_.push_back(device.ifname);
    return filled;
  }
  absl::Status RaisePod(const PodDevice&) override { return absl::OkStatus(); }
  absl::Status DetachPod(const PodDevice&) override { return absl::OkStatus(); }
  absl::Status SetOverlayRoutes(const std::vector<std::pair<std::string, int>>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> AttachedPods() override { return attached_; }

 private:
  uint32_t last_ifindex_ = 100;
  std::vector<std::string> attached_;
};

struct Agent {
  AgentConfig config;
  LoopExecutor* executor = nullptr;
  std::unique_ptr<NatsBus> bus;
  std::unique_ptr<Datapath> datapath;
  std::unique_ptr<WatchedMapIo> maps;
  NoDevices devices;
  std::unique_ptr<AgentApp> app;
};

absl::Status Load(const std::string& path, uint32_t number, bool kernel, EventPipe* events, Agent* agent) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(path));
  TRIVIUM_ASSIGN_OR_RETURN(agent->config, AgentConfig::Parse(text, path));
  std::unique_ptr<MapIo> maps;
  if (kernel) {
    DatapathOptions options;
    options.address_space = agent->config.address_space;
    TRIVIUM_ASSIGN_OR_RETURN(agent->datapath, Datapath::Load(options));
    maps = std::make_unique<KernelMapIo>(agent->datapath.get());
  } else {
    maps = std::make_unique<MemoryMapIo>();
  }
  agent->maps = std::make_unique<WatchedMapIo>(std::move(maps), number, agent->executor, events);
  NatsOptions nats;
  nats.servers = agent->config.nats.servers;
  nats.ca = agent->config.nats.ca;
  nats.cert = agent->config.nats.cert;
  nats.key = agent->config.nats.key;
  nats.principal = agent->config.Principal();
  TRIVIUM_ASSIGN_OR_RETURN(agent->bus, NatsBus::Create(nats));
  return absl::OkStatus();
}

absl::Status StartAgent(FileSync* file_sync, Agent* agent) {
  AgentApp::Deps deps;
  deps.executor = agent->executor;
  deps.clock = RealClock();
  deps.random = RealRandom();
  deps.files = RealFiles();
  deps.file_sync = file_sync;
  deps.bus = agent->bus.get();
  deps.maps = agent->maps.get();
  deps.devices = &agent->devices;
  deps.boot_id = "scale";
  absl::Status status;
  agent->executor->RunAndWait([&] {
    agent->app = std::make_unique<AgentApp>(agent->config, deps);
    status = agent->app->Start();
  });
  return Annotate(status, agent->config.node);
}

// The last addresses of the node's network: the load generator takes the first ones.
std::string PodAddress(const AgentConfig& config, int pod) {
  std::string ip = config.pod_cidrs.front().address();
  const uint32_t size = 1u << (32 - config.pod_cidrs.front().length());
  uint32_t host = size - 2 - static_cast<uint32_t>(pod);
  for (size_t i = ip.size(); i-- > 0; host >>= 8) ip[i] = static_cast<char>(ip[i] | (host & 0xff));
  return ip;
}

// Returns once they are there.
absl::Status AddPods(const std::vector<std::unique_ptr<Agent>>& agents, int pods) {
  absl::BlockingCounter left(static_cast<int>(agents.size()) * pods);
  std::mutex mutex;
  absl::Status status;
  for (const auto& owner : agents) {
    Agent* const agent = owner.get();
    for (int i = 0; i < pods; ++i) {
      v1::AgentRequest request;
      request.set_source("trivium-scale");
      request.set_deadline_ms(60'000);
      v1::EndpointAdd& add = *request.mutable_add();
      add.set_namespace_(absl::StrCat("load-", i % 10));
      add.set_name(absl::StrCat("local-", agent->config.node, "-", i));
      (*add.mutable_labels())["app"] = absl::StrCat("app-", i);
      (*add.mutable_labels())["tier"] = i % 2 == 0 ? "front" : "back";
      add.add_ips(PodAddress(agent->config, i));
      add.set_ifname(absl::StrCat("pod", i));
      add.set_pod_mac(std::string("\x02\0\0\0\0\x02", 6));
      agent->executor->Post([agent, request, &left, &mutex, &status] {
        agent->app->Handle(request, [agent, &left, &mutex, &status](v1::AgentReply reply) {
          if (reply.code() != 0) {
            const std::lock_guard<std::mutex> lock(mutex);
            status.Update(absl::InternalError(absl::StrCat(agent->config.node, ": ", reply.message())));
          }
          left.DecrementCount();
        });
      });
    }
  }
  left.Wait();
  return status;
}

}  // namespace

absl::Status RunAgents(const AgentsOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread
  std::signal(SIGPIPE, SIG_IGN);

  const int events = open(options.events.c_str(), O_WRONLY | O_CLOEXEC);
  if (events < 0) return absl::NotFoundError(absl::StrCat(options.events, ": ", std::strerror(errno)));
  EventPipe event_pipe(events);
  const std::vector<std::string>& files = options.agents;
  int threads = options.executors;
  if (threads <= 0) {
    threads =
        std::min<int>(static_cast<int>(files.size()), static_cast<int>(std::thread::hardware_concurrency()));
  }
  std::vector<std::unique_ptr<LoopExecutor>> executors;
  for (int i = 0; i < threads; ++i) {
    executors.push_back(std::make_unique<LoopExecutor>(absl::StrCat("agents-", i)));
  }
  std::optional<ThreadFileSync> file_sync(std::in_place, RealFiles());
  std::vector<std::unique_ptr<Agent>> agents;
  absl::Status status;
  for (size_t i = 0; i < files.size() && status.ok(); ++i) {
    agents.push_back(std::make_unique<Agent>());
    agents.back()->executor = executors[i % executors.size()].get();
    status = Load(absl::StrCat(options.mesh, "/agent/", files[i], ".yaml"), static_cast<uint32_t>(i),
                  options.kernel, &event_pipe, agents.back().get());
    if (status.ok()) status = StartAgent(&*file_sync, agents.back().get());
  }
  if (status.ok()) status = AddPods(agents, options.pods);
  if (status.ok()) {
    std::cout << "ready" << std::endl;
    int signal = 0;
    sigwait(&signals, &signal);
  }
  for (const auto& agent : agents) {
    if (agent->app != nullptr) agent->executor->RunAndWait([&] { agent->app.reset(); });
  }
  for (const auto& agent : agents) agent->bus.reset();
  file_sync.reset();
  executors.clear();
  close(events);
  return status;
}

}  // namespace trivium::bench
