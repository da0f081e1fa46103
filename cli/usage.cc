#include "cli/usage.h"

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/suggest.h"

namespace trivium::cli {
namespace {

const CLI::App* Below(const CLI::App& command, const std::string& name) {
  for (const CLI::App* sub : command.get_subcommands(nullptr)) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

const CLI::Option* FindOption(const CLI::App* command, const std::string& name) {
  for (; command != nullptr; command = command->get_parent()) {
    for (const CLI::Option* option : command->get_options()) {
      if (option->check_name(name)) return option;
    }
  }
  return nullptr;
}

bool WantsValue(const CLI::Option& option) {
  return option.get_expected_max() > 0 && option.get_type_size_max() > 0;
}

}  // namespace

Reached Follow(const CLI::App& app, const std::vector<std::string>& words) {
  Reached reached;
  reached.command = &app;
  bool only_arguments = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    reached.open = nullptr;
    if (word == "--" && !only_arguments) {
      only_arguments = true;
    } else if (!only_arguments && word.size() > 1 && word[0] == '-') {
      const size_t equals = word.find('=');
      const CLI::Option* option = FindOption(reached.command, word.substr(0, equals));
      if (option == nullptr && absl::StartsWith(word, "--") && reached.unknown_option.empty()) {
        reached.unknown_option = word.substr(0, equals);
      }
      if (option == nullptr || equals != std::string::npos || !WantsValue(*option)) continue;
      if (i + 1 == words.size()) reached.open = option;
      ++i;
    } else if (const CLI::App* sub = reached.arguments.empty() ? Below(*reached.command, word) : nullptr;
               sub != nullptr) {
      reached.command = sub;
    } else {
      if (reached.arguments.empty() && !CommandNames(*reached.command).empty() && reached.unknown.empty()) {
        reached.unknown = word;
      }
      reached.arguments.push_back(word);
    }
  }
  return reached;
}

std::vector<std::string> CommandNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands(nullptr)) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* at = &command; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    }
  }
  return names;
}

std::string UsageHint(const CLI::App& app, const std::vector<std::string>& words) {
  const Reached reached = Follow(app, words);
  if (!reached.unknown.empty()) {
    const std::vector<std::string> names = CommandNames(*reached.command);
    return absl::StrCat("unknown command '", reached.unknown, "'", DidYouMean(reached.unknown, names),
                        "; there are: ", absl::StrJoin(names, ", "));
  }
  if (!reached.unknown_option.empty()) {
    return absl::StrCat("unknown option '", reached.unknown_option, "'",
                        DidYouMean(reached.unknown_option, OptionNames(*reached.command)),
                        "; `triviumctl ... --help` lists them");
  }
  return "";
}

}  // namespace trivium::cli
