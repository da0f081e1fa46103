#include "controlplane/publisher/publisher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"

namespace trivium {

// One beacon in the making.
struct Publisher::Round {
  std::set<uint32_t> missing;
  v1::Heads heads;
  bool closed = false;
};

Publisher::Publisher(Bus* bus, Store* store, Executor* executor, Options options,
                     std::function<std::set<uint32_t>()> homes,
                     std::function<void(const v1::Heads&)> on_heads)
    : bus_(bus),
      store_(store),
      executor_(executor),
      options_(std::move(options)),
      homes_(std::move(homes)),
      on_heads_(std::move(on_heads)) {}

void Publisher::Publish(const Batch& batch) {
  const absl::Status status = bus_->Publish(subjects::Feed(batch.cluster), batch.envelope);
  if (status.ok()) {
    ++counters_.published;
    return;
  }
  ++counters_.failed;
  spdlog::warn("cannot publish, the beacon will heal it cluster={} revision={} error=\"{}\"", batch.cluster,
               batch.revision, std::string(status.message()));
}

void Publisher::SpeakFor(const std::string& principal) {
  absl::StrAppend(&principals_, principals_.empty() ? "" : " ", principal);
}

void Publisher::StartBeacons() { Beacon(); }

void Publisher::Beacon() {
  auto round = std::make_shared<Round>();
  round->missing = homes_();
  round->heads.set_region(options_.region);
  round->heads.set_instance(principals_);
  for (const uint32_t home : homes_()) {
    if (!asking_.insert(home).second) continue;
    store_->ReadHeads(
        home, executor_,
        [this, alive = alive_.Watch(), round, home](const absl::StatusOr<std::vector<v1::Head>>& heads) {
          if (alive.expired()) return;
          asking_.erase(home);
          if (round->closed || !heads.ok()) return;
          for (const v1::Head& head : *heads) *round->heads.add_heads() = head;
          round->missing.erase(home);
          if (round->missing.empty()) Close(round);
        });
  }
  executor_->PostAfter(options_.beacon_patience, [this, alive = alive_.Watch(), round] {
    if (!alive.expired()) Close(round);
  });
  executor_->PostAfter(options_.beacon_every, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Beacon();
  });
}

void Publisher::Close(const std::shared_ptr<Round>& round) {
  if (std::exchange(round->closed, true)) return;
  for (const uint32_t home : round->missing) {
    if (silent_.contains(home)) continue;
    spdlog::warn("SQL of a home region does not answer, its clusters are left out of the beacon home={}",
                 home);
  }
  silent_ = round->missing;
  sql_up_ = silent_.empty();
  on_heads_(round->heads);
  // Without heads too: it says that this instance lives.
  const absl::Status status = bus_->Publish(subjects::kHeads, round->heads.SerializeAsString());
  if (status.ok()) ++counters_.beacons;
}

}  // namespace trivium
