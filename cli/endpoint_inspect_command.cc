// `endpoint get` and `endpoint config`: one pod of this node, its maps, and what can be set of it.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "cli/endpoint_text.h"
#include "cli/exit_code.h"
#include "cli/object_json.h"

namespace trivium::cli {
namespace {

struct Options {
  std::string socket = "/run/trivium/agent.sock";
  std::string name;  // NAMESPACE/NAME
  bool maps = false;
  std::string setting;  // KEY=VALUE
  std::string output;
};

absl::StatusOr<v1::LocalEndpoint> Find(const Options& options, absl::Duration timeout) {
  TRIVIUM_ASSIGN_OR_RETURN(const auto name, ParseEndpointName(options.name));
  v1::AgentRequest request;
  request.mutable_list();
  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                           CallAgent(options.socket, std::move(request), timeout));
  for (const v1::LocalEndpoint& endpoint : reply.list().endpoints()) {
    if (endpoint.namespace_() == name.first && endpoint.name() == name.second) return endpoint;
  }
  return absl::NotFoundError(
      absl::StrCat("endpoint ", options.name,
                   " is not on this node: `triviumctl get endpoints -A -o wide` says where it is"));
}

absl::StatusOr<int> GetMaps(Session* session, const Options& options, absl::Duration timeout) {
  TRIVIUM_ASSIGN_OR_RETURN(const auto name, ParseEndpointName(options.name));
  v1::AgentRequest request;
  request.mutable_endpoint_maps()->set_namespace_(name.first);
  request.mutable_endpoint_maps()->set_name(name.second);
  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                           CallAgent(options.socket, std::move(request), timeout));
  const v1::EndpointMapsResult& maps = reply.endpoint_maps();
  *session->out << (options.output == "json" ? MessageJson(maps).dump(2) + "\n"
                                             : EndpointMapsText(maps, session->style));
  return maps.differences() == 0 ? kExitOk : kExitRefused;
}

absl::StatusOr<int> Get(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  if (options.maps) return GetMaps(session, options, timeout);
  TRIVIUM_ASSIGN_OR_RETURN(const v1::LocalEndpoint endpoint, Find(options, timeout));
  *session->out << (options.output == "json" ? MessageJson(endpoint).dump(2) + "\n"
                                             : EndpointText(endpoint, session->style));
  return kExitOk;
}

absl::StatusOr<bool> ParseSwitch(const std::string& setting) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(setting, absl::MaxSplits('=', 1));
  if (!absl::EqualsIgnoreCase(parts.first, "PolicyAuditMode")) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", parts.first, "' is no setting: there is PolicyAuditMode"));
  }
  const std::string value = absl::AsciiStrToLower(parts.second);
  if (value == "enabled" || value == "true") return true;
  if (value == "disabled" || value == "false") return false;
  return absl::InvalidArgumentError(absl::StrCat(
      "PolicyAuditMode '", parts.second, "': write PolicyAuditMode=Enabled or PolicyAuditMode=Disabled"));
}

absl::StatusOr<int> Configure(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::LocalEndpoint endpoint;
  if (options.setting.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(endpoint, Find(options, timeout));
  } else {
    TRIVIUM_ASSIGN_OR_RETURN(const auto name, ParseEndpointName(options.name));
    TRIVIUM_ASSIGN_OR_RETURN(const bool audit, ParseSwitch(options.setting));
    v1::AgentRequest request;
    request.mutable_config()->set_namespace_(name.first);
    request.mutable_config()->set_name(name.second);
    request.mutable_config()->set_policy_audit_mode(audit);
    TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                             CallAgent(options.socket, std::move(request), timeout));
    endpoint = reply.config();
  }
  *session->out << "endpoint/" << endpoint.name()
                << " PolicyAuditMode=" << (endpoint.policy_audit_mode() ? "Enabled" : "Disabled") << "\n";
  return kExitOk;
}

void AddCommon(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("name", options->name, "NAMESPACE/NAME")->required()->type_name("");
  command->add_option("--socket", options->socket, "The agent's socket")
      ->capture_default_str()
      ->type_name("PATH");
}

}  // namespace

void AddEndpointInspection(CLI::App* group, Session* session) {
  auto get_options = std::make_shared<Options>();
  CLI::App* get = group->add_subcommand("get", "One pod of this node, as its agent has it");
  AddCommon(get, get_options);
  get->add_flag("--maps", get_options->maps,
                "With its entries in the kernel's maps beside what they should be; a difference exits 1");
  get->add_option("-o,--output", get_options->output, "json")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  get->footer("Examples:\n  triviumctl endpoint get data/db\n  triviumctl endpoint get data/db --maps");
  get->callback([=] { session->run = [=] { return Get(session, *get_options); }; });

  auto config_options = std::make_shared<Options>();
  CLI::App* config =
      group->add_subcommand("config", "What is set of one pod, or sets it; kept over restarts");
  AddCommon(config, config_options);
  config->add_option("setting", config_options->setting, "PolicyAuditMode=Enabled|Disabled")->type_name("");
  config->footer(
      "Examples:\n"
      "  triviumctl endpoint config data/db\n"
      "  triviumctl endpoint config data/db PolicyAuditMode=Enabled");
  config->callback([=] { session->run = [=] { return Configure(session, *config_options); }; });
}

}  // namespace trivium::cli
