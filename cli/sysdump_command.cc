// `sysdump`: what a maintainer needs to see, in one archive, without secrets.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/fetcher.h"
#include "cli/http_get.h"
#include "cli/object_json.h"
#include "cli/redact.h"
#include "cli/status_text.h"
#include "cli/tar.h"
#include "cli/version.h"

namespace trivium::cli {
namespace {

constexpr size_t kMaxLog = 2 * 1024 * 1024;          // the end of each
constexpr int kMaxManifests = 500;                   // of a kind and cluster: each is a request of its own
constexpr absl::Duration kLocal = absl::Seconds(3);  // for an agent's socket or a metrics page

struct Options {
  std::string output;
  std::vector<std::string> sockets = {"/run/trivium/agent.sock"};
  std::vector<std::string> metrics = {"http://127.0.0.1:9460/metrics", "http://127.0.0.1:9461/metrics"};
  std::vector<std::string> logs;
};

std::string FileName(const std::string& text) {
  return absl::StrReplaceAll(text, {{"/", "_"}, {":", "_"}, {"?", "_"}});
}

class Dump {
 public:
  Dump(Session* session, const Options& options, absl::Duration timeout)
      : session_(session), options_(options), timeout_(timeout) {}

  const std::map<std::string, std::string>& files() const { return files_; }
  const std::string& missing() const { return missing_; }

  void Collect() {
    Put("version.txt", absl::StrCat("triviumctl ", TRIVIUM_VERSION, "\n"));
    Configuration();
    ControlPlanes();
    for (const std::string& socket : options_.sockets) Agent(socket);
    for (const std::string& url : options_.metrics) Metrics(url);
    for (const std::string& log : options_.logs) Log(log);
    Put("missing.txt", missing_.empty() ? "nothing\n" : missing_);
  }

 private:
  // The one way into the archive.
  void Put(const std::string& path, absl::string_view text) { files_[path] = Redacted(text); }
  void Miss(const std::string& what, const absl::Status& status) {
    absl::StrAppend(&missing_, what, ": ", Redacted(status.message()), "\n");
  }

  void Configuration() {
    const absl::StatusOr<Config> config = session_->LoadConfiguration();
    if (!config.ok()) return Miss("configuration", config.status());
    Put("config.yaml", ToYaml(ConfigJson(*config)));
  }

  void ControlPlanes() {
    const absl::StatusOr<std::vector<Context>> contexts = session_->ContextOfEachCluster();
    if (!contexts.ok()) return Miss("control planes", contexts.status());
    std::vector<StatusAnswer> answers;
    for (const Context& context : *contexts) {
      *session_->err << "asking " << context.cluster << "\n";
      StatusAnswer& answer = answers.emplace_back(StatusAnswer{context.cluster, absl::UnknownError(""), {}});
      const absl::StatusOr<std::unique_ptr<Connection>> connection = session_->connect(context);
      if (!connection.ok()) {
        answer.result = connection.status();
      } else {
        Fetcher fetcher(&(*connection)->client(), timeout_);
        answer.result = fetcher.Status();
        if (answer.result.ok()) Objects(&fetcher, context.cluster, answers.size() == 1);
      }
      if (!answer.result.ok())
        Miss(absl::StrCat("control plane of ", context.cluster), answer.result.status());
    }
    const absl::Time now = session_->clock->Now();
    Put("status.txt",
        StatusText(answers, now, false, Style()) + "\n" + StatusText(answers, now, true, Style()));
    Put("status.json", StatusJson(answers, now).dump(2) + "\n");
  }

  void Objects(Fetcher* fetcher, const std::string& cluster, bool of_mesh) {
    for (const KindInfo& kind : AllKinds()) {
      if (kind.of_mesh && !of_mesh) continue;
      const std::string path =
          absl::StrCat("objects/", kind.of_mesh ? "_mesh" : cluster, "/", kind.plural, ".json");
      absl::StatusOr<v1::GetResult> found = fetcher->Get(kind, cluster, "", "");
      if (!found.ok()) {
        Miss(path, found.status());
        continue;
      }
      if (found->items_size() <= kMaxManifests) {
        const absl::Status status = fetcher->AddManifests(kind, cluster, &*found);
        if (!status.ok()) Miss(absl::StrCat(path, " (manifests)"), status);
      }
      std::vector<Json> objects;
      for (const v1::GetResult::Item& item : found->items()) {
        absl::StatusOr<Json> json = ObjectJson(kind, item);
        if (json.ok()) {
          objects.push_back(*std::move(json));
        } else {
          Miss(path, json.status());
        }
      }
      Json list = ListJson(std::move(objects));
      list["at"] = MessageJson(found->at());
      Put(path, list.dump(2) + "\n");
    }
  }

  void Agent(const std::string& socket) {
    const std::string folder = absl::StrCat("agents/", FileName(socket), "/");
    const auto ask = [&](const std::string& what, const v1::AgentRequest& request, auto take) {
      const absl::StatusOr<v1::AgentReply> reply = CallAgent(socket, request, kLocal);
      if (!reply.ok()) {
        Miss(folder + what, reply.status());
        return false;
      }
      Put(folder + what, take(*reply));
      return true;
    };
    v1::AgentRequest status, list, maps, flows;
    status.mutable_status()->set_audit(true);
    list.mutable_list();
    maps.mutable_maps();
    flows.mutable_flows()->set_limit(1000);
    const auto json = [](const google::protobuf::Message& message) {
      return MessageJson(message).dump(2) + "\n";
    };
    if (!ask("status.json", status, [&](const v1::AgentReply& r) { return json(r.status()); })) return;
    ask("endpoints.json", list, [&](const v1::AgentReply& r) { return json(r.list()); });
    ask("maps.json", maps, [&](const v1::AgentReply& r) { return json(r.maps()); });
    ask("flows.json", flows, [&](const v1::AgentReply& r) { return json(r.flows()); });
  }

  void Metrics(const std::string& url) {
    const absl::StatusOr<std::string> page = HttpGet(url, kLocal);
    if (!page.ok()) return Miss(url, page.status());
    Put(absl::StrCat("metrics/", FileName(url.substr(url.find("//") + 2)), ".txt"), *page);
  }

  void Log(const std::string& path) {
    const absl::StatusOr<std::string> text = RealFiles()->Read(path);
    if (!text.ok()) return Miss(path, text.status());
    // A cut may stand in the middle of a key: the whole is redacted, and then cut.
    const std::string clean = Redacted(*text);
    const size_t from = clean.size() - std::min(clean.size(), kMaxLog);
    Put(absl::StrCat("logs/", FileName(path)), clean.substr(from));
  }

  Session* const session_;
  const Options options_;
  const absl::Duration timeout_;
  std::map<std::string, std::string> files_;
  std::string missing_;
};

absl::StatusOr<int> Sysdump(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  const absl::Time now = session->clock->Now();
  const std::string output =
      options.output.empty()
          ? absl::StrCat("triviumctl-sysdump-", absl::FormatTime("%Y%m%d-%H%M%S", now, absl::UTCTimeZone()),
                         ".tar")
          : options.output;
  if (std::filesystem::exists(output)) {
    return absl::AlreadyExistsError(absl::StrCat(output, " is there already: give another -o"));
  }
  Dump dump(session, options, timeout);
  dump.Collect();
  if (absl::EndsWith(output, ".tar")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string tar, MakeTar(dump.files(), now));
    TRIVIUM_RETURN_IF_ERROR(RealFiles()->WriteAtomically(output, tar));
  } else {
    for (const auto& [path, content] : dump.files()) {
      const std::filesystem::path file = std::filesystem::path(output) / path;
      TRIVIUM_RETURN_IF_ERROR(RealFiles()->MakeFolders(file.parent_path().string()));
      TRIVIUM_RETURN_IF_ERROR(RealFiles()->WriteAtomically(file.string(), content));
    }
  }
  *session->out << output << ": " << dump.files().size() << " files\n";
  if (!dump.missing().empty()) *session->err << "not collected (missing.txt):\n" << dump.missing();
  return kExitOk;
}

void AddList(CLI::App* command, const std::string& name, std::vector<std::string>* to,
             const std::string& what, const std::string& type) {
  command->add_option(name, *to, what)->type_name(type)->allow_extra_args(false)->expected(1)->take_all();
}

}  // namespace

void AddSysdumpCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand(
      "sysdump",
      "Collects what a maintainer needs: configuration, status, heads, all objects, and of this machine the "
      "agent's "
      "view, metrics and logs. Keys, passwords and tokens are left out; look at it before you send it");
  command->add_option("-o,--output", options->output, "A file ending in .tar, or a folder that is made")
      ->type_name("PATH");
  AddList(command, "--agent-socket", &options->sockets, "An agent's socket; may be repeated", "PATH");
  AddList(command, "--metrics", &options->metrics, "A daemon's metrics page; may be repeated", "URL");
  AddList(command, "--log", &options->logs, "A log file (its last 2 MiB); may be repeated", "FILE");
  command->footer(
      "Examples:\n"
      "  triviumctl sysdump\n"
      "  triviumctl sysdump -o case-17 --log /var/log/trivium-agent.log --metrics "
      "http://127.0.0.1:9461/metrics");
  command->callback([=] { session->run = [=] { return Sysdump(session, *options); }; });
}

}  // namespace trivium::cli
