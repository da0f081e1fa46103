// Those who ask the mesh for something: people with triviumctl, and the CNI plugin of each node. They repeat
// what was not answered, with the same request id, as the real ones do. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/site.h"
#include "tests/sim/verdicts.h"

namespace trivium::sim {

inline constexpr uint32_t kNamespaces = 2;
std::string NamespaceName(uint32_t number);
std::string NamespaceManifest(uint32_t number, uint32_t labels);

// Somebody with triviumctl in one cluster.
class Person {
 public:
  struct Request {
    Id128 id;
    std::string verb;
    v1::Request message;
    bool answered = false;
    v1::Reply reply;
  };
  // `on_answer` sees each request when its answer comes.
  Person(Surroundings* around, uint32_t cluster, std::function<void(const Request&)> on_answer);

  void Ask(const std::string& verb, v1::Request message);
  const std::deque<Request>& requests() const { return requests_; }
  bool idle() const { return open_ == 0; }
  const std::string& client() const { return client_; }

 private:
  void Send(size_t index);
  void OnReply(size_t index, const absl::StatusOr<std::string>& bytes);

  const uint32_t cluster_;
  const std::string principal_;
  const std::string client_;
  SimExecutor* const executor_;
  SimRandom random_;
  const std::function<void(const Request&)> on_answer_;
  std::unique_ptr<FakeBus> bus_;
  std::deque<Request> requests_;
  size_t open_ = 0;
};

// The pods of one node, and who makes and removes them.
class Cni {
 public:
  Cni(Surroundings* around, AgentSite* site, uint32_t slots, Executor* executor);

  void Add(uint32_t slot, uint32_t look);
  // The same pod, with other labels; false if there is none.
  bool Relabel(uint32_t slot, uint32_t look);
  void Delete(uint32_t slot);
  // The agent's process is there anew.
  void OnStart();
  // All pods died with the machine; their removal is asked for.
  void OnPowerLoss();

  bool idle() const;
  // Those whose adding was asked for and whose removal was not answered.
  const std::vector<LocalPod>& pods() const { return pods_; }
  // Its adding was answered well, and its removal has not been asked for.
  bool Acknowledged(const Id128& uid) const;
  // Those of which nothing else has been asked since.
  std::vector<Id128> acknowledged() const;

 private:
  struct Order {
    bool add = false;
    LocalPod pod;
    std::string name;
    PodLook look;
  };
  struct Slot {
    std::deque<Order> orders;  // the first one is under way
    bool asked = false;        // of this run of the agent
    std::optional<Order> pod;
    bool acknowledged = false;
  };
  void Push(uint32_t slot);
  static v1::AgentRequest AddRequest(const Order& order);
  void Answered(uint32_t slot, uint64_t run, const v1::AgentReply& reply);
  void Next(uint32_t slot, absl::Duration delay);
  void Forget(uint32_t slot);
  void Remember();

  AgentSite* const site_;
  Executor* const executor_;
  SimRandom random_;
  std::vector<Slot> slots_;
  std::vector<LocalPod> pods_;
  uint32_t next_uid_ = 1;
};

}  // namespace trivium::sim
