#include "nodeagent/endpoint/framing.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

constexpr size_t kHeader = 4;

}  // namespace

std::string FrameReply(const v1::AgentReply& reply) {
  const std::string body = reply.SerializeAsString();
  std::string frame;
  frame.reserve(kHeader + body.size());
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(body.size() >> shift));
  return frame + body;
}

bool RequestFrames::full() const { return in_.size() - taken_ >= kHeader + kMaxRequestFrame; }

absl::StatusOr<std::optional<v1::AgentRequest>> RequestFrames::Next() {
  const absl::string_view held = absl::string_view(in_).substr(taken_);
  if (held.size() < kHeader) return std::nullopt;
  size_t size = 0;
  for (size_t i = 0; i < kHeader; ++i) size = size << 8 | static_cast<uint8_t>(held[i]);
  if (size > kMaxRequestFrame) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", size, " bytes: at most ", kMaxRequestFrame));
  }
  if (held.size() < kHeader + size) return std::nullopt;
  v1::AgentRequest request;
  if (!request.ParseFromArray(held.data() + kHeader, static_cast<int>(size))) {
    return absl::InvalidArgumentError("not an AgentRequest");
  }
  taken_ += kHeader + size;
  // Moving the rest to the front for each request would cost the square of what a peer sends at once.
  if (taken_ >= in_.size() / 2) {
    in_.erase(0, taken_);
    taken_ = 0;
  }
  return request;
}

}  // namespace trivium
