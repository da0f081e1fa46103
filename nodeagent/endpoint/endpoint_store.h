// This node's endpoints over restarts: one small file, replaced whole. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

class EndpointStore {
 public:
  // `files` is not owned.
  EndpointStore(Files* files, std::string path) : files_(files), path_(std::move(path)) {}

  // Empty if there is no file. kDataLoss if it is damaged.
  absl::StatusOr<v1::StoredEndpoints> Load();
  // A failure is logged.
  absl::Status Save(const v1::StoredEndpoints& endpoints);

 private:
  Files* const files_;
  const std::string path_;
};

}  // namespace trivium
