// Made-up histories of one cluster, and the plain model that says what its state is. For tests.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "replica/replica.h"
#include "schema/digest.h"

namespace trivium {

// The obvious model of a state: what a replica must equal.
struct ModelState {
  std::map<std::string, std::pair<uint32_t, uint64_t>> nodes;  // name -> number, revision

  Id128 digest() const {
    Digest digest;
    for (const auto& [name, value] : nodes) digest.Add(KeyHash(v1::KIND_NODE, name), value.second);
    return digest.value();
  }
  bool operator==(const ModelState&) const = default;
};

// One line of history: batch i leads from state i to state i + 1; revisions start after `base`.
struct History {
  uint64_t epoch = 1;
  uint64_t base = 0;
  Id128 base_batch;
  std::vector<Batch> batches;
  std::vector<ModelState> states{ModelState()};

  uint64_t head() const { return base + batches.size(); }
  Id128 BatchAt(uint64_t revision) const {
    return revision == base ? base_batch : batches[revision - base - 1].batch;
  }
  const ModelState& StateAt(uint64_t revision) const { return states[revision - base]; }

  // Appends a batch made of upserts (number > 0) and deletes (number 0).
  void Commit(const std::vector<std::pair<std::string, uint32_t>>& changes) {
    ModelState next = states.back();
    const uint64_t revision = head() + 1;
    v1::Changes encoded;
    for (const auto& [name, number] : changes) {
      v1::Change* change = encoded.add_changes();
      if (number == 0) {
        next.nodes.erase(name);
        change->set_op(v1::Change::DELETE);
        change->set_kind(v1::KIND_NODE);
        change->set_key(name);
      } else {
        next.nodes[name] = {number, revision};
        change->mutable_object()->mutable_node()->set_name(name);
        change->mutable_object()->mutable_node()->set_number(number);
      }
    }
    const auto batch = EncodeBatch("aws", epoch, revision, BatchAt(head()), next.digest(), encoded);
    batches.push_back(*batch);
    states.push_back(std::move(next));
  }

  void CommitRandom(std::mt19937* rng) {
    std::vector<std::pair<std::string, uint32_t>> changes((*rng)() % 4);  // empty batches too
    for (auto& [name, number] : changes) {
      name = "n" + std::to_string((*rng)() % 12);
      number = (*rng)() % 3 == 0 ? 0 : 1 + (*rng)() % 1000;
    }
    Commit(changes);
  }

  // Another history that shares everything up to `revision`.
  History BranchAt(uint64_t revision, uint64_t new_epoch) const {
    History other = *this;
    other.epoch = new_epoch;
    other.batches.resize(revision - base);
    other.states.resize(revision - base + 1);
    if (new_epoch != epoch) {
      // Batches of the old epoch are not part of the new one: it starts from a state.
      other.base = revision;
      other.base_batch = BatchAt(revision);
      other.batches.clear();
      other.states = {StateAt(revision)};
    }
    return other;
  }

  v1::Head HeadAt(uint64_t revision) const {
    v1::Head head;
    head.set_cluster("aws");
    head.set_epoch(epoch);
    head.set_revision(revision);
    head.set_batch(BatchAt(revision).ToBytes());
    head.set_digest(StateAt(revision).digest().ToBytes());
    return head;
  }

  // Cut into `parts` chunks.
  std::vector<v1::Snapshot> SnapshotAt(uint64_t revision, size_t parts = 2) const {
    std::vector<v1::Snapshot> chunks(parts);
    for (v1::Snapshot& chunk : chunks) *chunk.mutable_head() = HeadAt(revision);
    size_t i = 0;
    for (const auto& [name, value] : StateAt(revision).nodes) {
      v1::SnapshotObject* object = chunks[i++ % parts].add_objects();
      object->mutable_object()->mutable_node()->set_name(name);
      object->mutable_object()->mutable_node()->set_number(value.first);
      object->set_revision(value.second);
    }
    return chunks;
  }
};

inline ModelState StateOf(const Replica& replica) {
  ModelState state;
  for (const auto& [name, stored] : replica.mirror().All(v1::KIND_NODE)) {
    state.nodes[name] = {stored.object->node().number(), stored.revision};
  }
  return state;
}

}  // namespace trivium
