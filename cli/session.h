// What every command works with: global options, streams, and connections to control planes. Not thread-safe.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/style.h"

namespace trivium::cli {

// Keeps what a client stands on.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual Client& client() = 0;
};

// Makes a connection as the context says. Tests give one that talks to a fake bus.
using Connector = std::function<absl::StatusOr<std::unique_ptr<Connection>>(const Context&)>;
absl::StatusOr<std::unique_ptr<Connection>> ConnectNats(const Context& context);

struct Session {
  Connector connect;
  Clock* clock = nullptr;
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  Style style;
  bool interactive = false;  // `in` is a terminal: somebody can be asked

  // Global options.
  std::string config_path;
  std::string context_name;
  std::string cluster;
  std::string timeout_text = "10s";

  // The chosen command's work, set while the command line is parsed. The value is the exit status.
  std::function<absl::StatusOr<int>()> run;

  absl::StatusOr<Config> LoadConfiguration() const;
  // The one context that the global options name.
  absl::StatusOr<Context> ChosenContext() const;
  // Without a choice on the command line: one context for each cluster in the file, since each control plane
  // knows the reports of its own agents only.
  absl::StatusOr<std::vector<Context>> ContextOfEachCluster() const;
  absl::StatusOr<absl::Duration> Timeout() const;
};

// "30s", "1m30s", "500ms", or a plain number of seconds. kInvalidArgument names `option`.
absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view option, const std::string& text);

// "error: ..." and, where there is something to do about it, "hint: ..."; both end with a newline.
std::string ErrorText(const absl::Status& status, const Session& session);

}  // namespace trivium::cli
