#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/object_json.h"
#include "cli/trace_text.h"

namespace trivium::cli {
namespace {

struct EndOptions {
  std::string pod;  // NAMESPACE/NAME[@CLUSTER]
  std::vector<std::string> labels;
  std::string ns;
  std::string cluster;
  std::string service_account;
  std::string ip;
  std::string entity;
};

struct Options {
  EndOptions from;
  EndOptions to;
  std::string port;
  std::string output;
};

absl::Status SetPod(const std::string& text, v1::TraceEnd::Pod* pod) {
  const std::pair<std::string, std::string> at = absl::StrSplit(text, absl::MaxSplits('@', 1));
  const std::vector<std::string> parts = absl::StrSplit(at.first, '/');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no pod: write NAMESPACE/NAME[@CLUSTER]"));
  }
  pod->set_namespace_(parts[0]);
  pod->set_name(parts[1]);
  pod->set_cluster(at.second);
  return absl::OkStatus();
}

absl::Status SetEntity(const std::string& text, v1::TraceEnd* end) {
  v1::Entity entity = v1::ENTITY_UNSPECIFIED;
  const std::string name =
      absl::StrCat("ENTITY_", absl::AsciiStrToUpper(absl::StrReplaceAll(text, {{"-", "_"}})));
  if (!v1::Entity_Parse(name, &entity) || entity == v1::ENTITY_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no entity: write host, remote-node, world, kube-apiserver, ..."));
  }
  end->set_entity(entity);
  return absl::OkStatus();
}

absl::Status SetEnd(const EndOptions& options, absl::string_view side, v1::TraceEnd* end) {
  const int chosen = !options.pod.empty() + (!options.labels.empty() || !options.ns.empty()) +
                     !options.ip.empty() + !options.entity.empty();
  if (chosen != 1) {
    return absl::InvalidArgumentError(absl::StrCat("give one of --", side, ", --", side, "-labels (with --",
                                                   side, "-namespace), --", side, "-ip and --", side,
                                                   "-entity"));
  }
  if (!options.pod.empty()) return SetPod(options.pod, end->mutable_pod());
  if (!options.entity.empty()) return SetEntity(options.entity, end);
  if (!options.ip.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string ip, ParseIp(options.ip));
    end->set_ip(ip);
    return absl::OkStatus();
  }
  v1::TraceEnd::Labels* labels = end->mutable_labels();
  labels->set_cluster(options.cluster);
  labels->set_namespace_(options.ns.empty() ? "default" : options.ns);
  labels->set_service_account(options.service_account);
  for (const std::string& text : options.labels) {
    for (absl::string_view one : absl::StrSplit(text, ',')) {
      TRIVIUM_ASSIGN_OR_RETURN(const auto label, ParseLabel(one));
      (*labels->mutable_labels())[label.first] = label.second;
    }
  }
  return absl::OkStatus();
}

// "80", "80/UDP", "dns", "dns/UDP", "8/ICMP".
absl::Status SetPort(const std::string& text, v1::TraceRequest* request) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
  if (!parts.second.empty()) {
    v1::Protocol protocol = v1::PROTOCOL_ANY;
    if (!v1::Protocol_Parse(absl::StrCat("PROTOCOL_", absl::AsciiStrToUpper(parts.second)), &protocol) ||
        protocol == v1::PROTOCOL_ANY) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--dport '", text, "': '", parts.second, "' is no protocol: write TCP, UDP, SCTP, ICMP or ICMPv6"));
    }
    request->set_protocol(protocol);
  }
  uint32_t port = 0;
  if (absl::SimpleAtoi(parts.first, &port)) {
    request->set_port(port);
  } else if (parts.first.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dport '", text, "': write PORT[/PROTOCOL], TYPE/ICMP or NAME"));
  } else {
    request->set_port_name(parts.first);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> RunTrace(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  v1::Request request;
  v1::TraceRequest& trace = *request.mutable_trace();
  TRIVIUM_RETURN_IF_ERROR(SetEnd(options.from, "from", trace.mutable_from()));
  TRIVIUM_RETURN_IF_ERROR(SetEnd(options.to, "to", trace.mutable_to()));
  TRIVIUM_RETURN_IF_ERROR(SetPort(options.port, &trace));
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, connection->client().Call(request, timeout));
  if (options.output == "json") {
    *session->out << MessageJson(reply.trace()).dump(2) << "\n";
  } else {
    *session->out << TraceText(trace, reply.trace(), session->style);
  }
  return kExitOk;
}

void AddEnd(CLI::App* command, const std::string& side, const std::string& what, EndOptions* options) {
  const std::string flag = "--" + side;
  command->add_option(flag, options->pod, what + ": a pod")->type_name("NAMESPACE/NAME[@CLUSTER]");
  command->add_option(flag + "-labels", options->labels, "or any pod with these labels")
      ->type_name("KEY=VALUE,...");
  command->add_option(flag + "-namespace", options->ns, "in this namespace")->type_name("NAME");
  command->add_option(flag + "-cluster", options->cluster, "of this cluster")->type_name("NAME");
  command->add_option(flag + "-service-account", options->service_account, "with this account")
      ->type_name("NAME");
  command->add_option(flag + "-ip", options->ip, "or an address, of a pod, a node or the world")
      ->type_name("IP");
  command->add_option(flag + "-entity", options->entity, "or host, remote-node, world, kube-apiserver, ...")
      ->type_name("ENTITY");
}

}  // namespace

void AddPolicyCommand(CLI::App* app, Session* session) {
  CLI::App* group = app->add_subcommand("policy", "What policies mean");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* trace = group->add_subcommand(
      "trace",
      "May this talk to that, and why? Answered by the control plane from the policies in its mirrors");
  AddEnd(trace, "from", "Who opens the connection", &options->from);
  AddEnd(trace, "to", "Who is called", &options->to);
  trace->add_option("--dport", options->port, "Port, named port or ICMP type (TCP unless it says otherwise)")
      ->required()
      ->type_name("PORT[/PROTOCOL]");
  trace->add_option("-o,--output", options->output, "json")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  trace->footer(
      "Examples:\n"
      "  triviumctl policy trace --from shop/web --to data/db@gcp-euw2 --dport 5432\n"
      "  triviumctl policy trace --from-entity world --to shop/web --dport 443/TCP\n"
      "  triviumctl policy trace --from-labels app=new --from-namespace shop --to-ip 203.0.113.9 --dport "
      "53/UDP");
  AddPolicyDiff(group, session);
  trace->callback([=] { session->run = [=] { return RunTrace(session, *options); }; });
}

}  // namespace trivium::cli
