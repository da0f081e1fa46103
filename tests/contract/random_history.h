// Random but valid histories of one cluster: batches of upserts and deletes of every kind, with the mirror
// that they lead to. Deterministic for a seed. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/store/store.h"
#include "replica/mirror.h"

namespace trivium {

class RandomHistory {
 public:
  RandomHistory(ClusterRef cluster, StoredHead head, uint64_t seed);

  // The commit that follows the head; the mirror and the head move on as if it had been committed.
  CommitRequest Next(size_t changes);
  // A commit of exactly these changes.
  CommitRequest Next(std::vector<v1::Change> changes);

  const Mirror& mirror() const { return mirror_; }
  const StoredHead& head() const { return head_; }
  // After a commit of somebody else, or a new epoch.
  void set_head(const StoredHead& head) { head_ = head; }

  v1::Object RandomObject(v1::Kind kind);

 private:
  uint64_t Below(uint64_t bound);
  std::string Word();
  std::string Address();

  const ClusterRef cluster_;
  StoredHead head_;
  Mirror mirror_;
  uint64_t state_;
};

// A change that writes `object`, or deletes `key`.
v1::Change UpsertOf(v1::Object object);
v1::Change DeleteOf(const ObjectKey& key);
v1::Object NamespaceObject(const std::string& name, const std::string& team = "shop");

}  // namespace trivium
