// The batch being built: changes that are planned but not committed, laid over the mirror they were planned
// against. Requests are planned one after another; each either adds all of its changes or none.
//
// The draft also keeps the mirror's index in step with its own changes while it lives, and takes that back
// when it is destroyed: between two drafts the index describes the mirror alone. Not thread-safe; mirror and
// index must not change while a draft lives.
//
// A draft may lie over a batch that is not committed yet, as if the mirror held it: so the next batch is
// planned while that one is on its way. If it is not committed, what was planned over it is worth nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/id128.h"
#include "controlplane/writer/cluster_index.h"
#include "replica/mirror.h"
#include "schema/codec.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {

// Who asks for a change, as the log and the audit record it.
struct Caller {
  Principal principal;
  std::string source;  // program and version
  Id128 request_id;
  int64_t time_us = 0;
};

class Draft {
 public:
  // `revision` is the one that this batch will be. `under`, if not null, is the batch before it: the one that
  // follows the mirror.
  Draft(const Mirror* mirror, ClusterIndex* index, uint64_t revision, const Batch* under = nullptr);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  // Starts a request; everything up to RollBack or the next Begin belongs to it.
  void Begin(const Caller& caller);
  // Takes back everything since Begin.
  void RollBack();

  // With the changes so far. Pointers hold until the next change of that key.
  const v1::Object* Find(v1::Kind kind, absl::string_view key) const;
  void ForEach(v1::Kind kind, const std::function<void(const v1::Object&)>& visit) const;
  const ClusterIndex& index() const { return *index_; }
  uint64_t revision() const { return revision_; }

  void Upsert(v1::Object object);
  void Delete(const ObjectKey& key);

  // Whether the request's changes fit the batch: its limits, and no key that another actor has changed in it.
  // If not, `problem` says why; the request belongs in the next batch, or, if this one held nothing before
  // it, can never be committed.
  bool fits() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }
  // Declares that the request has to wait for the next batch.
  void Defer(std::string why) { problem_ = std::move(why); }

  bool empty() const { return pending_.empty(); }
  size_t size() const { return pending_.size(); }
  // How many changes were there when this request began.
  size_t size_at_begin() const { return begin_size_; }
  // Whether this request has changed anything so far.
  bool touched() const { return !undo_.empty(); }
  // The object that this draft leaves at a key is new in it.
  bool Created(v1::Kind kind, absl::string_view key) const;
  // Deleted by this draft.
  bool Deletes(const ObjectKey& key) const;

  // The changes in the order in which their keys were first touched.
  v1::Changes ToChanges() const;
  // Of the state with these changes at `revision`.
  Id128 DigestAfter() const;

 private:
  struct Undo {
    ObjectKey key;
    std::unique_ptr<v1::Change> previous;  // null: the key was not pending
  };

  void Record(const ObjectKey& key, std::unique_ptr<v1::Change> change);
  static const v1::Object* ObjectOf(const v1::Change& change);
  // Without this draft's changes: of `under_`, or else of the mirror.
  const v1::Object* FindBelow(const ObjectKey& key) const;
  // The revision of the last change of the object that is there without this draft; 0 if there is none.
  uint64_t RevisionBelow(const ObjectKey& key) const;
  void SetProblem(std::string problem);

  const Mirror* const mirror_;
  ClusterIndex* const index_;
  const uint64_t revision_;
  const Batch* const under_;
  absl::flat_hash_map<ObjectKey, const v1::Change*> under_changes_;
  Caller caller_;
  std::string actor_;
  std::vector<std::pair<ObjectKey, std::unique_ptr<v1::Change>>> pending_;
  absl::flat_hash_map<ObjectKey, size_t> places_;
  std::vector<Undo> undo_;
  size_t begin_size_ = 0;
  size_t bytes_ = 0;
  std::string problem_;
};

}  // namespace trivium
