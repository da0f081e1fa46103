#include "controlplane/reachability/positions.h"

#include <utility>

namespace trivium {

std::string BehindIn(const std::vector<ClusterPosition>& mine, const std::vector<ClusterPosition>& theirs) {
  for (const ClusterPosition& their : theirs) {
    for (const ClusterPosition& my : mine) {
      if (my.cluster == their.cluster &&
          std::make_pair(my.epoch, my.revision) < std::make_pair(their.epoch, their.revision)) {
        return my.cluster;
      }
    }
  }
  return "";
}

}  // namespace trivium
