#include "controlplane/identity/identity_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace trivium {

IdentityKeeper::IdentityKeeper(ClusterMirror* own, Store* store, Executor* executor, const Clock* clock,
                               Options options, std::function<bool()> commits, Retire retire)
    : own_(own),
      store_(store),
      executor_(executor),
      clock_(clock),
      options_(options),
      commits_(std::move(commits)),
      retire_(std::move(retire)) {}

void IdentityKeeper::Start() { Tick(); }

void IdentityKeeper::Tick() {
  if (own_->loaded()) {
    RetireOld();
    const RetiredNumbers& retired = own_->index()->retired();
    if (!retired.complete() || retired.size() > 0) ReadLife();
  }
  executor_->PostAfter(options_.check_every, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Tick();
  });
}

void IdentityKeeper::ReadLife() {
  if (std::exchange(reading_, true)) return;
  const uint64_t forgotten = own_->index()->retired().forgotten();
  store_->ReadIdentityLife(
      own_->ref(), executor_,
      [this, alive = alive_.Watch(), forgotten](const absl::StatusOr<IdentityLife>& life) {
        if (alive.expired()) return;
        reading_ = false;
        if (life.ok()) return OnLife(*life, forgotten);
        spdlog::warn("cannot read the retired identities error=\"{}\"", std::string(life.status().message()));
      });
}

void IdentityKeeper::OnLife(const IdentityLife& life, uint64_t forgotten) {
  RetiredNumbers* retired = own_->index()->mutable_retired();
  if (forgotten != retired->forgotten()) return;  // a snapshot came meanwhile, perhaps of a later state
  if (!retired->complete()) {
    std::vector<RetiredIdentity> stored;
    for (const RetiredIdentity& each : life.retired) {
      // What this mirror still sees in use is told by the revision that deletes it.
      const std::string key = std::to_string(each.identity.id());
      if (own_->mirror().Find(v1::KIND_IDENTITY, key) == nullptr) stored.push_back(each);
    }
    retired->Load(stored);
  }
  if (life.node.empty()) return;
  const size_t released = retired->Release(life.epoch, life.revision);
  counters_.released += released;
  waits_for_ = retired->size() > 0 ? life.node : std::string();
  if (released > 0) {
    spdlog::info("retired identity numbers are free again numbers={} still_retired={}", released,
                 retired->size());
  }
}

void IdentityKeeper::RetireOld() {
  const absl::Duration now = clock_->Monotonic();
  absl::flat_hash_map<uint32_t, absl::Duration> unused;
  std::vector<uint32_t> old;
  for (const auto& [key, stored] : own_->mirror().All(v1::KIND_IDENTITY)) {
    const uint32_t number = stored.object->identity().id();
    if (own_->index()->References(number) > 0) continue;
    const auto before = unused_since_.find(number);
    const absl::Duration since = before == unused_since_.end() ? now : before->second;
    unused[number] = since;
    if (now - since >= options_.grace) old.push_back(number);
  }
  unused_since_ = std::move(unused);
  // The highest number always stays (RetireIdentities): it alone is no reason to ask.
  const uint32_t highest = own_->index()->HighestIdentity(0, ~uint32_t{0});
  std::erase(old, highest);
  if (old.empty() || !commits_()) return;
  std::sort(old.begin(), old.end());
  if (old.size() > kAtOnce) old.resize(kAtOnce);
  counters_.retired += old.size();
  spdlog::info("retiring identities that no endpoint has had for a while identities={} first={}", old.size(),
               old.front());
  retire_(std::move(old));
}

}  // namespace trivium
