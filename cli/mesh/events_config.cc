#include "cli/mesh/events_config.h"

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/mesh/nats_text.h"
#include "schema/event_grants.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// What one subscriber reads.
struct Grants {
  std::vector<std::string> live;     // subjects of events
  std::vector<std::string> pulls;    // requests for its consumers' next messages
  std::vector<std::string> answers;  // acknowledgements
};

// By the subscriber's name.
std::map<std::string, Grants> GrantsOf(const EventsSpec& events) {
  std::map<std::string, Grants> all;
  for (const EventSubscriberSpec& subscriber : events.subscribers) {
    Grants& grants = all[subscriber.name];
    const std::string stream = EventStreamName(subscriber.cluster);
    for (const auto& [consumer, filter] :
         EventConsumers(subscriber.name, subscriber.cluster, subscriber.kinds)) {
      grants.live.push_back(filter);
      grants.pulls.push_back(absl::StrCat("$JS.API.CONSUMER.MSG.NEXT.", stream, ".", consumer));
      grants.answers.push_back(absl::StrCat("$JS.ACK.", stream, ".", consumer, ".>"));
    }
  }
  return all;
}

std::string AccountOf(const std::string& subscriber) { return absl::StrCat("SUB_", subscriber); }

// A relay makes the streams and consumers, reads where a stream ends, and publishes; it deletes nothing.
NatsUserSpec RelayUser(const ClusterSpec& cluster, const std::vector<std::string>& logs,
                       const std::string& instance) {
  NatsUserSpec user;
  user.principal = Principal{cluster.name, "relay", instance}.ToString();
  user.subscribe = {OwnInbox(user.principal)};
  for (const std::string& log : logs) {
    const std::string stream = EventStreamName(log);
    user.publish.push_back(subjects::EveryEvent(log));
    for (const char* call : {"STREAM.CREATE.", "STREAM.UPDATE.", "STREAM.MSG.GET."}) {
      user.publish.push_back(absl::StrCat("$JS.API.", call, stream));
    }
    user.publish.push_back(absl::StrCat("$JS.API.CONSUMER.DURABLE.CREATE.", stream, ".*"));
  }
  return user;
}

std::string Exports(const std::map<std::string, Grants>& all) {
  std::map<std::string, std::vector<std::string>> live;  // accounts, by subject
  std::string lines;
  for (const auto& [name, grants] : all) {
    for (const std::string& subject : grants.live) live[subject].push_back(AccountOf(name));
    for (const std::string& subject : grants.pulls) {
      absl::StrAppend(&lines, "      {service: ", Quoted(subject),
                      ", response_type: stream, accounts: ", NatsList({AccountOf(name)}), "}\n");
    }
    for (const std::string& subject : grants.answers) {
      absl::StrAppend(&lines, "      {service: ", Quoted(subject),
                      ", accounts: ", NatsList({AccountOf(name)}), "}\n");
    }
  }
  for (const auto& [subject, accounts] : live) {
    absl::StrAppend(&lines, "      {stream: ", Quoted(subject), ", accounts: ", NatsList(accounts), "}\n");
  }
  return lines;
}

std::string SubscriberAccount(const ClusterSpec& cluster, const std::string& name, const Grants& grants) {
  NatsUserSpec user;
  user.principal = Principal{cluster.name, "sub", name}.ToString();
  user.subscribe = grants.live;
  user.subscribe.push_back(OwnInbox(user.principal));
  std::string imports;
  for (const std::string& subject : grants.live) {
    absl::StrAppend(&imports, "      {stream: {account: EVENTS, subject: ", Quoted(subject), "}}\n");
  }
  for (const auto* services : {&grants.pulls, &grants.answers}) {
    for (const std::string& subject : *services) {
      user.publish.push_back(subject);
      absl::StrAppend(&imports, "      {service: {account: EVENTS, subject: ", Quoted(subject), "}}\n");
    }
  }
  return absl::StrCat("  ", AccountOf(name), " {\n    users: [\n", NatsUserLine(user),
                      "    ]\n    imports: [\n", imports, "    ]\n  }\n");
}

}  // namespace

std::string EventsServerConfig(const ClusterSpec& cluster, const std::string& folder) {
  const EventsSpec& events = *cluster.events;
  std::vector<std::string> logs = {cluster.name};
  if (events.mesh) logs.push_back(kMeshCluster);
  std::string relays;
  for (const std::string& instance : events.relays) {
    relays += NatsUserLine(RelayUser(cluster, logs, instance));
  }
  const std::map<std::string, Grants> grants = GrantsOf(events);
  std::string accounts;
  for (const auto& [name, granted] : grants) accounts += SubscriberAccount(cluster, name, granted);
  const NatsServerSpec& server = events.server;
  return absl::StrCat(
      "# Written by `triviumctl mesh init`; change mesh.yaml and run it again.\n",
      "server_name: ", Quoted(server.name), "\n",
      "listen: ", Quoted(absl::StrCat(server.host, ":", server.port)), "\n",
      server.monitor_port != 0 ? absl::StrCat("http: \"127.0.0.1:", server.monitor_port, "\"\n") : "",
      "# No routes, no gateways, no leaf nodes: nothing here reaches the servers that agents use.\n"
      "max_payload: 8MB\nmax_pending: 64MB\nwrite_deadline: \"10s\"\nping_interval: \"5s\"\nping_max: 2\n\n"
      "jetstream {\n  store_dir: ",
      Quoted(events.store_dir), "\n  max_file_store: ", events.max_store_bytes,
      "\n  max_memory_store: 0\n}\n\n",
      // verify_and_map turns the certificate's URI into the user below.
      NatsTls(folder, "ca", server.name, "    verify_and_map: true\n"), "\n\n",
      "# The streams; then each subscriber in an account of its own, with what it is granted.\n"
      "accounts {\n  EVENTS {\n    jetstream: enabled\n    users: [\n",
      relays, "    ]\n    exports: [\n", Exports(grants), "    ]\n  }\n", accounts,
      "  SYS {}\n}\nsystem_account: SYS\n");
}

}  // namespace trivium::cli
