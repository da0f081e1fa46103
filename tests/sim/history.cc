#include "tests/sim/history.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "schema/digest.h"
#include "tests/sim/scheduler.h"
#include "tests/support/deterministic_bytes.h"

namespace trivium::sim {
namespace {

bool RemotesKeep(v1::Kind kind) {
  return kind == v1::KIND_NODE || kind == v1::KIND_IDENTITY || kind == v1::KIND_ENDPOINT ||
         kind == v1::KIND_CLUSTER;
}

std::string Text(const std::string& cluster, const Position& at) {
  return absl::StrCat(cluster, " epoch ", at.epoch, " revision ", at.revision, " batch ", at.batch.ToHex());
}

}  // namespace

uint64_t ContentHash(const ObjectKey& key, const v1::Object& object) {
  return HashOf(absl::StrCat(static_cast<int>(key.kind), "/", key.key, "/", DeterministicBytes(object)));
}

uint64_t AgentContentHash(const ObjectKey& key, const v1::Object& object) {
  if (key.kind != v1::KIND_ENDPOINT) return ContentHash(key, object);
  v1::Object kept = object;
  kept.mutable_endpoint()->clear_namespace_();
  kept.mutable_endpoint()->clear_name();
  kept.mutable_endpoint()->mutable_meta()->clear_generation();
  return ContentHash(key, kept);
}

const Record* History::Keep(Record record) {
  const Place place{record.cluster, record.at.epoch, record.at.revision, record.at.batch};
  auto& slot = records_[place];
  if (slot == nullptr) slot = std::make_unique<const Record>(std::move(record));
  return slot.get();
}

std::string History::OnHead(const FakeDatabase::ClusterRows& rows, const CommitRequest* request) {
  const Record* before = head(rows.name);
  Record record;
  record.cluster = rows.name;
  record.at = {rows.head.epoch, rows.head.revision, rows.head.last_batch};
  record.digest = rows.head.digest;
  record.prev = before;
  if (request == nullptr) {  // a new epoch
    record.state = before == nullptr ? std::make_shared<const State>() : before->state;
    if (before != nullptr) {
      record.kept_hash = before->kept_hash;
      record.kept_own = before->kept_own;
      record.kept_remote = before->kept_remote;
      if (before->at.epoch >= record.at.epoch) {
        return absl::StrCat("epoch goes back: ", Text(rows.name, record.at));
      }
    }
    heads_[rows.name] = Keep(std::move(record));
    return "";
  }
  const Position prev{request->batch.epoch, request->batch.revision - 1, request->batch.prev_batch};
  const bool first = before == nullptr && prev.revision == 0;
  if (!first && (before == nullptr || before->at != prev)) {
    return absl::StrCat("a hole in the log: ", Text(rows.name, record.at), " follows ",
                        before == nullptr ? "nothing" : Text(rows.name, before->at));
  }
  auto state = std::make_shared<State>(before == nullptr ? State() : *before->state);
  if (before != nullptr) {
    record.kept_hash = before->kept_hash;
    record.kept_own = before->kept_own;
    record.kept_remote = before->kept_remote;
  }
  auto count = [&record](const ObjectKey& key, const v1::Object& object, bool add) {
    const uint64_t hash = ContentHash(key, object);
    record.kept_hash += add ? hash : -hash;
    const uint64_t agents = AgentContentHash(key, object);
    record.kept_own += add ? agents : -agents;
    if (RemotesKeep(key.kind)) record.kept_remote += add ? agents : -agents;
  };
  for (const v1::Change& change : request->batch.changes.changes()) {
    const ObjectKey key = KeyOf(change);
    if (const auto old = state->find(key); old != state->end()) {
      count(key, *old->second, false);
      state->erase(old);
    }
    if (change.op() != v1::Change::DELETE) {
      count(key, change.object(), true);
      (*state)[key] = std::make_shared<const v1::Object>(change.object());
    }
    if (const absl::StatusOr<Id128> id = Id128::FromBytes(change.request_id()); id.ok() && !id->IsZero()) {
      record.requests.insert(*id);
    }
    for (const std::string& replaced : change.replaced_request_ids()) {
      if (const absl::StatusOr<Id128> id = Id128::FromBytes(replaced); id.ok()) record.requests.insert(*id);
    }
  }
  for (const RequestRow& row : request->requests) record.requests.insert(row.request_id);
  record.state = std::move(state);
  std::string problem;
  Digest digest;
  for (const auto& [key, row] : rows.objects) digest.Add(KeyHash(key.kind, key.key), row.revision);
  if (digest.value() != rows.head.digest) {
    problem = absl::StrCat("the digest of ", Text(rows.name, record.at), " is not that of its objects");
  } else if (rows.objects.size() != record.state->size()) {
    problem =
        absl::StrCat("the objects of ", Text(rows.name, record.at), " are not those that its log makes");
  }
  const Record* kept = Keep(std::move(record));
  for (const Id128& id : kept->requests) {
    const auto [it, added] = answered_[rows.name].emplace(id, kept);
    if (added || it->second == kept) continue;
    problem = absl::StrCat("request ", id.ToHex(), " was applied twice: at ", Text(rows.name, it->second->at),
                           " and ", Text(rows.name, kept->at));
  }
  heads_[rows.name] = kept;
  return problem;
}

void History::OnRestore(const FakeDatabase::Rows& rows) {
  heads_.clear();
  answered_.clear();
  for (const auto& [id, cluster] : rows) {
    const Record* record =
        Find(cluster.name, {cluster.head.epoch, cluster.head.revision, cluster.head.last_batch});
    heads_[cluster.name] = record;
    auto& answered = answered_[cluster.name];
    for (; record != nullptr; record = record->prev) {
      for (const Id128& request : record->requests) answered.emplace(request, record);
    }
  }
}

const Record* History::Answered(const std::string& cluster, const Id128& request) const {
  const auto log = answered_.find(cluster);
  if (log == answered_.end()) return nullptr;
  const auto it = log->second.find(request);
  return it == log->second.end() ? nullptr : it->second;
}

const Record* History::Find(const std::string& cluster, const Position& at) const {
  const auto it = records_.find(Place{cluster, at.epoch, at.revision, at.batch});
  return it == records_.end() ? nullptr : it->second.get();
}

const Record* History::head(const std::string& cluster) const {
  const auto it = heads_.find(cluster);
  return it == heads_.end() ? nullptr : it->second;
}

std::string History::Judge(const Replica& replica, bool remote, bool deep) const {
  const Position& at = replica.position();
  if (at.epoch == 0) return replica.mirror().size() == 0 ? "" : "objects, but no position";
  const Mirror& mirror = replica.mirror();
  if (at.revision == 0) {
    return mirror.size() == 0 ? "" : absl::StrCat("objects at revision 0 of ", replica.cluster());
  }
  const Record* record = Find(replica.cluster(), at);
  if (record == nullptr) return absl::StrCat(Text(replica.cluster(), at), " was never committed");
  if (mirror.digest() != record->digest || mirror.size() != record->state->size()) {
    return absl::StrCat(Text(replica.cluster(), at), ": the mirror has another state than the history");
  }
  if (!deep) return "";
  uint64_t hash = 0;
  for (int k = v1::Kind_MIN; k <= v1::Kind_MAX; ++k) {
    const v1::Kind kind = static_cast<v1::Kind>(k);
    if (remote && !RemotesKeep(kind)) continue;
    for (const auto& [key, stored] : mirror.All(kind)) {
      if (stored.object == nullptr)
        return absl::StrCat(Text(replica.cluster(), at), ": ", key, " is not whole");
      hash += ContentHash({kind, key}, *stored.object);
    }
  }
  const bool agent = mirror.KeepsRecords(v1::KIND_ENDPOINT);
  mirror.endpoint_records().ForEach([&hash](const EndpointRecord& endpoint) {
    v1::Object object;
    ToEndpoint(endpoint, object.mutable_endpoint());
    hash += AgentContentHash({v1::KIND_ENDPOINT, EndpointKey(endpoint.uid)}, object);
  });
  const uint64_t kept = remote ? record->kept_remote : agent ? record->kept_own : record->kept_hash;
  if (hash != kept) {
    return absl::StrCat(Text(replica.cluster(), at), ": the mirror's objects differ from the history's");
  }
  return "";
}

}  // namespace trivium::sim
