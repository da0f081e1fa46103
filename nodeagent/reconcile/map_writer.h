// Writes the difference of a DeltaMap to the kernel, in batches, and books what came of it. Not thread-safe.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/delta/delta_map.h"
#include "nodeagent/reconcile/map_io.h"

namespace trivium {

// One map's failed writes since the writer was made.
struct MapProblem {
  MapId map;
  size_t keys = 0;
  absl::Status status;  // the first reason; kResourceExhausted: full
};

class MapWriter {
 public:
  // Neither is owned.
  explicit MapWriter(MapIo* io) : io_(io) {}

  static bool All(...) { return true; }

  // Writes the stale keys that have not failed and that `choose(key, desired value)` admits.
  template <typename K, typename V, typename N, typename Choose>
  void Upsert(MapId map, DeltaMap<K, V, N>* delta, Choose choose) {
    std::vector<std::pair<K, V>> todo;
    for (const auto& [key, actual] : delta->stale()) {
      const V& value = *delta->Desired(key);
      if (!delta->HasFailed(key) && choose(key, value)) todo.emplace_back(key, value);
    }
    Write(map, delta, std::move(todo));
  }
  // Writes these values, whatever is desired.
  template <typename K, typename V, typename N>
  void Write(MapId map, DeltaMap<K, V, N>* delta, std::vector<std::pair<K, V>> todo) {
    SortByKey(&todo);
    for (size_t from = 0; from < todo.size(); from += kBatch) {
      const size_t n = std::min(kBatch, todo.size() - from);
      MapRecords records{sizeof(K), sizeof(V), {}, {}};
      for (size_t i = 0; i < n; ++i) records.Add(Bytes(todo[from + i].first), Bytes(todo[from + i].second));
      const MapWriteResult result = io_->Update(map, records);
      const std::vector<bool> failed = Book(map, n, result);
      for (size_t i = 0; i < n; ++i) {
        const auto& [key, value] = todo[from + i];
        if (failed[i]) {
          delta->Failed(key);
        } else {
          delta->SetActual(key, value);
          ++updates_;
        }
      }
    }
  }
  // Deletes the extra keys that have not failed and that `choose(key, actual value)` admits.
  template <typename K, typename V, typename N, typename Choose>
  void Delete(MapId map, DeltaMap<K, V, N>* delta, Choose choose) {
    std::vector<K> todo;
    for (const auto& [key, actual] : delta->extra()) {
      if (!delta->HasFailed(key) && choose(key, actual)) todo.push_back(key);
    }
    Erase(map, delta, std::move(todo));
  }
  // Deletes these keys, whatever is desired.
  template <typename K, typename V, typename N>
  void Erase(MapId map, DeltaMap<K, V, N>* delta, std::vector<K> todo) {
    std::sort(todo.begin(), todo.end(), [](const K& a, const K& b) { return Bytes(a) < Bytes(b); });
    for (size_t from = 0; from < todo.size(); from += kBatch) {
      const size_t n = std::min(kBatch, todo.size() - from);
      MapRecords records{sizeof(K), 0, {}, {}};
      for (size_t i = 0; i < n; ++i) records.Add(Bytes(todo[from + i]));
      const MapWriteResult result = io_->Delete(map, records);
      const std::vector<bool> failed = Book(map, n, result);
      for (size_t i = 0; i < n; ++i) {
        if (failed[i]) {
          delta->Failed(todo[from + i]);
        } else {
          delta->SetActual(todo[from + i], std::nullopt);
          ++deletes_;
        }
      }
    }
  }

  // Books keys that were not even tried.
  void Refuse(MapId map, size_t keys, const absl::Status& status);

  const std::vector<MapProblem>& problems() const { return problems_; }
  size_t updates() const { return updates_; }
  size_t deletes() const { return deletes_; }

 private:
  // Records per system call: large enough to pay, small enough to keep the packed copy in cache.
  static constexpr size_t kBatch = 4096;

  // Sorted, LPM tries load in half the time, and tests see one order.
  template <typename K, typename V>
  static void SortByKey(std::vector<std::pair<K, V>>* records) {
    std::sort(records->begin(), records->end(),
              [](const auto& a, const auto& b) { return Bytes(a.first) < Bytes(b.first); });
  }
  std::vector<bool> Book(MapId map, size_t n, const MapWriteResult& result);

  MapIo* const io_;
  std::vector<MapProblem> problems_;
  size_t updates_ = 0;
  size_t deletes_ = 0;
};

// Reads a kernel map into `delta` as its actual content. Before anything is wanted or written.
template <typename K, typename V, typename N>
absl::Status ReadActual(MapIo* io, MapId map, DeltaMap<K, V, N>* delta) {
  absl::StatusOr<MapRecords> records = io->ReadAll(map);
  if (!records.ok()) return records.status();
  if (records->key_size != sizeof(K) || records->value_size != sizeof(V)) {
    return absl::FailedPreconditionError(absl::StrCat("map ", MapName(map), " has records of ",
                                                      records->key_size, "+", records->value_size,
                                                      " bytes; want ", sizeof(K), "+", sizeof(V)));
  }
  delta->ReserveActual(records->count());
  for (size_t i = 0; i < records->count(); ++i) {
    delta->SetActual(FromBytes<K>(records->key(i)), FromBytes<V>(records->value(i)));
  }
  return absl::OkStatus();
}

}  // namespace trivium
