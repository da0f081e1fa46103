// `monitor`: drops and audited passes as the agents of a cluster report them, until somebody ends it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flow_view.h"
#include "cli/mailbox.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

constexpr size_t kMaxNames = 10'000;
constexpr absl::Duration kNamesLive = absl::Seconds(10);
constexpr absl::Duration kLookup = absl::Seconds(2);

struct Options {
  FlowFilter filter;
  std::string node;
  uint64_t count = 0;
  std::string output;
};

// Names of pods that the reporting node does not know, from the control plane. Remembered for a while.
class Names {
 public:
  Names(Client* client, Clock* clock) : client_(client), clock_(clock) {}

  void Complete(v1::FlowEvent* event) {
    const bool source = event->source().empty(), destination = event->destination().empty();
    if (!source && !destination) return;
    if (source && !Known(event->source_ip())) Ask(*event);
    if (destination && !Known(event->destination_ip())) Ask(*event);
    if (source) event->set_source(NameOf(event->source_ip(), event->source_identity()));
    if (destination) event->set_destination(NameOf(event->destination_ip(), event->destination_identity()));
  }

 private:
  struct Name {
    std::string text;
    uint32_t identity = 0;
    absl::Duration until;
  };

  bool Known(const std::string& ip) const {
    const auto it = names_.find(ip);
    return clock_->Monotonic() < not_before_ ||
           (it != names_.end() && clock_->Monotonic() < it->second.until);
  }
  // Whoever has the address now is not meant if it is somebody else.
  std::string NameOf(const std::string& ip, uint32_t identity) const {
    const auto it = names_.find(ip);
    if (it == names_.end() || (identity != 0 && it->second.identity != identity)) return "";
    return it->second.text;
  }
  void Ask(const v1::FlowEvent& event) {
    v1::Request request;
    request.mutable_trace()->mutable_from()->set_ip(event.source_ip());
    request.mutable_trace()->mutable_to()->set_ip(event.destination_ip());
    request.mutable_trace()->set_port(std::max(1u, event.destination_port()));
    const absl::StatusOr<v1::Reply> reply = client_->Call(std::move(request), kLookup);
    if (!reply.ok()) {
      not_before_ = clock_->Monotonic() + kNamesLive;  // without names rather than without events
      return;
    }
    if (names_.size() >= kMaxNames) names_.clear();
    const absl::Duration until = clock_->Monotonic() + kNamesLive;
    names_[event.source_ip()] = {reply->trace().from(), reply->trace().from_identity(), until};
    names_[event.destination_ip()] = {reply->trace().to(), reply->trace().to_identity(), until};
  }

  Client* const client_;
  Clock* const clock_;
  std::map<std::string, Name> names_;  // by address
  absl::Duration not_before_ = -absl::InfiniteDuration();
};

absl::StatusOr<int> Monitor(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  if (!options.node.empty() && !IsSubjectToken(options.node)) {
    return absl::InvalidArgumentError(absl::StrCat("--node '", options.node, "' is no node's name"));
  }
  const auto mailbox = std::make_shared<Mailbox>();  // the connection's thread may still fill it at the end
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  Client& client = connection->client();
  const std::string subject = options.node.empty() ? subjects::EveryFlows(client.cluster())
                                                   : subjects::Flows(client.cluster(), options.node);
  TRIVIUM_RETURN_IF_ERROR(client.Listen(
      subject, timeout, [mailbox](Message message) { mailbox->Put(std::move(message.payload)); }));
  *session->err << "listening to the agents of " << client.cluster() << "; end with Ctrl-C\n";

  Names names(&client, session->clock);
  std::map<std::string, uint64_t> sequences;  // by node: the last one seen
  for (uint64_t shown = 0; options.count == 0 || shown < options.count;) {
    const auto [payload, lost_here] = mailbox->Take();
    if (lost_here > 0)
      *session->err << "lost: " << lost_here << " messages that came too fast for this terminal\n";
    v1::FlowEvents message;
    if (!message.ParseFromString(payload)) continue;
    uint64_t& sequence = sequences[message.node()];
    if (sequence != 0 && message.sequence() > sequence + 1) {
      *session->err << "lost: " << message.sequence() - sequence - 1 << " messages of " << message.node()
                    << " on their way\n";
    }
    sequence = message.sequence();
    if (message.lost() > 0) {
      *session->err << "lost: " << message.lost() << " events on " << message.node()
                    << ", which had more than it reports\n";
    }
    for (v1::FlowEvent& event : *message.mutable_events()) {
      if (options.filter.by_name()) names.Complete(&event);
      if (!options.filter.Admits(event)) continue;
      names.Complete(&event);
      *session->out << (options.output == "json" ? FlowJson(event, message.cluster(), message.node()).dump()
                                                 : FlowLine(event, message.node(), session->style))
                    << "\n";
      if (++shown == options.count) break;
    }
    session->out->flush();
  }
  return kExitOk;
}

}  // namespace

void AddMonitorCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* monitor = app->add_subcommand(
      "monitor",
      "What agents drop, and what audit mode lets pass, as it happens (sampled when there is much)");
  monitor->add_option("--from", options->filter.from, "Only from there")
      ->type_name("NAMESPACE/[NAME]|IP|ENTITY");
  monitor->add_option("--to", options->filter.to, "Only to there")->type_name("NAMESPACE/[NAME]|IP|ENTITY");
  monitor->add_option("-n,--namespace", options->filter.ns, "Only with an end in it")->type_name("NAME");
  monitor->add_option("--node", options->node, "Only what this node reports")->type_name("NAME");
  monitor->add_option("--verdict", options->filter.verdict, "dropped or audited")
      ->check(CLI::IsMember({"dropped", "audited"}, CLI::ignore_case))
      ->type_name("VERDICT");
  monitor->add_option("--protocol", options->filter.protocol, "tcp, udp, sctp, icmp or icmpv6")
      ->check(CLI::IsMember({"tcp", "udp", "sctp", "icmp", "icmpv6"}, CLI::ignore_case))
      ->type_name("PROTOCOL");
  monitor->add_option("--port", options->filter.port, "Only with this port at either end")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  monitor->add_option("-c,--count", options->count, "End after so many events")->type_name("NUMBER");
  monitor->add_option("-o,--output", options->output, "json: an object a line")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  monitor->footer(
      "Examples:\n"
      "  triviumctl monitor --namespace data --verdict dropped\n"
      "  triviumctl monitor --from shop/web --port 5432 -o json\n"
      "  triviumctl monitor --node n1 --protocol udp -c 10");
  monitor->callback([=] { session->run = [=] { return Monitor(session, *options); }; });
}

}  // namespace trivium::cli
