#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/id128.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "cli/endpoint_text.h"
#include "cli/exit_code.h"
#include "cli/object_json.h"
#include "cli/table.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

struct Options {
  std::string socket = "/run/trivium/agent.sock";
  std::string name;  // NAMESPACE/NAME
  std::string uid;
  std::string ifname;
  std::string pod_mac;
  std::string service_account;
  std::vector<std::string> ips;
  std::vector<std::string> labels;
  std::vector<std::string> ports;
  std::string output;
};

absl::Status SetUid(const std::string& text, std::string* out) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<Id128> uid = Id128::FromHex(text);
  TRIVIUM_RETURN_IF_ERROR(Annotate(uid.status(), "--uid"));
  *out = uid->ToBytes();
  return absl::OkStatus();
}

std::string MacText(absl::string_view bytes) {
  return absl::StrJoin(bytes, ":", [](std::string* out, char c) {
    absl::StrAppend(out, absl::BytesToHexString(absl::string_view(&c, 1)));
  });
}

absl::StatusOr<int> Add(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::AgentRequest request;
  v1::EndpointAdd& add = *request.mutable_add();
  TRIVIUM_ASSIGN_OR_RETURN(const auto name, ParseEndpointName(options.name));
  add.set_namespace_(name.first);
  add.set_name(name.second);
  add.set_ifname(options.ifname);
  add.set_service_account(options.service_account);
  TRIVIUM_RETURN_IF_ERROR(SetUid(options.uid, add.mutable_uid()));
  if (!options.pod_mac.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(*add.mutable_pod_mac(), ParseMac(options.pod_mac));
  }
  for (const std::string& text : options.ips) {
    TRIVIUM_ASSIGN_OR_RETURN(*add.add_ips(), ParseIp(text));
  }
  for (const std::string& text : options.labels) {
    for (absl::string_view one : absl::StrSplit(text, ',')) {
      TRIVIUM_ASSIGN_OR_RETURN(const auto label, ParseLabel(one));
      (*add.mutable_labels())[label.first] = label.second;
    }
  }
  for (const std::string& text : options.ports) {
    TRIVIUM_ASSIGN_OR_RETURN(*add.add_named_ports(), ParseNamedPort(text));
  }

  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                           CallAgent(options.socket, std::move(request), timeout));
  const v1::LocalEndpoint& endpoint = reply.added().endpoint();
  if (options.output == "json") {
    Json json = MessageJson(endpoint);
    json["hostMac"] = MacText(reply.added().host_mac());
    *session->out << json.dump(2) << "\n";
  } else {
    *session->out << "endpoint/" << endpoint.name() << " added: " << StateText(endpoint.state())
                  << ", identity " << endpoint.identity() << (reply.message().empty() ? "" : ": ")
                  << reply.message() << "\n";
  }
  return endpoint.state() == v1::ENDPOINT_NOT_ENFORCED ? kExitRefused : kExitOk;
}

absl::StatusOr<int> Del(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::AgentRequest request;
  v1::EndpointDel& del = *request.mutable_del();
  TRIVIUM_ASSIGN_OR_RETURN(const auto name, ParseEndpointName(options.name));
  del.set_namespace_(name.first);
  del.set_name(name.second);
  TRIVIUM_RETURN_IF_ERROR(SetUid(options.uid, del.mutable_uid()));
  TRIVIUM_RETURN_IF_ERROR(CallAgent(options.socket, std::move(request), timeout).status());
  *session->out << "endpoint/" << name.second << " deleted\n";
  return kExitOk;
}

absl::StatusOr<int> List(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::AgentRequest request;
  request.mutable_list();
  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                           CallAgent(options.socket, std::move(request), timeout));
  if (options.output == "json") {
    Json all = Json::array();
    for (const v1::LocalEndpoint& endpoint : reply.list().endpoints()) all.push_back(MessageJson(endpoint));
    *session->out << all.dump(2) << "\n";
    return kExitOk;
  }
  Table table({"NAMESPACE", "NAME", "IP", "IDENTITY", "DEVICE", "STATE", "PROBLEM"});
  for (const v1::LocalEndpoint& endpoint : reply.list().endpoints()) {
    const std::string ips = absl::StrJoin(endpoint.ips(), ",", [](std::string* out, const std::string& ip) {
      absl::StrAppend(out, IpText(ip));
    });
    table.AddRow({endpoint.namespace_(), endpoint.name(), ips, absl::StrCat(endpoint.identity()),
                  endpoint.ifname(), StateText(endpoint.state()), endpoint.problem()});
  }
  *session->out << table.ToString();
  return kExitOk;
}

absl::StatusOr<int> AgentState(Session* session, const Options& options, bool audit) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::AgentRequest request;
  request.mutable_status()->set_audit(audit);
  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentReply reply,
                           CallAgent(options.socket, std::move(request), timeout));
  *session->out << MessageJson(reply.status()).dump(2) << "\n";
  return reply.status().audit_size() == 0 ? kExitOk : kExitRefused;
}

using Run = absl::StatusOr<int> (*)(Session*, const Options&);

void Bind(CLI::App* command, Session* session, const std::shared_ptr<Options>& options, Run run) {
  command->add_option("--socket", options->socket, "The agent's socket")
      ->capture_default_str()
      ->type_name("PATH");
  command->callback([=] { session->run = [=] { return run(session, *options); }; });
}

}  // namespace

void AddEndpointCommand(CLI::App* app, Session* session) {
  CLI::App* group = app->add_subcommand("endpoint", "Pods of this node, through its agent's socket");
  group->require_subcommand(1);

  auto add_options = std::make_shared<Options>();
  CLI::App* add = group->add_subcommand("add", "A pod starts: its veth is made, the host side still down");
  add->add_option("name", add_options->name, "NAMESPACE/NAME")->required()->type_name("");
  add->add_option("--ip", add_options->ips, "Address of the pod; one of a family")
      ->required()
      ->type_name("IP");
  add->add_option("--ifname", add_options->ifname, "Host side of its veth")->required()->type_name("DEVICE");
  add->add_option("--pod-mac", add_options->pod_mac, "MAC address of the pod's side")
      ->required()
      ->type_name("MAC");
  add->add_option("-l,--label", add_options->labels, "Label of the pod; may be repeated")
      ->type_name("KEY=VALUE");
  add->add_option("--port", add_options->ports, "Named port; may be repeated")
      ->type_name("NAME=NUMBER[/PROTOCOL]");
  add->add_option("--service-account", add_options->service_account, "")->type_name("NAME");
  add->add_option("--uid", add_options->uid, "Derived from name and addresses without it")->type_name("UUID");
  add->add_option("-o,--output", add_options->output, "json")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  add->footer(
      "Example:\n"
      "  triviumctl endpoint add shop/cart --ip 10.1.1.5 --ifname lxc1 --pod-mac 02:00:00:00:00:01 -l "
      "app=cart "
      "--port http=8080");
  Bind(add, session, add_options, Add);

  auto del_options = std::make_shared<Options>();
  CLI::App* del = group->add_subcommand("del", "A pod is gone; no error if it was never there");
  del->add_option("name", del_options->name, "NAMESPACE/NAME")->required()->type_name("");
  del->add_option("--uid", del_options->uid, "That one only")->type_name("UUID");
  del->footer("Example:\n  triviumctl endpoint del shop/cart");
  Bind(del, session, del_options, Del);

  auto list_options = std::make_shared<Options>();
  CLI::App* list = group->add_subcommand("list", "The pods that the agent knows");
  list->add_option("-o,--output", list_options->output, "json")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  list->footer("Examples:\n  triviumctl endpoint list\n  triviumctl endpoint list -o json");
  Bind(list, session, list_options, List);

  AddEndpointInspection(group, session);

  auto status_options = std::make_shared<Options>();
  CLI::App* status =
      group->add_subcommand("agent", "What the agent itself says: revisions, maps, drops (JSON)");
  auto audit = std::make_shared<bool>(false);
  status->add_flag("--audit", *audit,
                   "Also compare the kernel's maps with what they should hold; differences exit 1");
  status->add_option("--socket", status_options->socket, "The agent's socket")
      ->capture_default_str()
      ->type_name("PATH");
  status->footer("Examples:\n  triviumctl endpoint agent\n  triviumctl endpoint agent --audit");
  status->callback([=] { session->run = [=] { return AgentState(session, *status_options, *audit); }; });
}

}  // namespace trivium::cli
