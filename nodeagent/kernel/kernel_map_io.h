// MapIo on the pinned maps: batched system calls, one record at a time only around one that fails.
#pragma once

#include <array>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/reconcile/map_io.h"

namespace trivium {

class KernelMapIo final : public MapIo {
 public:
  // `datapath` outlives this.
  explicit KernelMapIo(const Datapath* datapath);

  MapInfo Info(MapId map) const override { return Of(map).info; }
  MapWriteResult Update(MapId map, const MapRecords& records) override;
  MapWriteResult Delete(MapId map, const MapRecords& keys) override;
  absl::StatusOr<MapRecords> ReadAll(MapId map) override;

 private:
  struct Map {
    int fd = -1;
    bool lpm = false;
    MapInfo info;
  };
  const Map& Of(MapId map) const { return maps_[static_cast<size_t>(map)]; }

  std::array<Map, kMapCount> maps_;
};

}  // namespace trivium
