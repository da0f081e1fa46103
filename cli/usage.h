// What a command line that is not understood should have been, and what may come next in one that is not
// finished: both walk the program's own tree of commands and options.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace trivium::cli {

// How far the words go: the command that they reach.
struct Reached {
  const CLI::App* command = nullptr;
  std::vector<std::string> arguments;  // what follows it, without options and their values
  std::string unknown;                 // a word where a command was wanted
  std::string unknown_option;          // "--nmaespace"
  const CLI::Option* open = nullptr;   // the last word is an option that wants a value
};
Reached Follow(const CLI::App& app, const std::vector<std::string>& words);

// The commands below `command`, without hidden ones.
std::vector<std::string> CommandNames(const CLI::App& command);
// The options of `command` and of those above it: "--output", "-o".
std::vector<std::string> OptionNames(const CLI::App& command);

// "unknown command 'gte'; did you mean 'get'?" or the like for an option; "" if the words are not at fault.
std::string UsageHint(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace trivium::cli
