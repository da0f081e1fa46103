// The framing of the agent's socket (agent_api.proto): a 4-byte big-endian length, then the message. Pure;
// not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

inline constexpr size_t kMaxRequestFrame = 1 << 20;  // bytes of one request

std::string FrameReply(const v1::AgentReply& reply);

// Requests out of a stream of bytes, however it is cut.
class RequestFrames {
 public:
  void Append(absl::string_view bytes) { in_.append(bytes.data(), bytes.size()); }
  // The next whole request, nothing if bytes of it are missing. kInvalidArgument, saying why, for what is
  // none: the stream cannot be understood from there on.
  absl::StatusOr<std::optional<v1::AgentRequest>> Next();
  // Whether what is held suffices for Next, whatever comes first; reading more would only fill memory.
  bool full() const;

 private:
  std::string in_;
  size_t taken_ = 0;  // bytes at the front of in_ that are done with
};

}  // namespace trivium
