#include "nodeagent/endpoint/endpoint_store.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/mirror/frames.h"

namespace trivium {

absl::StatusOr<v1::StoredEndpoints> EndpointStore::Load() {
  v1::StoredEndpoints endpoints;
  const absl::StatusOr<std::string> text = files_->Read(path_);
  if (absl::IsNotFound(text.status())) return endpoints;
  TRIVIUM_RETURN_IF_ERROR(text.status());
  const Frames frames = ReadFrames(*text);
  if (frames.frames.size() != 1 || frames.good != text->size() ||
      !endpoints.ParseFromArray(frames.frames[0].data(), static_cast<int>(frames.frames[0].size()))) {
    return absl::DataLossError(absl::StrCat(path_, " is damaged"));
  }
  return endpoints;
}

absl::Status EndpointStore::Save(const v1::StoredEndpoints& endpoints) {
  std::string text;
  AppendFrame(endpoints.SerializeAsString(), &text);
  const absl::Status saved = files_->WriteAtomically(path_, text);
  if (!saved.ok()) {
    spdlog::error("cannot keep the list of endpoints file={} error=\"{}\"", path_, saved.ToString());
  }
  return saved;
}

}  // namespace trivium
