// Collects what libbpf says on this thread while the object lives, for the error that follows; without one,
// warnings go to the log. One at a time per thread.
#pragma once

#include <string>

namespace trivium {

class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;
  // The last few thousand characters: the end of a verifier's log is what matters.
  std::string text() const;

 private:
  std::string lines_;
  std::string* const outer_;
};

}  // namespace trivium
