// The agent's socket: a stream of bytes is the same requests however it is cut into pieces. And the frames of
// its durable copy: what was written is read back, whatever is torn off behind it.
#include <algorithm>
#include <optional>
#include <vector>

#include "nodeagent/endpoint/framing.h"
#include "nodeagent/mirror/frames.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/deterministic_bytes.h"

using namespace trivium;

namespace {

struct Heard {
  std::vector<std::string> requests;
  bool broken = false;
  friend bool operator==(const Heard&, const Heard&) = default;
};

Heard Listen(absl::string_view bytes, size_t piece) {
  Heard heard;
  RequestFrames frames;
  while (!bytes.empty()) {
    frames.Append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (true) {
      const absl::StatusOr<std::optional<v1::AgentRequest>> next = frames.Next();
      heard.broken = heard.broken || !next.ok();
      if (heard.broken) return heard;
      if (!next->has_value()) break;
      heard.requests.push_back(DeterministicBytes(**next));
    }
    fuzz::Require(!frames.full(), "full, and nothing comes of it");
  }
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes = fuzz::Text(data, size).substr(1);
  fuzz::Require(Listen(bytes, bytes.size()) == Listen(bytes, 1 + data[0] % 16),
                "cut otherwise, heard otherwise");

  const Frames frames = ReadFrames(bytes);
  fuzz::Require(frames.good <= bytes.size(), "more than there is");
  std::string file;
  AppendFrame(bytes, &file);
  AppendFrame("second", &file);
  const size_t whole = file.size();
  file.append(bytes.data(), std::min<size_t>(bytes.size(), 11));  // less than a frame's header
  const Frames back = ReadFrames(file);
  fuzz::Require(back.frames.size() == 2 && back.frames[0] == bytes && back.good == whole,
                "written, and not read back");
  return 0;
}
