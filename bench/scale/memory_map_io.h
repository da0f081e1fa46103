// The kernel's maps in memory: what an agent of the scale harness writes where a thousand agents share one
// machine. Costs what a hash table costs, keeps no journal. One thread.
#pragma once

#include <array>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "nodeagent/reconcile/map_io.h"

namespace trivium::bench {

class MemoryMapIo final : public MapIo {
 public:
  explicit MemoryMapIo(size_t capacity = 1 << 22);

  MapInfo Info(MapId map) const override { return Of(map).info; }
  MapWriteResult Update(MapId map, const MapRecords& records) override;
  MapWriteResult Delete(MapId map, const MapRecords& keys) override;
  absl::StatusOr<MapRecords> ReadAll(MapId map) override;

 private:
  struct Map {
    MapInfo info;
    absl::flat_hash_map<std::string, std::string> content;
  };
  Map& Of(MapId map) { return maps_[static_cast<size_t>(map)]; }
  const Map& Of(MapId map) const { return maps_[static_cast<size_t>(map)]; }

  std::array<Map, kMapCount> maps_;
};

}  // namespace trivium::bench
