#include "nodeagent/mirror/frames.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trivium {
namespace {

TEST(Frames, AnyCutOrFlippedByteEndsThere) {
  std::string text;
  const std::vector<std::string> records{"first", "", std::string(300, 'x'), "last"};
  std::vector<size_t> ends;
  for (const std::string& record : records) {
    AppendFrame(record, &text);
    ends.push_back(text.size());
  }
  const Frames whole = ReadFrames(text);
  EXPECT_EQ(whole.good, text.size());
  EXPECT_EQ(std::vector<std::string>(whole.frames.begin(), whole.frames.end()), records);
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t intact =
        static_cast<size_t>(std::count_if(ends.begin(), ends.end(), [at](size_t e) { return e <= at; }));
    EXPECT_EQ(ReadFrames(text.substr(0, at)).frames.size(), intact) << at;
    std::string flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    EXPECT_EQ(ReadFrames(flipped).frames.size(), intact) << at;
    EXPECT_EQ(ReadFrames(flipped).good, intact == 0 ? 0 : ends[intact - 1]) << at;
  }
}

}  // namespace
}  // namespace trivium
