// `describe`: objects with what stands around them.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/describe_text.h"
#include "cli/exit_code.h"
#include "cli/listing.h"

namespace trivium::cli {
namespace {

struct Options {
  std::vector<std::string> words;
  std::string ns;
  std::string selector;
  bool all_namespaces = false;
};

// What this kind's description needs; what is refused (too much for one answer) is named in it.
class Gatherer {
 public:
  Gatherer(Fetcher* fetcher, Surroundings* around) : fetcher_(fetcher), around_(around) {}

  absl::Status Gather(v1::Kind kind) {
    const bool policies = kind == v1::KIND_ENDPOINT || kind == v1::KIND_IDENTITY ||
                          kind == v1::KIND_NAMESPACE || kind == v1::KIND_CIDR_GROUP;
    const bool endpoints = kind == v1::KIND_POLICY || kind == v1::KIND_IDENTITY || kind == v1::KIND_NAMESPACE;
    if (endpoints || kind == v1::KIND_ENDPOINT) {
      TRIVIUM_RETURN_IF_ERROR(Note("nodes", fetcher_->NodeNames(around_->cluster), &around_->nodes));
      TRIVIUM_RETURN_IF_ERROR(
          Note("identities", fetcher_->Identities(around_->cluster), &around_->identities));
    }
    if (endpoints) {
      TRIVIUM_RETURN_IF_ERROR(
          All("endpoint", [&](const v1::Object& o) { around_->endpoints.push_back(o.endpoint()); }));
    }
    if (policies) {
      for (const char* one : {"netpol", "cnp", "ccnp"}) {
        TRIVIUM_RETURN_IF_ERROR(
            All(one, [&](const v1::Object& o) { around_->policies.push_back(o.policy()); }));
      }
    }
    if (kind == v1::KIND_REGION) {
      TRIVIUM_RETURN_IF_ERROR(
          All("cluster", [&](const v1::Object& o) { around_->clusters.push_back(o.cluster()); }));
    }
    if (kind == v1::KIND_POLICY || kind == v1::KIND_NODE || kind == v1::KIND_CLUSTER) {
      TRIVIUM_RETURN_IF_ERROR(Note("agents", fetcher_->Status(), &around_->status));
    }
    return absl::OkStatus();
  }

 private:
  template <typename T>
  absl::Status Note(const std::string& what, absl::StatusOr<T> got, T* to) {
    if (got.ok()) {
      *to = *std::move(got);
    } else if (absl::IsFailedPrecondition(got.status())) {
      around_->unknown.push_back(absl::StrCat(what, ": ", got.status().message()));
    } else {
      return got.status();
    }
    return absl::OkStatus();
  }
  template <typename Take>
  absl::Status All(const char* word, const Take& take) {
    TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(word));
    v1::GetResult result;
    TRIVIUM_RETURN_IF_ERROR(Note(kind->plural, fetcher_->Get(*kind, around_->cluster, "", ""), &result));
    for (const auto& item : result.items()) take(item.object().object());
    return absl::OkStatus();
  }

  Fetcher* const fetcher_;
  Surroundings* const around_;
};

absl::StatusOr<int> Describe(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, ParseWanted(options.words));
  ListOptions list;
  TRIVIUM_ASSIGN_OR_RETURN(list.labels, LabelSelector::Parse(options.selector));
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  std::string cluster;
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, ContextForReading(*session, &cluster));
  list.clusters = {cluster};
  list.all_namespaces = options.all_namespaces;
  if (!options.all_namespaces) list.ns = options.ns.empty() ? context.ns : options.ns;
  list.format.kind = GetFormat::Kind::kJson;  // manifests hold the labels of policies
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  Fetcher fetcher(&connection->client(), timeout);
  bool first = true;
  int exit = kExitOk;
  for (const Wanted& one : wanted) {
    TRIVIUM_ASSIGN_OR_RETURN(const Listing listing, List(&fetcher, one, list));
    Surroundings around;
    around.cluster = cluster;
    around.now = session->clock->Now();
    if (!listing.objects.empty()) TRIVIUM_RETURN_IF_ERROR(Gatherer(&fetcher, &around).Gather(one.kind->kind));
    for (const Listed& listed : listing.objects) {
      TRIVIUM_ASSIGN_OR_RETURN(const std::string text,
                               DescribeText(*one.kind, listed.item, around, session->style));
      *session->out << (std::exchange(first, false) ? "" : "\n") << text;
    }
    for (const absl::Status& status : listing.missing) {
      *session->err << ErrorText(status, *session);
      exit = kExitRefused;
    }
  }
  if (first && exit == kExitOk) *session->err << "No resources found.\n";
  return exit;
}

}  // namespace

void AddDescribeCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app->add_subcommand("describe",
                          "One object with what stands around it: whom a policy selects, which "
                          "policies select a pod, what a node's agent reports");
  command->add_option("what", options->words, "KIND [NAME...], or KIND/NAME...")->required()->type_name("");
  command->add_option("-n,--namespace", options->ns, "Where; without it the context's, or default")
      ->type_name("NAME");
  command->add_flag("-A,--all-namespaces", options->all_namespaces, "In every namespace");
  command->add_option("-l,--selector", options->selector, "Only with these labels")->type_name("LABELS");
  command->footer(
      "Examples:\n"
      "  triviumctl describe netpol web -n shop\n"
      "  triviumctl describe pod/cart-1 -n shop\n"
      "  triviumctl describe node n1 --cluster gcp-euw2");
  command->callback(
      [session, options] { session->run = [session, options] { return Describe(session, *options); }; });
}

}  // namespace trivium::cli
