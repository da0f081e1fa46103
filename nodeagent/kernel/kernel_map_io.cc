#include "nodeagent/kernel/kernel_map_io.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nodeagent/kernel/batch.h"

namespace trivium {
namespace {

absl::Status WriteError(int error, MapId map, absl::string_view verb) {
  const std::string what = absl::StrCat(verb, " map ", MapName(map));
  if (error == E2BIG || error == ENOSPC || error == ENOMEM) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, error == ENOMEM ? ": no memory" : ": the map is full"));
  }
  return absl::ErrnoToStatus(error, what);
}

MapWriteResult Refuse(const MapRecords& records, absl::Status status) {
  MapWriteResult result;
  result.failed.resize(std::max<size_t>(records.count(), 1));
  std::iota(result.failed.begin(), result.failed.end(), 0);
  result.status = std::move(status);
  return result;
}

// Records sorted by key: a trie takes neighbours one after another in half the time. order[i]: where record i
// was.
MapRecords Sorted(const MapRecords& records, std::vector<size_t>* order) {
  order->resize(records.count());
  std::iota(order->begin(), order->end(), 0);
  // Stable: of two records with one key the later one must win.
  std::stable_sort(order->begin(), order->end(), [&](size_t a, size_t b) {
    // Compare behind the prefix length, so that a prefix stands next to what it covers.
    return records.key(a).substr(4) < records.key(b).substr(4);
  });
  MapRecords sorted = {.key_size = records.key_size, .value_size = records.value_size};
  sorted.keys.reserve(records.keys.size());
  sorted.values.reserve(records.values.size());
  for (const size_t i : *order) sorted.Add(records.key(i), records.value(i));
  return sorted;
}

}  // namespace

KernelMapIo::KernelMapIo(const Datapath* datapath) {
  for (int i = 0; i < kMapCount; ++i) {
    const MapId id = static_cast<MapId>(i);
    Map& map = maps_[i];
    map.fd = datapath->map_fd(id);
    map.lpm = id == MapId::kIpcacheLpm || id == MapId::kPolicyVerdict;
    bpf_map_info info = {};
    uint32_t size = sizeof(info);
    // Of a descriptor that we own; a failure leaves sizes of 0, and every call is refused.
    if (bpf_obj_get_info_by_fd(map.fd, &info, &size) == 0) {
      map.info = {.key_size = info.key_size, .value_size = info.value_size, .capacity = info.max_entries};
    }
  }
}

MapWriteResult KernelMapIo::Update(MapId id, const MapRecords& given) {
  const Map& map = Of(id);
  if (given.keys.empty() && given.values.empty()) return {};
  if (given.key_size != map.info.key_size || given.value_size != map.info.value_size ||
      given.values.size() != given.count() * given.value_size ||
      given.keys.size() != given.count() * given.key_size) {
    return Refuse(
        given,
        absl::InvalidArgumentError(absl::StrFormat(
            "update map %s: records of %d + %d bytes (%d keys, %d bytes of values), the map has %d + %d",
            MapName(id), given.key_size, given.value_size, given.count(), given.values.size(),
            map.info.key_size, map.info.value_size)));
  }
  std::vector<size_t> order;
  MapRecords sorted;
  if (map.lpm) sorted = Sorted(given, &order);
  const MapRecords& records = map.lpm ? sorted : given;

  MapWriteResult result;
  RunBatches(
      records.count(),
      [&](size_t first, uint32_t* count) {
        const int done =
            bpf_map_update_batch(map.fd, records.keys.data() + first * records.key_size,
                                 records.values.data() + first * records.value_size, count, nullptr);
        return done == 0 ? 0 : errno;
      },
      0,
      [&](size_t index, int error) {
        result.failed.push_back(map.lpm ? order[index] : index);
        if (result.status.ok()) result.status = WriteError(error, id, "update");
      });
  std::sort(result.failed.begin(), result.failed.end());
  return result;
}

MapWriteResult KernelMapIo::Delete(MapId id, const MapRecords& keys) {
  const Map& map = Of(id);
  if (keys.keys.empty()) return {};
  if (keys.key_size != map.info.key_size || keys.keys.size() != keys.count() * keys.key_size) {
    return Refuse(keys, absl::InvalidArgumentError(
                            absl::StrFormat("delete from map %s: keys of %d bytes, the map has %d",
                                            MapName(id), keys.key_size, map.info.key_size)));
  }
  MapWriteResult result;
  RunBatches(
      keys.count(),
      [&](size_t first, uint32_t* count) {
        const int done =
            bpf_map_delete_batch(map.fd, keys.keys.data() + first * keys.key_size, count, nullptr);
        return done == 0 ? 0 : errno;
      },
      ENOENT,
      [&](size_t index, int error) {
        result.failed.push_back(index);
        if (result.status.ok()) result.status = WriteError(error, id, "delete from");
      });
  return result;
}

absl::StatusOr<MapRecords> KernelMapIo::ReadAll(MapId id) {
  const Map& map = Of(id);
  MapRecords records = {.key_size = map.info.key_size, .value_size = map.info.value_size};
  if (absl::Status status =
          LookupAll(map.fd, records.key_size, records.value_size, &records.keys, &records.values);
      !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("map ", MapName(id), ": ", status.message()));
  }
  return records;
}

}  // namespace trivium
