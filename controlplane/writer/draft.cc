#include "controlplane/writer/draft.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "schema/codec.h"
#include "schema/digest.h"

namespace trivium {
namespace {

size_t EncodedSize(const v1::Change& change) { return change.ByteSizeLong() + 6; }

// An endpoint's key is its uid: what it was called goes with the deletion, for readers of events, who are
// told of namespaces (docs/events.md). Nobody else looks at a deletion's object.
void NameDeletedEndpoint(const v1::Object* was, v1::Change* change) {
  if (was == nullptr) return;
  v1::Endpoint& named = *change->mutable_object()->mutable_endpoint();
  named.set_namespace_(was->endpoint().namespace_());
  named.set_name(was->endpoint().name());
}

}  // namespace

Draft::Draft(const Mirror* mirror, ClusterIndex* index, uint64_t revision, const Batch* under)
    : mirror_(mirror), index_(index), revision_(revision), under_(under) {
  if (under_ == nullptr) return;
  for (const v1::Change& change : under_->changes.changes()) {
    const ObjectKey key = KeyOf(change);
    index_->Replace(mirror_->Find(key.kind, key.key), ObjectOf(change));
    under_changes_[key] = &change;
  }
}

Draft::~Draft() {
  RollBack();
  for (auto it = pending_.rbegin(); it != pending_.rend(); ++it) {
    index_->Replace(ObjectOf(*it->second), FindBelow(it->first));
  }
  if (under_ == nullptr) return;
  const auto& changes = under_->changes.changes();
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const ObjectKey key = KeyOf(*change);
    index_->Replace(ObjectOf(*change), mirror_->Find(key.kind, key.key));
  }
}

const v1::Object* Draft::FindBelow(const ObjectKey& key) const {
  if (const auto it = under_changes_.find(key); it != under_changes_.end()) return ObjectOf(*it->second);
  return mirror_->Find(key.kind, key.key);
}

uint64_t Draft::RevisionBelow(const ObjectKey& key) const {
  if (const auto it = under_changes_.find(key); it != under_changes_.end()) {
    return it->second->op() == v1::Change::DELETE ? 0 : under_->revision;
  }
  const Mirror::Stored* stored = mirror_->FindStored(key.kind, key.key);
  return stored == nullptr ? 0 : stored->revision;
}

void Draft::Begin(const Caller& caller) {
  caller_ = caller;
  actor_ = caller.principal.ToString();
  undo_.clear();
  problem_.clear();
  begin_size_ = pending_.size();
}

void Draft::RollBack() {
  while (!undo_.empty()) {
    Undo undo = std::move(undo_.back());
    undo_.pop_back();
    const auto place = places_.find(undo.key);
    std::unique_ptr<v1::Change>& now = pending_[place->second].second;
    const v1::Object* before = undo.previous != nullptr ? ObjectOf(*undo.previous) : FindBelow(undo.key);
    index_->Replace(ObjectOf(*now), before);
    bytes_ -= EncodedSize(*now);
    if (undo.previous != nullptr) {
      bytes_ += EncodedSize(*undo.previous);
      now = std::move(undo.previous);
    } else {
      // Undone in reverse, so a key that was new is the last one.
      pending_.pop_back();
      places_.erase(place);
    }
  }
  problem_.clear();
}

const v1::Object* Draft::ObjectOf(const v1::Change& change) {
  return change.op() == v1::Change::DELETE ? nullptr : &change.object();
}

const v1::Object* Draft::Find(v1::Kind kind, absl::string_view key) const {
  if (places_.empty() && under_changes_.empty()) return mirror_->Find(kind, key);
  const ObjectKey whole{kind, std::string(key)};
  const auto it = places_.find(whole);
  return it != places_.end() ? ObjectOf(*pending_[it->second].second) : FindBelow(whole);
}

void Draft::ForEach(v1::Kind kind, const std::function<void(const v1::Object&)>& visit) const {
  for (const auto& [key, stored] : mirror_->All(kind)) {
    const ObjectKey whole{kind, key};
    if (stored.object == nullptr || places_.contains(whole) || under_changes_.contains(whole)) continue;
    visit(*stored.object);
  }
  for (const auto& [key, change] : under_changes_) {
    const v1::Object* object = ObjectOf(*change);
    if (key.kind == kind && object != nullptr && !places_.contains(key)) visit(*object);
  }
  for (const auto& [key, change] : pending_) {
    const v1::Object* object = ObjectOf(*change);
    if (key.kind == kind && object != nullptr) visit(*object);
  }
}

void Draft::Upsert(v1::Object object) {
  const ObjectKey key = KeyOf(object);
  const size_t size = object.ByteSizeLong();
  if (size > kMaxObjectBytes) {
    SetProblem(absl::StrCat(KindName(key.kind), " ", key.key, " has ", size, " bytes encoded; at most ",
                            kMaxObjectBytes, " are allowed: split it"));
  }
  auto change = std::make_unique<v1::Change>();
  change->set_op(v1::Change::UPSERT);
  *change->mutable_object() = std::move(object);
  Record(key, std::move(change));
}

void Draft::Delete(const ObjectKey& key) {
  auto change = std::make_unique<v1::Change>();
  change->set_op(v1::Change::DELETE);
  change->set_kind(key.kind);
  change->set_key(key.key);
  if (key.kind == v1::KIND_ENDPOINT) NameDeletedEndpoint(Find(key.kind, key.key), change.get());
  Record(key, std::move(change));
}

void Draft::Record(const ObjectKey& key, std::unique_ptr<v1::Change> change) {
  change->set_actor(actor_);
  change->set_source(caller_.source);
  change->set_request_id(caller_.request_id.ToBytes());
  change->set_time_us(caller_.time_us);

  const auto [place, added] = places_.try_emplace(key, pending_.size());
  if (added) {
    index_->Replace(FindBelow(key), ObjectOf(*change));
    bytes_ += EncodedSize(*change);
    pending_.emplace_back(key, std::move(change));
    undo_.push_back(Undo{key, nullptr});
  } else {
    std::unique_ptr<v1::Change>& now = pending_[place->second].second;
    if (now->actor() != actor_) {
      SetProblem(absl::StrCat(KindName(key.kind), " ", key.key, " is being changed by ", now->actor()));
    }
    *change->mutable_replaced_request_ids() = now->replaced_request_ids();
    if (now->request_id() != change->request_id()) *change->add_replaced_request_ids() = now->request_id();
    index_->Replace(ObjectOf(*now), ObjectOf(*change));
    bytes_ += EncodedSize(*change);
    bytes_ -= EncodedSize(*now);
    undo_.push_back(Undo{key, std::exchange(now, std::move(change))});
  }
  if (pending_.size() > kMaxBatchChanges) {
    SetProblem(absl::StrCat("the request changes more than ", kMaxBatchChanges,
                            " objects, the most that one revision holds: send it in pieces"));
  } else if (bytes_ > kMaxBatchBytes) {
    SetProblem(absl::StrCat("the request's changes exceed ", kMaxBatchBytes,
                            " bytes, the most that one revision holds: send it in pieces"));
  }
}

void Draft::SetProblem(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
}

bool Draft::Created(v1::Kind kind, absl::string_view key) const {
  return RevisionBelow(ObjectKey{kind, std::string(key)}) == 0 && Find(kind, key) != nullptr;
}

bool Draft::Deletes(const ObjectKey& key) const {
  const auto it = places_.find(key);
  return it != places_.end() && pending_[it->second].second->op() == v1::Change::DELETE;
}

v1::Changes Draft::ToChanges() const {
  v1::Changes changes;
  for (const auto& [key, change] : pending_) *changes.add_changes() = *change;
  return changes;
}

Id128 Draft::DigestAfter() const {
  Digest digest(under_ != nullptr ? under_->digest : mirror_->digest());
  for (const auto& [key, change] : pending_) {
    const Id128 hash = KeyHash(key.kind, key.key);
    const uint64_t before = RevisionBelow(key);
    if (before != 0) digest.Remove(hash, before);
    if (change->op() == v1::Change::UPSERT) digest.Add(hash, revision_);
  }
  return digest.value();
}

}  // namespace trivium
