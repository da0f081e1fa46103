// The endpoints of this node: from the request to a link that is up, and back. Not thread-safe: everything
// runs on the executor.
//
// Adding: keep it durably, attach the programs while the link is down, give it a closed entry, register it
// with the control plane, wait until the mirror holds that revision and its policy stands in the maps, raise
// the link, answer. With the control plane out of reach: an identity of the same labels that the mirror
// knows, or locked down; it is registered later by itself. Removing: close it first, detach, forget it, tell
// the control plane (until it has heard).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/endpoint/control_client.h"
#include "nodeagent/endpoint/device_io.h"
#include "nodeagent/endpoint/endpoint_store.h"
#include "replica/replica.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

class EndpointManager {
 public:
  struct Options {
    std::string cluster;
    std::string node;
    uint32_t space = 0;
    std::vector<v1::Cidr> pod_cidrs;  // of this node; empty: not checked here
    bool policy_audit_mode = false;   // of every endpoint, whatever it says itself
  };
  struct Deps {  // none is owned
    Executor* executor = nullptr;
    const Clock* clock = nullptr;
    Random* random = nullptr;
    DeviceIo* devices = nullptr;
    Pipeline* pipeline = nullptr;
    ControlClient* control = nullptr;
    EndpointStore* store = nullptr;
  };
  struct Hooks {
    // Brings the maps to what is wanted soon; OnFlushed follows.
    std::function<void()> want_flush;
    // The own cluster's mirror, and whether it has caught up with a head since the start.
    std::function<const Replica*()> mirror;
    std::function<bool()> synced;
    // This node is registered: before, no endpoint can be.
    std::function<bool()> node_registered;
  };
  using Done = std::function<void(v1::AgentReply)>;

  EndpointManager(Options options, Deps deps, Hooks hooks);
  EndpointManager(const EndpointManager&) = delete;
  EndpointManager& operator=(const EndpointManager&) = delete;

  // Takes up the endpoints of an earlier run: their programs are attached anew (an upgrade), their links stay
  // as they are. Fails only if the file is damaged or unreadable.
  absl::Status Load();

  // `done` runs exactly once, unless this is destroyed first. `deadline`: how long the caller waits.
  void Add(const v1::EndpointAdd& spec, absl::Duration deadline, Done done);
  void Del(const v1::EndpointDel& what, absl::Duration deadline, Done done);
  // What people set of one endpoint, kept over restarts. Answered when it stands in the maps.
  void Config(const v1::EndpointConfig& config, Done done);
  v1::EndpointListResult List() const;
  // By its number if that is not 0, else by namespace and name. kNotFound, kInvalidArgument.
  absl::StatusOr<v1::LocalEndpoint> Find(uint32_t number, const std::string& ns,
                                         const std::string& name) const;
  // "namespace/name" and identity of the endpoint with that number or address; empty if there is none.
  struct Who {
    std::string name;
    uint32_t identity = 0;
  };
  Who WhoIs(uint32_t number) const;
  Who WhoHas(absl::string_view ip) const;
  // How many are audited, as the maps have it.
  uint32_t audited() const;
  size_t size() const { return endpoints_.size(); }
  std::vector<std::string> Problems() const;

  // The mirror moved on, and the maps were brought up to date as far as `report` says.
  void OnFlushed(const FlushReport& report);
  // It caught up, the node got registered, or some time has passed.
  void OnProgress();

 private:
  struct Waiter {
    Done done;
    Executor::TimerId timer = Executor::kNoTimer;
  };
  struct Endpoint {
    v1::EndpointAdd spec;
    Id128 uid;
    uint32_t number = 0;
    bool audit = false;
    PodDevice device;
    bool attached = false;
    bool raised = false;
    uint32_t fallback = 0;  // as Pipeline::LocalEndpoint has it
    std::string fallback_form;
    v1::EndpointState state = v1::ENDPOINT_STARTING;
    std::string problem;
    std::vector<Waiter> waiters;

    bool calling = false;        // a registration request is under way
    bool must_register = false;  // the control plane must (again) hear of it
    bool offline = false;        // it has been out of reach for too long to wait
    uint64_t epoch = 0;          // of the revision that holds it, as answered
    uint64_t revision = 0;
    Id128 request_id;
    absl::Duration not_before;  // Clock::Monotonic: the next attempt to register
    std::unique_ptr<Backoff> backoff;
  };
  using ById = std::map<Id128, std::unique_ptr<Endpoint>>;

  static std::string NameOf(const v1::EndpointAdd& spec) { return spec.namespace_() + "/" + spec.name(); }
  static v1::AgentReply ReplyOf(const absl::Status& status);

  absl::Status Check(const v1::EndpointAdd& spec) const;
  Endpoint* FindByName(const std::string& ns, const std::string& name);
  absl::Status Save();
  absl::Status Attach(Endpoint* endpoint);
  void Want(const Endpoint& endpoint);
  void Wait(Endpoint* endpoint, absl::Duration deadline, Done done);
  void Register(Endpoint* endpoint);
  void OnRegistered(const Id128& uid, absl::StatusOr<v1::Reply> reply);
  void RegisterLater(Endpoint* endpoint);
  void GoOffline(Endpoint* endpoint);
  // Falls back on the mirrored identity with this endpoint's labels and ports, if there is one.
  void UseKnownIdentity(Endpoint* endpoint) const;
  // What the log holds for this node and nobody here knows is told to be gone: a registration that came late,
  // a removal that a restored database has forgotten.
  void RemoveStrays();
  // Moves the endpoint on as far as it can go now.
  void Progress(Endpoint* endpoint);
  // Whether every endpoint runs as it should and nothing else is open.
  bool Settled() const;
  void Raise(Endpoint* endpoint, v1::EndpointState state);
  void Answer(Endpoint* endpoint, const absl::Status& status);
  // Takes it out of maps and devices; it is not in endpoints_ any more.
  void Close(std::unique_ptr<Endpoint> endpoint, std::function<void(absl::Status)> closed);
  void Unregister(const Id128& uid);
  v1::LocalEndpoint Describe(const Endpoint& endpoint) const;
  absl::StatusOr<const Endpoint*> Lookup(uint32_t number, const std::string& ns,
                                         const std::string& name) const;
  void AnswerConfigured();
  void After(absl::Duration delay, std::function<void()> task);

  const Options options_;
  const Deps deps_;
  const Hooks hooks_;
  ById endpoints_;
  bool unsaved_ = false;            // the list on disk is an older one
  std::map<Id128, bool> removed_;   // not yet told to the control plane; true: being told
  std::map<Id128, Position> told_;  // removals that the control plane has done and the mirror not yet seen
  std::map<Id128, std::vector<std::function<void(absl::Status)>>> removal_waiters_;
  struct Closing {
    PodDevice device;
    std::function<void(absl::Status)> closed;
  };
  std::vector<Closing> closing_;  // until the next flush
  struct Configured {
    Id128 uid;
    Done done;
  };
  std::vector<Configured> configured_;  // until the next flush
  Backoff removal_backoff_;
  std::string flush_problem_;
  // Pipeline::local_changes when all was settled: as long as it stays there, a flush has nothing to move on.
  std::optional<uint64_t> settled_at_;
  Alive alive_;
};

}  // namespace trivium
