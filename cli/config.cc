#include "cli/config.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "cli/text.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

absl::StatusOr<Context> ReadContext(const YamlSection& section) {
  TRIVIUM_RETURN_IF_ERROR(section.Allow({"name", "cluster", "principal", "namespace", "nats"}));
  Context context;
  TRIVIUM_RETURN_IF_ERROR(section.Text("name", &context.name));
  TRIVIUM_RETURN_IF_ERROR(section.Text("cluster", &context.cluster));
  TRIVIUM_RETURN_IF_ERROR(section.Text("principal", &context.principal));
  TRIVIUM_RETURN_IF_ERROR(section.OptionalText("namespace", &context.ns));
  if (!IsSubjectToken(context.cluster)) return section.Error("cluster", "is no cluster name");
  if (auto principal = Principal::Parse(context.principal); !principal.ok()) {
    return section.Error("principal", principal.status().message());
  }
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, section.Section("nats"));
  TRIVIUM_RETURN_IF_ERROR(nats.Allow({"servers", "ca", "cert", "key"}));
  TRIVIUM_RETURN_IF_ERROR(nats.TextList("servers", &context.nats.servers));
  TRIVIUM_RETURN_IF_ERROR(nats.File("ca", &context.nats.ca));
  TRIVIUM_RETURN_IF_ERROR(nats.File("cert", &context.nats.cert));
  TRIVIUM_RETURN_IF_ERROR(nats.File("key", &context.nats.key));
  return context;
}

std::string ContextNames(const Config& config) {
  return absl::StrJoin(config.contexts, ", ",
                       [](std::string* out, const Context& context) { absl::StrAppend(out, context.name); });
}

}  // namespace

absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection section, YamlSection::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(section.Allow({"current_context", "contexts"}));
  Config config;
  config.path = path;
  TRIVIUM_RETURN_IF_ERROR(section.OptionalText("current_context", &config.current_context));
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> contexts, section.Sections("contexts"));
  for (const YamlSection& entry : contexts) {
    TRIVIUM_ASSIGN_OR_RETURN(Context context, ReadContext(entry));
    for (const Context& other : config.contexts) {
      if (other.name == context.name) return entry.Error("name", "is there twice");
    }
    config.contexts.push_back(std::move(context));
  }
  if (!config.current_context.empty()) {
    const absl::Status found = PickContext(config, config.current_context, "").status();
    if (!found.ok()) return section.Error("current_context", found.message());
  }
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(std::string text, RealFiles()->Read(path));
  return ParseConfig(text, path);
}

absl::StatusOr<Context> PickContext(const Config& config, absl::string_view name, absl::string_view cluster) {
  if (name.empty() && cluster.empty()) {
    if (config.current_context.empty()) {
      if (config.contexts.size() == 1) return config.contexts.front();
      return absl::NotFoundError(
          absl::StrCat("no current_context in ", config.path,
                       ": choose one with --context; there are: ", ContextNames(config)));
    }
    name = config.current_context;
  }
  for (const Context& context : config.contexts) {
    if (name.empty() ? context.cluster == cluster : context.name == name) return context;
  }
  return absl::NotFoundError(
      absl::StrCat("no context ",
                   name.empty() ? absl::StrCat("for cluster '", cluster, "'") : absl::StrCat("'", name, "'"),
                   " in ", config.path, "; there are: ", ContextNames(config)));
}

std::string WithCurrentContext(absl::string_view text, absl::string_view name) {
  const std::string line = absl::StrCat("current_context: ", name);
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& each : lines) {
    if (!absl::StartsWith(each, "current_context:")) continue;
    const size_t comment = each.find(" #");
    each = comment == std::string::npos ? line : absl::StrCat(line, each.substr(comment));
    return absl::StrJoin(lines, "\n");
  }
  // After what may have to stand first: comments and the document's mark.
  size_t at = 0;
  while (at < lines.size() && (absl::StartsWith(lines[at], "#") || absl::StartsWith(lines[at], "---"))) ++at;
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), line);
  return absl::StrJoin(lines, "\n");
}

Json ConfigJson(const Config& config) {
  Json json = {{"current_context", config.current_context}, {"contexts", Json::array()}};
  for (const Context& context : config.contexts) {
    Json servers = Json::array();
    for (const std::string& url : context.nats.servers) servers.push_back(WithoutPassword(url));
    json["contexts"].push_back({{"name", context.name},
                                {"cluster", context.cluster},
                                {"principal", context.principal},
                                {"namespace", context.ns},
                                {"nats",
                                 {{"servers", servers},
                                  {"ca", context.nats.ca},
                                  {"cert", context.nats.cert},
                                  {"key", context.nats.key}}}});
  }
  return json;
}

}  // namespace trivium::cli
