// The kernel's maps in memory, with the contract of the real ones (tests/contract/map_io_contract.h), faults
// on demand and a journal. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nodeagent/reconcile/map_io.h"

namespace trivium {

class FakeMapIo final : public MapIo {
 public:
  struct Write {
    MapId map;
    bool deletion = false;
    std::string key;
    std::string value;
  };
  using Content = std::map<std::string, std::string>;

  // Every map has room for `capacity` records unless SetCapacity says otherwise.
  explicit FakeMapIo(size_t capacity = 1 << 20);

  MapInfo Info(MapId map) const override;
  MapWriteResult Update(MapId map, const MapRecords& records) override;
  MapWriteResult Delete(MapId map, const MapRecords& keys) override;
  absl::StatusOr<MapRecords> ReadAll(MapId map) override;

  void SetCapacity(MapId map, size_t records) { Of(map).info.capacity = records; }
  // Writes for which it gives true fail. Null: none.
  void SetFault(std::function<bool(const Write&)> fault) { fault_ = std::move(fault); }
  // The process dies after that many more records: nothing that it writes then has any effect, `on_death`
  // runs once.
  void DieAfter(size_t records, std::function<void()> on_death);
  void Revive() { dies_after_.reset(); }
  bool dead() const { return dies_after_ == 0u; }

  const Content& content(MapId map) const { return Of(map).content; }
  // Everything, for comparisons.
  std::vector<Content> contents() const;

  // What was written since the last ClearJournal, record by record.
  const std::vector<Write>& journal() const { return journal_; }
  void ClearJournal() { journal_.clear(); }
  // Called after every record that was written.
  void SetObserver(std::function<void(const Write&)> observer) { observer_ = std::move(observer); }
  // Called for every record that found its map full.
  void SetOnFull(std::function<void(MapId)> on_full) { on_full_ = std::move(on_full); }

 private:
  struct Map {
    MapInfo info;
    Content content;
  };
  Map& Of(MapId map) { return maps_[static_cast<size_t>(map)]; }
  const Map& Of(MapId map) const { return maps_[static_cast<size_t>(map)]; }
  // False: dead.
  bool Live();

  std::vector<Map> maps_;
  std::function<bool(const Write&)> fault_;
  std::function<void(const Write&)> observer_;
  std::function<void(MapId)> on_full_;
  std::optional<size_t> dies_after_;
  std::function<void()> on_death_;
  std::vector<Write> journal_;
};

}  // namespace trivium
