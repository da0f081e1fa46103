#include "nodeagent/reconcile/map_writer.h"

namespace trivium {

std::vector<bool> MapWriter::Book(MapId map, size_t n, const MapWriteResult& result) {
  std::vector<bool> failed(n, false);
  if (result.ok()) return failed;
  for (const size_t i : result.failed) {
    if (i < n) failed[i] = true;
  }
  Refuse(map, result.failed.size(), result.status);
  return failed;
}

void MapWriter::Refuse(MapId map, size_t keys, const absl::Status& status) {
  const auto known =
      std::find_if(problems_.begin(), problems_.end(), [map](const MapProblem& p) { return p.map == map; });
  if (known != problems_.end()) {
    known->keys += keys;
  } else {
    problems_.push_back({map, keys, status});
  }
}

}  // namespace trivium
