#include "controlplane/liveness/observer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/writer/planner.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr size_t kAtOnce = 200;  // of one batch, so that others' changes fit beside them

std::string KeyOf(const std::string& cluster, const std::string& node) {
  return absl::StrCat(cluster, "/", node);
}

}  // namespace

void PlanLiveness(const PlannerConfig& config, const std::vector<Observed>& seen, Random* random,
                  Draft* draft) {
  for (const Observed& one : seen) {
    const bool own_node = one.cluster == config.cluster && !one.node.empty();
    if (own_node && draft->Find(v1::KIND_NODE, one.node) == nullptr) continue;
    const v1::Object* before = draft->Find(v1::KIND_LIVENESS, KeyOf(one.cluster, one.node));
    if (before == nullptr ? one.alive : before->liveness().alive() == one.alive) continue;
    v1::Object object;
    v1::Liveness* liveness = object.mutable_liveness();
    if (before == nullptr) {
      *liveness->mutable_meta() = NewMeta(random);
    } else {
      *liveness = before->liveness();
      liveness->mutable_meta()->set_generation(liveness->meta().generation() + 1);
    }
    liveness->set_cluster(one.cluster);
    liveness->set_node(one.node);
    liveness->set_alive(one.alive);
    draft->Upsert(std::move(object));
  }
}

LivenessObserver::LivenessObserver(const PlannerConfig& config, ClusterMirror* own, Executor* executor,
                                   const Clock* clock, Random* random, LivenessDetector::Options options,
                                   std::function<bool()> commits, Submit submit)
    : config_(config),
      own_(own),
      executor_(executor),
      clock_(clock),
      random_(random),
      options_(options),
      commits_(std::move(commits)),
      submit_(std::move(submit)),
      detector_(options) {
  own_->Observe([this, alive = alive_.Watch()](const Batch* batch) {
    if (!alive.expired()) OnMirror(batch);
  });
}

void LivenessObserver::Start() {
  started_ = true;
  OnMirror(nullptr);
  Tick();
}

bool LivenessObserver::Said(const std::string& key) const {
  const v1::Object* object = own_->mirror().Find(v1::KIND_LIVENESS, key);
  return object == nullptr || object->liveness().alive();
}

void LivenessObserver::WatchNode(const std::string& node) {
  const std::string key = KeyOf(config_.cluster, node);
  detector_.Watch(key, Said(key), clock_->Monotonic());
}

void LivenessObserver::OnMirror(const Batch* batch) {
  if (!started_) return;
  if (batch == nullptr) {
    for (const auto& [node, stored] : own_->mirror().All(v1::KIND_NODE)) WatchNode(node);
    // Clusters that were down when this instance began: they are heard again, or stay down.
    for (const auto& [key, stored] : own_->mirror().All(v1::KIND_LIVENESS)) {
      if (stored.object->liveness().node().empty()) detector_.Watch(key, Said(key), clock_->Monotonic());
    }
    return;
  }
  for (const v1::Change& change : batch->changes.changes()) {
    const ObjectKey key = trivium::KeyOf(change);
    if (key.kind == v1::KIND_NODE) {
      if (change.op() == v1::Change::UPSERT) {
        WatchNode(key.key);
      } else {
        detector_.Unwatch(KeyOf(config_.cluster, key.key));
      }
    } else if (key.kind == v1::KIND_LIVENESS && Said(key.key) != detector_.Alive(key.key)) {
      unwritten_.insert(key.key);  // another instance sees it otherwise: the writer's word counts
    }
  }
}

void LivenessObserver::OnReport(const v1::AgentStatus& status) {
  detector_.Hear(KeyOf(config_.cluster, status.node()), clock_->Monotonic());
}

void LivenessObserver::OnBeacon(const v1::Heads& heads) {
  const absl::Duration now = clock_->Monotonic();
  for (const absl::string_view text : absl::StrSplit(heads.instance(), ' ')) {
    // Control planes of older versions give a bare name there, which does not say whose they are.
    const absl::StatusOr<Principal> from = Principal::Parse(text);
    if (!from.ok() || from->role != "cp") continue;
    if (from->cluster == config_.cluster || !started_) continue;
    const std::string key = KeyOf(from->cluster, "");
    detector_.Watch(key, Said(key), now);
    detector_.Hear(key, now);
  }
}

void LivenessObserver::OnBus(bool connected) { detector_.SetDeaf(!connected, clock_->Monotonic()); }

void LivenessObserver::ChooseWriter() {
  const bool commits = commits_();
  if (commits && !is_writer_) {
    for (const auto& [key, stored] : own_->mirror().All(v1::KIND_LIVENESS)) unwritten_.insert(key);
    unwritten_.insert(changed_.begin(), changed_.end());
  }
  is_writer_ = commits;
}

void LivenessObserver::Tick() {
  const absl::Duration now = clock_->Monotonic();
  ChooseWriter();
  for (const std::string& key : detector_.Check(now)) {
    ++counters_.transitions;
    changed_.insert(key);
    unwritten_.insert(key);
    spdlog::warn("liveness of={} alive={} writer={}", key, detector_.Alive(key), is_writer_);
  }
  Write();
  executor_->PostAfter(options_.check_every, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Tick();
  });
}

void LivenessObserver::Write() {
  if (!is_writer_ || writing_ || unwritten_.empty() || !own_->loaded()) return;
  std::vector<Observed> seen;
  for (auto it = unwritten_.begin(); it != unwritten_.end() && seen.size() < kAtOnce;) {
    const std::string key = *it;
    it = unwritten_.erase(it);
    if (!detector_.Watches(key) || detector_.Alive(key) == Said(key)) continue;
    const std::pair<std::string, std::string> names = absl::StrSplit(key, absl::MaxSplits('/', 1));
    if (names.first == config_.cluster && own_->mirror().Find(v1::KIND_NODE, names.second) == nullptr) {
      detector_.Unwatch(key);  // a snapshot came without it
      continue;
    }
    seen.push_back(Observed{names.first, names.second, detector_.Alive(key)});
  }
  if (seen.empty()) return;
  writing_ = true;
  ++counters_.writes;
  submit_(
      [this, alive = alive_.Watch(), seen](const Caller& caller, Draft* draft) -> absl::StatusOr<Planned> {
        return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
          if (!alive.expired()) PlanLiveness(config_, seen, random_, draft);
          return Planned();
        });
      },
      [this, alive = alive_.Watch(), seen](const v1::Reply& reply) {
        if (alive.expired()) return;
        writing_ = false;
        // What changed meanwhile, or was not written, is looked at again at the next check.
        for (const Observed& one : seen) unwritten_.insert(KeyOf(one.cluster, one.node));
        if (reply.code() != 0) spdlog::warn("cannot write what was observed error=\"{}\"", reply.message());
      });
}

}  // namespace trivium
