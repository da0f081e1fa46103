// `completion`: the scripts by which shells ask `triviumctl __complete` what may come next.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"

namespace trivium::cli {
namespace {

constexpr char kBash[] = R"(# bash completion for triviumctl: source <(triviumctl completion bash)
_triviumctl() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  # A field or a KIND/ may go on.
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace
  return 0
}
complete -o default -F _triviumctl triviumctl
)";

constexpr char kZsh[] = R"(#compdef triviumctl
# zsh completion for triviumctl: source <(triviumctl completion zsh)
_triviumctl() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${candidates[*]}" ]]; then
    compadd -- "${candidates[@]}"
  else
    _files
  fi
}
compdef _triviumctl triviumctl
)";

}  // namespace

void AddCompletionCommand(CLI::App* app, Session* session) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app->add_subcommand(
      "completion", "A script that completes commands, options, kinds and names of objects in a shell");
  command->add_option("shell", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->type_name("");
  command->footer(
      "Examples:\n"
      "  source <(triviumctl completion bash)\n"
      "  triviumctl completion zsh > \"${fpath[1]}/_triviumctl\"");
  command->callback([=] {
    session->run = [=]() -> absl::StatusOr<int> {
      *session->out << (*shell == "zsh" ? kZsh : kBash);
      return kExitOk;
    };
  });
}

}  // namespace trivium::cli
