#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/listing.h"
#include "cli/watch.h"

namespace trivium::cli {
namespace {

struct Options {
  std::vector<std::string> words;
  std::string ns;
  std::string selector;
  std::string output;
  ListOptions list;
  WatchOptions watch;
  bool watched = false;
  bool ignore_missing = false;
};

absl::StatusOr<int> Get(Session* session, Options options) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, ParseWanted(options.words));
  TRIVIUM_ASSIGN_OR_RETURN(options.list.format, ParseGetFormat(options.output));
  TRIVIUM_ASSIGN_OR_RETURN(options.list.labels, LabelSelector::Parse(options.selector));
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  std::string cluster;
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, ContextForReading(*session, &cluster));
  if (!options.list.all_namespaces) options.list.ns = options.ns.empty() ? context.ns : options.ns;
  if (options.list.all_clusters && !session->cluster.empty()) {
    return absl::InvalidArgumentError("--cluster and --all-clusters exclude each other: give one of them");
  }
  if (options.watched && (wanted.size() != 1 || options.list.all_clusters)) {
    return absl::InvalidArgumentError("-w watches one kind in one cluster: give one kind, and --cluster");
  }

  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  Fetcher fetcher(&connection->client(), timeout);
  options.list.clusters = {cluster};
  if (options.list.all_clusters) {
    TRIVIUM_ASSIGN_OR_RETURN(options.list.clusters, fetcher.Clusters());
    if (options.list.clusters.empty()) options.list.clusters = {cluster};
  }
  if (options.watched) {
    return Watch(session, &connection->client(), &fetcher, wanted[0], options.list, options.watch);
  }
  std::vector<Listing> listings;
  bool missing = false;
  for (const Wanted& one : wanted) {
    TRIVIUM_ASSIGN_OR_RETURN(listings.emplace_back(), List(&fetcher, one, options.list));
    missing = missing || !listings.back().missing.empty();
  }
  TRIVIUM_RETURN_IF_ERROR(PrintListings(session, &fetcher, listings, options.list));
  session->out->flush();
  if (!missing || options.ignore_missing) return kExitOk;
  for (const Listing& listing : listings) {
    for (const absl::Status& status : listing.missing) *session->err << ErrorText(status, *session);
  }
  return kExitRefused;
}

}  // namespace

void AddGetCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand(
      "get",
      "Show objects: networkpolicies, ciliumnetworkpolicies, ciliumclusterwidenetworkpolicies, "
      "ciliumcidrgroups, namespaces, endpoints, identities, nodes, clusters, liveness, regions");
  command->add_option("what", options->words, "KIND[,KIND] [NAME...], or KIND/NAME...")
      ->required()
      ->type_name("");
  command->add_option("-n,--namespace", options->ns, "Where; without it the context's, or default")
      ->type_name("NAME");
  command->add_flag("-A,--all-namespaces", options->list.all_namespaces, "In every namespace");
  command->add_flag("--all-clusters", options->list.all_clusters, "Of every cluster of the mesh");
  command
      ->add_option("-l,--selector", options->selector,
                   "Only with these labels: app=db,tier!=back,zone in (a,b)")
      ->type_name("LABELS");
  command->add_option("-o,--output", options->output, "wide, json, yaml, name or jsonpath=TEMPLATE")
      ->check([](const std::string& text) { return std::string(ParseGetFormat(text).status().message()); })
      ->type_name("FORMAT");
  command->add_flag("--no-headers", options->list.no_headers, "A table without its head");
  command->add_flag("--ignore-not-found", options->ignore_missing, "A name that is not there is no error");
  command->add_flag("-w,--watch", options->watched, "Then every change, as it is committed");
  command->add_flag("--watch-only", options->watch.changes_only, "With -w: only what changes from now on");
  command->add_flag("--output-watch-events", options->watch.events,
                    "With -w: say what happened: ADDED, MODIFIED or DELETED");
  command->add_option("-c,--count", options->watch.count, "With -w: end after so many changes")
      ->type_name("NUMBER");
  command->footer(
      "Examples:\n"
      "  triviumctl get netpol -n shop\n"
      "  triviumctl get pods -A -l app=web -o wide\n"
      "  triviumctl get policies --all-clusters -A\n"
      "  triviumctl get cnp/web -o yaml\n"
      "  triviumctl get nodes -o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'\n"
      "  triviumctl get ep -n shop -w --output-watch-events");
  command->callback(
      [session, options] { session->run = [session, options] { return Get(session, *options); }; });
}

}  // namespace trivium::cli
