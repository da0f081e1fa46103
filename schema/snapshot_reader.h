// Reads a snapshot's chunks object by object, for keepers that need not make a message of each. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/feed.pb.h"

namespace trivium {

// One object of a snapshot. The views are valid during the call only.
struct SnapshotItem {
  uint64_t revision = 0;
  v1::Kind kind = v1::KIND_UNSPECIFIED;
  absl::string_view object;  // a serialized v1::Object; empty: the item is held by `key` alone
  absl::string_view body;    // the serialized message in it (v1::Endpoint, ...)
  absl::string_view key;
};

// Checks a chunk (as EncodeSnapshot made it), fills `head`, then hands on its objects in order until `each`
// fails. kDataLoss if it is no chunk.
absl::Status ReadSnapshotChunk(absl::string_view chunk, v1::Head* head,
                               absl::FunctionRef<absl::Status(const SnapshotItem&)> each);

}  // namespace trivium
