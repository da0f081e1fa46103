#include "cli/complete.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/explain_fields.h"
#include "cli/fetcher.h"
#include "cli/get_table.h"
#include "cli/kinds.h"
#include "cli/usage.h"

namespace trivium::cli {
namespace {

// Nobody waits longer for a word.
constexpr absl::Duration kPatience = absl::Milliseconds(1500);

using Words = std::vector<std::string>;

void Append(Words more, Words* to) { std::move(more.begin(), more.end(), std::back_inserter(*to)); }

// The value of the last such option, however it is written.
std::string ValueOf(const Words& words, const std::vector<std::string>& names) {
  std::string value;
  for (size_t i = 0; i < words.size(); ++i) {
    for (const std::string& name : names) {
      if (words[i] == name && i + 1 < words.size()) value = words[i + 1];
      if (absl::StartsWith(words[i], name + "=")) value = words[i].substr(name.size() + 1);
    }
  }
  return value;
}

class Completer {
 public:
  Completer(const CLI::App& app, Session* session, const Words& words)
      : session_(session),
        words_(words.begin(), words.end() - 1),
        last_(words.back()),
        reached_(Follow(app, words_)) {
    session_->config_path = ValueOf(words_, {"--config"});
    session_->context_name = ValueOf(words_, {"--context"});
    session_->cluster = ValueOf(words_, {"--cluster"});
  }

  Words All() {
    if (reached_.open != nullptr) return OfOption(*reached_.open);
    if (absl::StartsWith(last_, "-")) return OptionNames(*reached_.command);
    const Words commands = CommandNames(*reached_.command);
    if (!commands.empty()) return reached_.arguments.empty() ? commands : Words();
    return OfCommand();
  }

 private:
  std::string Path() const {
    std::string path;
    for (const CLI::App* at = reached_.command; at != nullptr && at->get_parent() != nullptr;
         at = at->get_parent()) {
      path = absl::StrCat(at->get_name(), path.empty() ? "" : " ", path);
    }
    return path;
  }

  Words OfOption(const CLI::Option& option) {
    if (option.check_name("--context")) return Contexts();
    if (option.check_name("--cluster")) return Names("cluster");
    if (option.check_name("--namespace")) return Names("namespace");
    if (option.check_name("--node")) return Names("node");
    if (option.check_name("--output")) {
      // "json, yaml, wide or name", as its description says.
      return absl::StrSplit(absl::AsciiStrToLower(option.get_description()), absl::ByAnyChar(", :"),
                            absl::SkipEmpty());
    }
    return {};
  }

  Words OfCommand() {
    const std::string path = Path();
    if (path == "get" || path == "describe" || path == "delete") return Objects();
    if (path == "explain") return reached_.arguments.empty() ? Fields() : Words();
    if (path == "rollout status") return Policies();
    if (path == "config use-context") return reached_.arguments.empty() ? Contexts() : Words();
    if (path == "completion") return reached_.arguments.empty() ? Words{"bash", "zsh"} : Words();
    if (path == "help") {
      const CLI::App* root = reached_.command->get_parent();
      const Reached about = Follow(*root, reached_.arguments);
      Words words = CommandNames(*about.command);
      if (reached_.arguments.empty()) words.emplace_back("exit-codes");
      return words;
    }
    return {};
  }

  // KIND[,KIND] NAME..., KIND/NAME...
  Words Objects() {
    if (const size_t slash = last_.find('/'); slash != std::string::npos)
      return Named(last_.substr(0, slash) + "/");
    if (reached_.arguments.empty()) {
      const size_t comma = last_.rfind(',');
      if (comma == std::string::npos) return KindWords();
      Words words;
      for (const std::string& word : KindWords()) words.push_back(last_.substr(0, comma + 1) + word);
      return words;
    }
    if (reached_.arguments[0].find('/') != std::string::npos) return {};
    Words words;
    for (absl::string_view kind : absl::StrSplit(reached_.arguments[0], ',', absl::SkipEmpty())) {
      Append(Names(std::string(kind)), &words);
    }
    return words;
  }

  Words Named(const std::string& prefix) {
    Words words;
    for (const std::string& name : Names(prefix.substr(0, prefix.size() - 1))) words.push_back(prefix + name);
    return words;
  }

  Words Policies() {
    if (const size_t slash = last_.find('/'); slash != std::string::npos)
      return Named(last_.substr(0, slash) + "/");
    if (reached_.arguments.size() == 1) return Names(reached_.arguments[0]);
    if (!reached_.arguments.empty()) return {};
    Words words = Names("policies");
    for (const KindInfo& kind : AllKinds()) {
      if (kind.kind == v1::KIND_POLICY) words.emplace_back(kind.short_name);
    }
    return words;
  }

  // "netpol.spec.ingress", level by level.
  Words Fields() {
    const size_t dot = last_.rfind('.');
    Words words;
    if (dot == std::string::npos) {
      for (const KindDoc& doc : ExplainedKinds()) {
        if (const auto kind = FindKind(doc.kind); kind.ok()) words.emplace_back((*kind)->short_name);
      }
      return words;
    }
    const Words path = absl::StrSplit(last_.substr(0, dot), '.');
    const auto kind = FindKind(path[0]);
    if (!kind.ok()) return {};
    absl::Span<const FieldDoc> fields;
    for (const KindDoc& doc : ExplainedKinds()) {
      if (doc.kind == (*kind)->name) fields = doc.fields;
    }
    for (size_t i = 1; i < path.size(); ++i) {
      const auto* field = std::find_if(fields.begin(), fields.end(),
                                       [&](const FieldDoc& one) { return one.name == path[i]; });
      if (field == fields.end()) return {};
      fields = field->below;
    }
    for (const FieldDoc& field : fields) words.push_back(absl::StrCat(last_.substr(0, dot + 1), field.name));
    return words;
  }

  Words Contexts() {
    Words words;
    const absl::StatusOr<Config> config = session_->LoadConfiguration();
    if (!config.ok()) return words;
    for (const Context& context : config->contexts) words.push_back(context.name);
    return words;
  }

  // Of objects of the kinds that a word stands for.
  Words Names(const std::string& word) {
    const auto kinds = FindKinds(word);
    std::string cluster;
    const absl::StatusOr<Context> context = ContextForReading(*session_, &cluster);
    if (!kinds.ok() || !context.ok()) return {};
    if (connection_ == nullptr) {
      auto made = session_->connect(*context);
      if (!made.ok()) return {};
      connection_ = *std::move(made);
    }
    Fetcher fetcher(&connection_->client(), kPatience);
    std::string ns = ValueOf(words_, {"-n", "--namespace"});
    if (ns.empty()) ns = context->ns;
    for (const char* flag : {"-A", "--all-namespaces"}) {
      if (std::find(words_.begin(), words_.end(), flag) != words_.end()) ns.clear();
    }
    Words names;
    for (const KindInfo* kind : *kinds) {
      const auto found = fetcher.Get(*kind, cluster, kind->namespaced ? ns : "", "");
      if (!found.ok()) {
        // Who is silent once is not asked again.
        if (absl::IsUnavailable(found.status()) || absl::IsDeadlineExceeded(found.status())) return names;
        continue;
      }
      for (const auto& item : found->items()) names.push_back(DisplayName(item.object().object()));
    }
    return names;
  }

  Session* const session_;
  const Words words_;  // those before the last
  const std::string last_;
  const Reached reached_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace

std::vector<std::string> Complete(const CLI::App& app, Session* session,
                                  const std::vector<std::string>& words) {
  Words given = words;
  if (given.empty()) given.emplace_back();
  std::set<std::string> fitting;
  for (const std::string& word : Completer(app, session, given).All()) {
    if (absl::StartsWith(word, given.back())) fitting.insert(word);
  }
  return {fitting.begin(), fitting.end()};
}

}  // namespace trivium::cli
