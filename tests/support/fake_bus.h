// A bus within one process, with the contract of the real one (tests/contract/bus_contract.h) and faults at
// will: for flow tests and the simulation. Deterministic if its executors and random source are.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "bus/bus.h"

namespace trivium {

class FakeBus;

// What all clients of one test are joined by. Thread-safe; must outlive nothing (clients share its state).
class FakeBroker {
 public:
  // Chances are per delivered copy, 0..1.
  struct Faults {
    double drop = 0;
    double duplicate = 0;
    double reorder = 0;  // held back by up to `reorder_by`, so that later ones overtake
    absl::Duration reorder_by = absl::Milliseconds(50);
    absl::Duration delay;  // of every copy
  };
  // Sees every copy on its way: false loses it.
  using Filter = std::function<bool(const std::string& from, const std::string& to, const Message&)>;

  // How long each copy of a message travels; none: it is lost. In the place of SetFaults.
  using Courier = std::function<std::vector<absl::Duration>(const std::string& from, const std::string& to,
                                                            const Message&)>;

  // Messages travel on `network`. Neither is owned; both must outlive broker and clients.
  FakeBroker(Executor* network, Random* random, size_t max_payload = 1024 * 1024);
  ~FakeBroker();

  // `name` takes the principal's place and must be new. Queue groups prefer members of the sender's region.
  std::unique_ptr<FakeBus> Connect(const std::string& name, const std::string& region = "");

  void SetFaults(Faults faults);
  void SetFilter(Filter filter);  // null: none
  void SetCourier(Courier courier);
  // Whether one client is heard by another at all, besides connections and partitions. Null: always.
  void SetReach(std::function<bool(const std::string& from, const std::string& to)> reach);
  // What may wait at each subscription made from now on.
  void SetBounds(size_t messages, size_t bytes);
  // A client that is down loses what is on its way to it, fails its requests, and cannot publish.
  void SetConnected(const std::string& name, bool connected);
  void SetAllConnected(bool connected);
  // Clients of different groups do not hear each other; who is in no group hears nobody outside "no group".
  void Partition(std::vector<std::set<std::string>> groups);
  void Heal();

  struct Counters {
    uint64_t published = 0;
    uint64_t delivered = 0;
    uint64_t lost = 0;
  };
  Counters counters() const;

 private:
  friend class FakeBus;
  struct State;
  std::shared_ptr<State> state_;
};

class FakeBus final : public Bus {
 public:
  ~FakeBus() override;
  FakeBus(const FakeBus&) = delete;
  FakeBus& operator=(const FakeBus&) = delete;

  absl::Status Publish(absl::string_view subject, absl::string_view payload) override;
  absl::Status Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                         Handler handler) override;
  void Request(const std::string& subject, std::string payload, absl::Duration timeout, Executor* executor,
               ReplyHandler on_reply) override;
  absl::Status Flush(absl::Duration timeout) override;
  void FlushAsync(absl::Duration timeout, Executor* executor,
                  absl::AnyInvocable<void(absl::Status)> done) override;
  void WatchState(Executor* executor, std::function<void(State)> on_change) override;
  void Rebuild() override;

  // Messages that found a subscription's bound reached.
  uint64_t dropped() const;

 private:
  friend class FakeBroker;
  struct Client;
  FakeBus(std::shared_ptr<FakeBroker::State> broker, std::shared_ptr<Client> client);

  std::shared_ptr<FakeBroker::State> broker_;
  std::shared_ptr<Client> client_;
};

}  // namespace trivium
