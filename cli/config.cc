#include "cli/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <initializer_list>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// One mapping of the file, with its place for messages.
class Section {
 public:
  Section(YAML::Node node, std::string path, std::string where)
      : node_(std::move(node)), path_(std::move(path)), where_(std::move(where)) {}

  absl::Status Error(const YAML::Node& at, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", at.Mark().line + 1, ": ", what));
  }
  std::string Name(absl::string_view key) const {
    return where_.empty() ? std::string(key) : absl::StrCat(where_, ".", key);
  }

  absl::Status Allow(std::initializer_list<absl::string_view> keys) const {
    if (!node_.IsMap()) {
      return Error(node_, absl::StrCat(where_.empty() ? "the file" : where_, " must be a mapping"));
    }
    for (const auto& entry : node_) {
      if (!entry.first.IsScalar() ||
          std::find(keys.begin(), keys.end(), entry.first.Scalar()) == keys.end()) {
        return Error(entry.first,
                     absl::StrCat("unknown key ", Name(entry.first.IsScalar() ? entry.first.Scalar() : "?"),
                                  "; known are: ", absl::StrJoin(keys, ", ")));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Text(const char* key, bool required, std::string* out) const {
    const YAML::Node value = node_[key];
    if (!value.IsDefined()) {
      return required ? Error(node_, absl::StrCat(Name(key), " is missing")) : absl::OkStatus();
    }
    if (!value.IsScalar() || value.Scalar().empty())
      return Error(value, absl::StrCat(Name(key), " must be a text"));
    *out = value.Scalar();
    return absl::OkStatus();
  }

  absl::Status File(const char* key, std::string* out) const {
    TRIVIUM_RETURN_IF_ERROR(Text(key, true, out));
    if (out->front() != '/') *out = absl::StrCat(path_.substr(0, path_.rfind('/') + 1), *out);
    return absl::OkStatus();
  }

  absl::Status TextList(const char* key, std::vector<std::string>* out) const {
    const YAML::Node list = node_[key];
    if (!list.IsDefined()) return Error(node_, absl::StrCat(Name(key), " is missing"));
    if (!list.IsSequence() || list.size() == 0)
      return Error(list, absl::StrCat(Name(key), " must be a list, not empty"));
    for (const auto& item : list) {
      if (!item.IsScalar() || item.Scalar().empty())
        return Error(item, absl::StrCat(Name(key), " must hold texts"));
      out->push_back(item.Scalar());
    }
    return absl::OkStatus();
  }

  const YAML::Node& node() const { return node_; }

 private:
  const YAML::Node node_;
  const std::string path_;
  const std::string where_;
};

absl::StatusOr<Context> ParseContextEntry(const YAML::Node& node, const std::string& path,
                                          const std::string& where) {
  const Section section(node, path, where);
  TRIVIUM_RETURN_IF_ERROR(section.Allow({"name", "cluster", "principal", "namespace", "nats"}));
  Context context;
  TRIVIUM_RETURN_IF_ERROR(section.Text("name", true, &context.name));
  TRIVIUM_RETURN_IF_ERROR(section.Text("cluster", true, &context.cluster));
  TRIVIUM_RETURN_IF_ERROR(section.Text("principal", true, &context.principal));
  TRIVIUM_RETURN_IF_ERROR(section.Text("namespace", false, &context.ns));
  if (!IsSubjectToken(context.cluster)) {
    return section.Error(node["cluster"],
                         absl::StrCat(where, ".cluster: '", context.cluster, "' is no cluster name"));
  }
  if (auto principal = Principal::Parse(context.principal); !principal.ok()) {
    return section.Error(node["principal"],
                         absl::StrCat(where, ".principal: ", principal.status().message()));
  }
  if (!node["nats"].IsDefined()) return section.Error(node, absl::StrCat(where, ".nats is missing"));
  const Section nats(node["nats"], path, where + ".nats");
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
  YAML::Node root;
  try {
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", e.mark.line + 1, ": ", e.msg));
  }
  const Section section(root, path, "");
  TRIVIUM_RETURN_IF_ERROR(section.Allow({"current_context", "contexts"}));
  Config config;
  config.path = path;
  TRIVIUM_RETURN_IF_ERROR(section.Text("current_context", false, &config.current_context));
  const YAML::Node contexts = root["contexts"];
  if (!contexts.IsDefined() || !contexts.IsSequence() || contexts.size() == 0) {
    return section.Error(root, "contexts must be a list, not empty");
  }
  for (size_t i = 0; i < contexts.size(); ++i) {
    TRIVIUM_ASSIGN_OR_RETURN(Context context,
                             ParseContextEntry(contexts[i], path, absl::StrCat("contexts[", i, "]")));
    for (const Context& other : config.contexts) {
      if (other.name == context.name) {
        return section.Error(contexts[i],
                             absl::StrCat("contexts[", i, "].name: '", context.name, "' is there twice"));
      }
    }
    config.contexts.push_back(std::move(context));
  }
  if (!config.current_context.empty()) {
    TRIVIUM_RETURN_IF_ERROR(Annotate(PickContext(config, config.current_context, "").status(),
                                     absl::StrCat(path, ": current_context")));
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

}  // namespace trivium::cli
