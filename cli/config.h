// triviumctl.yaml: whom to ask, and as whom. `triviumctl mesh init` writes one.
//
//   current_context: aws-euw2
//   contexts:
//   - name: aws-euw2
//     cluster: aws-euw2                    # whose control plane answers
//     principal: "aws-euw2:ctl:admin"      # what the certificate says
//     namespace: shop                      # optional: where -n is not given; else "default"
//     nats: {servers: ["tls://10.0.0.1:4222"], ca: ca.crt, cert: admin.crt, key: admin.key}
//
// Relative paths are relative to the file. Unknown keys are errors. Pure apart from LoadConfig; value types.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/object_json.h"

namespace trivium::cli {

struct NatsSection {
  std::vector<std::string> servers;
  std::string ca;
  std::string cert;
  std::string key;
};

struct Context {
  std::string name;
  std::string cluster;
  std::string principal;
  std::string ns = "default";
  NatsSection nats;
};

struct Config {
  std::string path;
  std::string current_context;
  std::vector<Context> contexts;  // at least one; names are unique
};

// `path` is for messages and for relative paths. kInvalidArgument names the file, the line and the key.
absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& path);
absl::StatusOr<Config> LoadConfig(const std::string& path);

// The context called `name`; with an empty name that of `cluster`; with both empty the current one (or the
// only one). kNotFound lists what there is.
absl::StatusOr<Context> PickContext(const Config& config, absl::string_view name, absl::string_view cluster);

// The file's text with another current_context, all else as it stands.
std::string WithCurrentContext(absl::string_view text, absl::string_view name);

// As ParseConfig read it, for people: URLs without their passwords.
Json ConfigJson(const Config& config);

}  // namespace trivium::cli
