// Hands one cluster's write requests to the control plane that holds its lease, and takes them back when that
// one is gone: then this process commits them itself. A request that both have in the end is done once, by
// its id (writer/request_memory.h).
//
// The holder is taken for dead when nobody serves its subject, when its lease has gone to another, or when
// nothing came from it for a while although something is asked: a busy one answers others meanwhile, and what
// it takes longer for is no reason to race with it.
//
// Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "controlplane/lease/lease_keeper.h"
#include "schema/subjects.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Forwarder {
 public:
  struct Options {
    absl::Duration patience = absl::Seconds(1);  // with a holder from which nothing comes
    absl::Duration distrust = absl::Seconds(2);  // until it is asked again
  };
  struct Counters {
    uint64_t sent = 0;
    uint64_t answered = 0;
    uint64_t taken_back = 0;  // committed here after all
  };
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;
  // Does the request here.
  using Local = absl::AnyInvocable<void(Answer)>;

  // `self` is this process as a principal of the cluster. No pointer is owned.
  Forwarder(Principal self, LeaseKeeper* leases, Bus* bus, Executor* executor, const Clock* clock,
            Options options);
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // A write of `who`, as it came. Exactly one of the two is called, once, at once or later: `answer` by the
  // holder's reply, or `local` with it.
  void Send(const Principal& who, std::string request, absl::Duration timeout, Answer answer, Local local);
  // From now on everything is done here, what is on its way too.
  void Stop();

  size_t waiting() const { return waiting_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  struct One {
    std::string holder;
    absl::Duration sent;
    Answer answer;
    Local local;
  };

  void OnReply(uint64_t id, const absl::StatusOr<std::string>& reply);
  void TakeBack(uint64_t id);
  void TakeBackAll();
  void Distrust();
  void Watch();

  const Principal self_;
  LeaseKeeper* const leases_;
  Bus* const bus_;
  Executor* const executor_;
  const Clock* const clock_;
  const Options options_;
  std::map<uint64_t, One> waiting_;  // in the order in which they were sent
  uint64_t next_id_ = 1;
  absl::Duration heard_ = -absl::InfiniteDuration();         // when anything last came from the holder
  absl::Duration trusted_from_ = -absl::InfiniteDuration();  // before that nothing is sent
  bool watching_ = false;
  bool stopped_ = false;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
