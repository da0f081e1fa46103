// The end of identities: those that no endpoint has for a grace time are retired, and their numbers are free
// again once every registered node of the mesh has confirmed that (docs/identities.md). Every instance of a
// cluster runs one, and the one that commits the cluster's changes retires: what two of them ask for is done
// once all the same. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/cluster_mirror.h"

namespace trivium {

class IdentityKeeper {
 public:
  struct Options {
    // How long an identity is kept that no endpoint has. Longer than a pod that started without the control
    // plane is likely to stay unregistered, and than flows of the last endpoint are remembered.
    absl::Duration grace = absl::Minutes(15);
    absl::Duration check_every = absl::Seconds(10);
  };
  struct Counters {
    uint64_t retired = 0;   // asked for
    uint64_t released = 0;  // numbers that became free
  };
  // Commits the retirement of those numbers, as far as it is still right (writer/identity_allocator.h).
  using Retire = std::function<void(std::vector<uint32_t>)>;

  // `own` has an index. `commits`: whether this instance is to write. No pointer is owned.
  IdentityKeeper(ClusterMirror* own, Store* store, Executor* executor, const Clock* clock, Options options,
                 std::function<bool()> commits, Retire retire);
  IdentityKeeper(const IdentityKeeper&) = delete;
  IdentityKeeper& operator=(const IdentityKeeper&) = delete;

  // Checks now, and from then on again and again.
  void Start();
  // Whom the oldest retired number waits for, "cluster/node"; empty if it waits for nobody.
  const std::string& waits_for() const { return waits_for_; }
  const Counters& counters() const { return counters_; }

 private:
  static constexpr size_t kAtOnce = 100;  // identities of one batch, so that others' changes fit beside them

  void Tick();
  void ReadLife();
  void OnLife(const IdentityLife& life, uint64_t forgotten);
  void RetireOld();

  ClusterMirror* const own_;
  Store* const store_;
  Executor* const executor_;
  const Clock* const clock_;
  const Options options_;
  const std::function<bool()> commits_;
  const Retire retire_;
  absl::flat_hash_map<uint32_t, absl::Duration> unused_since_;  // monotonic
  bool reading_ = false;
  std::string waits_for_;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
