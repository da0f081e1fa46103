// A snapshot on its way into a replica: takes chunk after chunk, so that the messages need never be there all
// at once. Replica::Load puts the result in force. Pure; not thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "replica/mirror.h"
#include "trivium/v1/feed.pb.h"

namespace trivium {

class SnapshotLoad {
 public:
  // `mirror`: a mirror that keeps the same kinds in the same forms.
  SnapshotLoad(std::string cluster, const Mirror& mirror);

  // One chunk as it is on the wire, or decoded. kDataLoss if it does not belong to this snapshot; then the
  // whole load is void.
  absl::Status Add(absl::string_view chunk);
  absl::Status Add(const v1::Snapshot& part);

 private:
  friend class Replica;

  absl::Status TakeHead(const v1::Head& head);
  absl::Status CheckRevision(uint64_t revision) const;
  absl::Status AddKey(v1::Kind kind, absl::string_view key, uint64_t revision);
  // All chunks are there: the state has its head's digest.
  absl::Status Check() const;

  std::string cluster_;
  std::string what_;  // for messages
  Mirror mirror_;
  v1::Head head_;
  Id128 batch_;
  Id128 digest_;
  bool begun_ = false;
  size_t objects_ = 0;
};

}  // namespace trivium
