// `config`: the contexts of the configuration file.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/object_json.h"
#include "cli/table.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

absl::StatusOr<int> GetContexts(Session* session, const std::string& output) {
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, session->LoadConfiguration());
  const absl::StatusOr<Context> current = PickContext(config, "", "");
  Table table({"CURRENT", "NAME", "CLUSTER", "PRINCIPAL", "NAMESPACE", "SERVERS"});
  for (const Context& context : config.contexts) {
    if (output == "name") {
      *session->out << context.name << "\n";
      continue;
    }
    table.AddRow({current.ok() && current->name == context.name ? "*" : "-", context.name, context.cluster,
                  context.principal, context.ns,
                  absl::StrJoin(context.nats.servers, ",", [](std::string* out, const std::string& url) {
                    *out += WithoutPassword(url);
                  })});
  }
  if (output != "name") *session->out << table.ToString();
  return kExitOk;
}

absl::StatusOr<int> CurrentContext(Session* session) {
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, session->LoadConfiguration());
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, PickContext(config, "", ""));
  *session->out << context.name << "\n";
  return kExitOk;
}

absl::StatusOr<int> UseContext(Session* session, const std::string& name) {
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, session->LoadConfiguration());
  TRIVIUM_RETURN_IF_ERROR(PickContext(config, name, "").status());
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(config.path));
  const std::string changed = WithCurrentContext(text, name);
  // What is written must be what is meant.
  TRIVIUM_ASSIGN_OR_RETURN(const Config after, ParseConfig(changed, config.path));
  if (after.current_context != name) {
    return absl::InternalError(absl::StrCat(config.path, ": cannot set current_context; write it by hand"));
  }
  TRIVIUM_RETURN_IF_ERROR(RealFiles()->WriteAtomically(config.path, changed));
  *session->out << "Switched to context \"" << name << "\".\n";
  return kExitOk;
}

absl::StatusOr<int> View(Session* session, const std::string& output) {
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, session->LoadConfiguration());
  const Json json = ConfigJson(config);
  *session->out << (output == "json" ? json.dump(2) + "\n" : ToYaml(json));
  return kExitOk;
}

}  // namespace

void AddConfigCommand(CLI::App* app, Session* session) {
  CLI::App* group =
      app->add_subcommand("config", "The contexts of the configuration file: whom to ask, and as whom");
  group->require_subcommand(1);
  auto output = std::make_shared<std::string>();
  CLI::App* contexts = group->add_subcommand("get-contexts", "All contexts; * is the current one");
  contexts->add_option("-o,--output", *output, "name")->check(CLI::IsMember({"name"}))->type_name("FORMAT");
  contexts->footer("Examples:\n  triviumctl config get-contexts\n  triviumctl config get-contexts -o name");
  contexts->callback([=] { session->run = [=] { return GetContexts(session, *output); }; });

  CLI::App* current = group->add_subcommand("current-context", "The context that is used without --context");
  current->footer("Example:\n  triviumctl config current-context");
  current->callback([=] { session->run = [=] { return CurrentContext(session); }; });

  auto name = std::make_shared<std::string>();
  CLI::App* use = group->add_subcommand("use-context", "Makes a context the current one");
  use->add_option("name", *name, "NAME")->required()->type_name("");
  use->footer("Example:\n  triviumctl config use-context gcp-euw2");
  use->callback([=] { session->run = [=] { return UseContext(session, *name); }; });

  CLI::App* view = group->add_subcommand("view", "The configuration as it is understood, without passwords");
  view->add_option("-o,--output", *output, "json or yaml")
      ->check(CLI::IsMember({"json", "yaml"}))
      ->type_name("FORMAT");
  view->footer("Examples:\n  triviumctl config view\n  triviumctl config view -o json");
  view->callback([=] { session->run = [=] { return View(session, *output); }; });
}

}  // namespace trivium::cli
