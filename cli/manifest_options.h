// -f, -R and -n, as apply, delete, diff and policy diff take them, and what they name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/config.h"
#include "cli/manifests.h"
#include "cli/session.h"
#include "policy/parse.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace trivium::cli {

struct GivenManifests {
  std::vector<ManifestFile> files;
  policy::ParseContext parse;  // by which they are to be understood
};

// Must outlive the command.
class ManifestOptions {
 public:
  // -f, which is returned, and -R.
  CLI::Option* AddFiles(CLI::App* command);
  void AddNamespace(CLI::App* command, const std::string& what = "For manifests without one");

  bool HasFiles() const { return !files_.empty(); }
  // -n, or the context's.
  std::string Namespace(const Context& context) const { return ns_.empty() ? context.ns : ns_; }
  // Read, and not yet parsed.
  absl::StatusOr<GivenManifests> Read(const Session& session, const Context& context) const;

 private:
  std::vector<std::string> files_;
  bool recursive_ = false;
  std::string ns_;
};

}  // namespace trivium::cli
