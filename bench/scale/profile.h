// The load profile: one cluster's population and what changes in it, drawn from a seed. Endpoints come, go
// and get other labels; now and then an identity appears or a policy changes. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "trivium/v1/rpc.pb.h"

namespace trivium::bench {

struct ProfileNode {
  std::string name;
  std::string network;  // 4 bytes
  uint32_t length = 24;
  uint32_t reserved = 16;  // of the network's last addresses: not for this load
};

class Profile {
 public:
  struct Options {
    std::vector<ProfileNode> nodes;
    int endpoints = 1000;
    int identities = 100;
    int policies = 20;
    uint64_t seed = 1;
  };
  // One request. `changes` is what it writes to the log as a rule.
  struct Operation {
    enum class Kind { kAdd, kRemove, kRelabel };
    std::string verb;
    v1::Request request;
    int changes = 1;
    std::vector<std::pair<Kind, size_t>> endpoints;  // what becomes of which
  };

  explicit Profile(Options options);

  // What makes the population: namespaces and policies, then endpoints.
  std::vector<Operation> Namespaces();
  bool populated() const { return static_cast<int>(standing_.size()) + adding_ >= options_.endpoints; }
  // One of the missing ones.
  Operation Populate();

  // The next request: of so many changes, or one changed policy. Endpoints in flight are left alone.
  Operation Next(int changes);
  // Its answer has come.
  void Done(const Operation& operation, bool ok);

 private:
  struct Endpoint {
    std::string uid;
    std::string name;
    size_t node = 0;
    uint32_t host = 0;
    int identity = 0;
  };

  uint64_t Draw(uint64_t below);
  std::string Bytes16();
  int DrawIdentity();
  size_t NewEndpoint(int identity);
  size_t TakeStanding();
  void Fill(const Endpoint& endpoint, v1::AddEndpointRequest* add) const;
  // Each adds one endpoint's fate to the operation.
  void Add(int identity, v1::AddEndpointRequest* add, Operation* operation);
  void Remove(v1::RemoveEndpointRequest* remove, Operation* operation);
  void Relabel(v1::AddEndpointRequest* add, Operation* operation);
  Operation Policy(int number);
  // Adds one endpoint's change as a request of its own, or to one of many; how many changes it writes.
  void One(Operation* operation);
  int One(Operation* operation, v1::ChangeEndpointsRequest* request);
  // What the next change of an endpoint is.
  enum class Draws { kAdd, kFreshIdentity, kRemove, kRelabel };
  Draws DrawChange();

  const Options options_;
  uint64_t state_;
  std::vector<Endpoint> all_;
  std::vector<size_t> standing_;             // acknowledged, nothing in flight
  std::vector<std::deque<uint32_t>> freed_;  // addresses, by node
  std::vector<uint32_t> next_host_;
  int adding_ = 0;
  int fresh_identities_ = 0;
  uint64_t policy_changes_ = 0;
};

}  // namespace trivium::bench
