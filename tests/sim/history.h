// What really happened: every state that each cluster's log ever committed, taken down as the database
// commits it. Mirrors are compared with it. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "replica/replica.h"
#include "tests/support/fake_store.h"

namespace trivium::sim {

using State = std::map<ObjectKey, std::shared_ptr<const v1::Object>>;

struct Record {
  std::string cluster;
  Position at;
  Id128 digest;
  const Record* prev = nullptr;  // null: the first
  std::shared_ptr<const State> state;
  std::set<Id128> requests;  // whose changes this revision holds
  // By content: of all objects, and of what agents keep of their own and of other clusters.
  uint64_t kept_hash = 0;
  uint64_t kept_own = 0;
  uint64_t kept_remote = 0;
};

class History {
 public:
  // Takes down what the database tells (FakeDatabase::SetObserver). The text says what is wrong with it, if
  // anything is: a hole, a broken chain, a digest that is not the state's, a request that was applied before.
  std::string OnHead(const FakeDatabase::ClusterRows& rows, const CommitRequest* request);
  // The database is as it was: heads are records of old again.
  void OnRestore(const FakeDatabase::Rows& rows);

  // Null: never committed.
  const Record* Find(const std::string& cluster, const Position& at) const;
  const Record* head(const std::string& cluster) const;
  // The revision of today's history that answered this request; null: none.
  const Record* Answered(const std::string& cluster, const Id128& request) const;
  // Empty, or why this mirror is no state that the cluster ever had. `deep` compares contents too.
  std::string Judge(const Replica& replica, bool remote, bool deep) const;
  size_t size() const { return records_.size(); }

 private:
  const Record* Keep(Record record);

  using Place = std::tuple<std::string, uint64_t, uint64_t, Id128>;
  std::map<Place, std::unique_ptr<const Record>> records_;
  std::map<std::string, const Record*> heads_;
  // What each log answers now, as far as it was not restored away.
  std::map<std::string, absl::flat_hash_map<Id128, const Record*>> answered_;
};

// Over content.
uint64_t ContentHash(const ObjectKey& key, const v1::Object& object);
// The same of what an agent keeps: of an endpoint, no names.
uint64_t AgentContentHash(const ObjectKey& key, const v1::Object& object);

}  // namespace trivium::sim
