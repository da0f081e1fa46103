#include "cli/session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

std::string DefaultConfigPath() {
  if (const char* path = std::getenv("TRIVIUM_CONFIG"); path != nullptr && path[0] != 0) return path;
  const char* home = std::getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.config/trivium/triviumctl.yaml");
}

}  // namespace

absl::StatusOr<Config> Session::LoadConfiguration() const {
  const std::string path = config_path.empty() ? DefaultConfigPath() : config_path;
  absl::StatusOr<Config> config = LoadConfig(path);
  if (absl::IsNotFound(config.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat("no configuration at ", path,
                     "; give one with --config or $TRIVIUM_CONFIG (`triviumctl mesh init` writes one)"));
  }
  return config;
}

absl::StatusOr<Context> Session::ChosenContext() const {
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, LoadConfiguration());
  return PickContext(config, context_name, context_name.empty() ? cluster : "");
}

absl::StatusOr<std::vector<Context>> Session::ContextOfEachCluster() const {
  if (!context_name.empty() || !cluster.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(Context context, ChosenContext());
    return std::vector<Context>{std::move(context)};
  }
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, LoadConfiguration());
  std::vector<Context> contexts;
  for (const Context& context : config.contexts) {
    const bool known = std::any_of(contexts.begin(), contexts.end(),
                                   [&](const Context& other) { return other.cluster == context.cluster; });
    if (!known) contexts.push_back(context);
  }
  return contexts;
}

absl::StatusOr<absl::Duration> Session::Timeout() const { return ParseTimeout("--timeout", timeout_text); }

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view option, const std::string& text) {
  absl::Duration timeout;
  if (int64_t seconds = 0; absl::SimpleAtoi(text, &seconds)) {
    timeout = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &timeout)) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, " '", text, "' is no duration: write 30s, 1m30s, 500ms or a number of seconds"));
  }
  if (timeout <= absl::ZeroDuration() || timeout > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, " '", text, "' must be more than 0 and at most 24h"));
  }
  return timeout;
}

std::string ErrorText(const absl::Status& status, const Session& session) {
  std::string out = absl::StrCat(session.style.Bad("error"), ": ", status.message(), "\n");
  const char* hint = nullptr;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      hint =
          "nothing is known to have happened; repeating the command is safe. See who answers with "
          "`triviumctl status`";
      break;
    case absl::StatusCode::kPermissionDenied:
      hint = "this principal may not do that; choose another context with --context";
      break;
    case absl::StatusCode::kResourceExhausted:
      hint = "the control plane is busy or the object is too large; wait a little and repeat the command";
      break;
    case absl::StatusCode::kAborted:
      hint = "somebody else changed the same objects; look at them and repeat the command";
      break;
    default:
      break;
  }
  if (hint != nullptr) absl::StrAppend(&out, "hint: ", hint, "\n");
  return out;
}

}  // namespace trivium::cli
