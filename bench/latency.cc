// trivium-latency: the time from a request to the written map of the last agent, on a running mesh, beside a
// floor that is measured in the same run on the same servers: one bare SQL commit + one bare NATS publish
// until the last of as many subscribers has it + one bare map write. Prints one JSON object.
//
// Written maps are known by the agents' own reports, which they send after the write: so each measured time
// holds one more NATS delivery than what it measures. driver: a measuring program, it blocks and reads the
// clock.
#include <bpf/bpf.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "bpf/abi/types.h"
#include "bus/nats_bus.h"
#include "cli/config.h"
#include "schema/subjects.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {
namespace {

constexpr absl::Duration kStepTimeout = absl::Seconds(10);

struct Options {
  std::string config;
  std::string from;
  std::string agents;
  std::string publisher;  // a control plane's configuration: its certificate may publish heads
  std::string sql_host;
  int sql_port = 5432;
  std::string sql_certificates;
  int changes = 300;
  std::string node = "n1";
  std::string ip_prefix;
};

double Ms(absl::Duration d) { return absl::ToDoubleMilliseconds(d); }

double Percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(p * static_cast<double>(values.size())))];
}

// Things that happen on the executor, waited for by the main thread.
class Events {
 public:
  void Enforced(const std::string& agent, uint64_t revision) {
    std::lock_guard<std::mutex> lock(mu_);
    enforced_[agent] = std::max(enforced_[agent], revision);
    changed_.notify_all();
  }
  void Delivered(const std::string& token) {
    std::lock_guard<std::mutex> lock(mu_);
    ++delivered_[token];
    changed_.notify_all();
  }
  bool WaitEnforced(const std::set<std::string>& agents, uint64_t revision) {
    return Wait([&] {
      return std::all_of(agents.begin(), agents.end(),
                         [&](const std::string& a) { return enforced_[a] >= revision; });
    });
  }
  bool WaitDelivered(const std::string& token, int count) {
    return Wait([&] { return delivered_[token] >= count; });
  }

 private:
  template <typename Condition>
  bool Wait(Condition condition) {
    std::unique_lock<std::mutex> lock(mu_);
    return changed_.wait_for(lock, absl::ToChronoMilliseconds(kStepTimeout), condition);
  }
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<std::string, uint64_t> enforced_;
  std::map<std::string, int> delivered_;
};

absl::StatusOr<v1::Reply> Call(Bus* bus, Executor* executor, const std::string& subject,
                               const v1::Request& request) {
  std::mutex mu;
  std::condition_variable cv;
  std::optional<absl::StatusOr<std::string>> answer;
  bus->Request(subject, request.SerializeAsString(), kStepTimeout, executor,
               [&](absl::StatusOr<std::string> a) {
                 std::lock_guard<std::mutex> lock(mu);
                 answer = std::move(a);
                 cv.notify_one();
               });
  std::unique_lock<std::mutex> lock(mu);
  cv.wait(lock, [&] { return answer.has_value(); });
  TRIVIUM_RETURN_IF_ERROR(answer->status());
  v1::Reply reply;
  if (!reply.ParseFromString(**answer)) return absl::DataLossError("not a reply");
  if (reply.code() != 0) return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  return reply;
}

v1::Request NewRequest() {
  v1::Request request;
  request.set_request_id(RealRandom()->NewId().ToBytes());
  request.set_source("trivium-latency");
  request.set_deadline_ms(10000);
  return request;
}

// Changes in turn: a policy's port, an endpoint that comes, one that goes.
class Changes {
 public:
  explicit Changes(const Options& options) : options_(options) {}
  // The verb and request of change `i`.
  std::pair<std::string, v1::Request> Make(int i) {
    v1::Request request = NewRequest();
    if (i % 3 == 0) {
      v1::Manifest* manifest = request.mutable_apply()->add_manifests();
      manifest->set_file("latency.yaml");
      manifest->set_text(
          absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: latency, "
                       "namespace: shop}\n"
                       "spec:\n  podSelector: {matchLabels: {app: latency}}\n  ingress: [{ports: [{port: ",
                       1000 + i, "}]}]\n"));
      return {"apply", request};
    }
    if (i % 3 == 1) {
      uid_ = RealRandom()->NewId();
      v1::AddEndpointRequest* add = request.mutable_add_endpoint();
      add->set_uid(uid_.ToBytes());
      add->set_namespace_("shop");
      add->set_name(absl::StrCat("latency-", i));
      add->set_node(options_.node);
      (*add->mutable_labels())["app"] = "latency";
      const std::vector<std::string> parts = absl::StrSplit(options_.ip_prefix, '.');
      std::string ip;
      for (const std::string& part : parts) ip.push_back(static_cast<char>(std::stoi(part)));
      ip.push_back(static_cast<char>(200 + i % 50));
      add->add_ips(ip);
      return {"add-endpoint", request};
    }
    request.mutable_remove_endpoint()->set_uid(uid_.ToBytes());
    request.mutable_remove_endpoint()->set_node(options_.node);
    return {"remove-endpoint", request};
  }

 private:
  const Options& options_;
  Id128 uid_;
};

struct PgDeleter {
  void operator()(PGconn* c) const { PQfinish(c); }
  void operator()(PGresult* r) const { PQclear(r); }
};

absl::Status Run(const Options& options) {
  Clock* clock = RealClock();
  LoopExecutor executor("latency");
  Events events;
  TRIVIUM_ASSIGN_OR_RETURN(const cli::Config config, cli::LoadConfig(options.config));
  TRIVIUM_ASSIGN_OR_RETURN(const cli::Context from, cli::PickContext(config, options.from, ""));

  std::set<std::string> agents;
  std::map<std::string, int> clusters;  // and how many agents each has
  for (absl::string_view agent : absl::StrSplit(options.agents, ',')) {
    agents.insert(std::string(agent));
    ++clusters[std::string(agent.substr(0, agent.find('/')))];
  }

  // One follower for each agent, connected like it: they stand for the floor's subscribers.
  std::vector<std::unique_ptr<NatsBus>> followers;
  for (const auto& [cluster, count] : clusters) {
    TRIVIUM_ASSIGN_OR_RETURN(const cli::Context context, cli::PickContext(config, "", cluster));
    for (int i = 0; i < count; ++i) {
      NatsOptions nats;
      nats.servers = context.nats.servers;
      nats.ca = context.nats.ca;
      nats.cert = context.nats.cert;
      nats.key = context.nats.key;
      nats.principal = context.principal;
      TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<NatsBus> bus, NatsBus::Create(nats));
      TRIVIUM_RETURN_IF_ERROR(bus->Subscribe(subjects::kFeedAndHeads, "", &executor, [&](Message m) {
        if (m.subject != subjects::kHeads) return;
        v1::Heads heads;
        if (heads.ParseFromString(m.payload) && heads.region() == "trivium-latency")
          events.Delivered(heads.instance());
      }));
      if (i == 0) {
        TRIVIUM_RETURN_IF_ERROR(
            bus->Subscribe(subjects::EveryAgentStatus(cluster), "", &executor, [&events, &from](Message m) {
              v1::AgentStatus status;
              if (!status.ParseFromString(m.payload)) return;
              for (const v1::AppliedCluster& applied : status.applied()) {
                if (applied.cluster() == from.cluster) {
                  events.Enforced(absl::StrCat(status.cluster(), "/", status.node()), applied.enforced());
                }
              }
            }));
      }
      TRIVIUM_RETURN_IF_ERROR(bus->Flush(kStepTimeout));
      followers.push_back(std::move(bus));
    }
  }
  NatsOptions asker_options;
  asker_options.servers = from.nats.servers;
  asker_options.ca = from.nats.ca;
  asker_options.cert = from.nats.cert;
  asker_options.key = from.nats.key;
  asker_options.principal = from.principal;
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<NatsBus> asker, NatsBus::Create(asker_options));
  TRIVIUM_RETURN_IF_ERROR(asker->Flush(kStepTimeout));

  // ---- ours ----
  std::vector<double> committed, written;
  Changes changes(options);
  for (int i = 0; i < options.changes; ++i) {
    const auto [verb, request] = changes.Make(i);
    const absl::Duration start = clock->Monotonic();
    TRIVIUM_ASSIGN_OR_RETURN(
        const v1::Reply reply,
        Call(asker.get(), &executor, subjects::Api(from.cluster, from.principal, verb), request));
    committed.push_back(Ms(clock->Monotonic() - start));
    if (!events.WaitEnforced(agents, reply.revision())) {
      return absl::DeadlineExceededError(
          absl::StrCat("revision ", reply.revision(), " did not reach every agent"));
    }
    written.push_back(Ms(clock->Monotonic() - start));
  }

  // ---- the floor ----
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(options.publisher));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection publisher_config, YamlSection::Parse(text, options.publisher));
  NatsOptions publisher_options;
  std::string instance, cluster;
  TRIVIUM_RETURN_IF_ERROR(publisher_config.Text("instance", &instance));
  TRIVIUM_RETURN_IF_ERROR(publisher_config.Text("cluster", &cluster));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, publisher_config.Section("nats"));
  TRIVIUM_RETURN_IF_ERROR(nats.TextList("servers", &publisher_options.servers));
  TRIVIUM_RETURN_IF_ERROR(nats.File("ca", &publisher_options.ca));
  TRIVIUM_RETURN_IF_ERROR(nats.File("cert", &publisher_options.cert));
  TRIVIUM_RETURN_IF_ERROR(nats.File("key", &publisher_options.key));
  publisher_options.principal = Principal{cluster, "cp", instance}.ToString();
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<NatsBus> publisher, NatsBus::Create(publisher_options));
  TRIVIUM_RETURN_IF_ERROR(publisher->Flush(kStepTimeout));

  const std::string conninfo =
      absl::StrCat("host=", options.sql_host, " port=", options.sql_port,
                   " dbname=trivium user=trivium_writer sslmode=verify-full", " sslrootcert='",
                   options.sql_certificates, "/ca.crt' sslcert='", options.sql_certificates,
                   "/trivium_writer.crt' sslkey='", options.sql_certificates, "/trivium_writer.key'");
  const std::unique_ptr<PGconn, PgDeleter> sql(PQconnectdb(conninfo.c_str()));
  auto execute = [&](const char* statement) -> absl::Status {
    const std::unique_ptr<PGresult, PgDeleter> result(PQexec(sql.get(), statement));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(statement, ": ", PQerrorMessage(sql.get())));
  };
  TRIVIUM_RETURN_IF_ERROR(
      execute("CREATE TABLE IF NOT EXISTS latency_floor (id INT8 PRIMARY KEY, n INT8 NOT NULL)"));
  TRIVIUM_RETURN_IF_ERROR(execute("INSERT INTO latency_floor VALUES (1, 0) ON CONFLICT (id) DO NOTHING"));
  TRIVIUM_RETURN_IF_ERROR(execute("PREPARE floor AS UPDATE latency_floor SET n = n + 1 WHERE id = 1"));

  const int map = bpf_map_create(BPF_MAP_TYPE_HASH, "latency_floor", sizeof(ipcache_key),
                                 sizeof(ipcache_value), 1024, nullptr);
  if (map < 0) return absl::ErrnoToStatus(-map, "create a map");

  std::vector<double> sql_ms, nats_ms, map_ms, floor;
  for (int i = 0; i < options.changes; ++i) {
    absl::Duration start = clock->Monotonic();
    TRIVIUM_RETURN_IF_ERROR(execute("EXECUTE floor"));
    sql_ms.push_back(Ms(clock->Monotonic() - start));

    v1::Heads heads;  // a beacon that names no cluster: its readers learn nothing from it
    heads.set_region("trivium-latency");
    heads.set_instance(absl::StrCat(i));
    const std::string payload = heads.SerializeAsString();
    start = clock->Monotonic();
    TRIVIUM_RETURN_IF_ERROR(publisher->Publish(subjects::kHeads, payload));
    if (!events.WaitDelivered(heads.instance(), static_cast<int>(followers.size()))) {
      return absl::DeadlineExceededError("a bare publish did not reach every subscriber");
    }
    nats_ms.push_back(Ms(clock->Monotonic() - start));

    ipcache_key key{};
    ipcache_value value{};
    key.space = static_cast<uint32_t>(i);
    start = clock->Monotonic();
    if (const int error = bpf_map_update_elem(map, &key, &value, BPF_ANY); error != 0) {
      return absl::ErrnoToStatus(-error, "write a map");
    }
    map_ms.push_back(Ms(clock->Monotonic() - start));
    floor.push_back(sql_ms.back() + nats_ms.back() + map_ms.back());
  }
  close(map);
  TRIVIUM_RETURN_IF_ERROR(execute("DROP TABLE latency_floor"));

  nlohmann::json rows = nlohmann::json::array();
  auto row = [&](const char* name, const std::vector<double>& values) {
    rows.push_back(
        {{"name", name}, {"p50_ms", Percentile(values, 0.5)}, {"p99_ms", Percentile(values, 0.99)}});
  };
  row("request to commit", committed);
  row("request to the last agent's written map", written);
  row("floor: SQL commit", sql_ms);
  row("floor: NATS publish to the last subscriber", nats_ms);
  row("floor: map write", map_ms);
  row("floor: the three together", floor);
  const nlohmann::json out = {{"changes", written.size()},
                              {"agents", agents.size()},
                              {"rows", rows},
                              {"ratio", Percentile(written, 0.5) / Percentile(floor, 0.5)}};
  std::cout << out.dump() << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace trivium

int main(int argc, char** argv) {
  trivium::Options options;
  CLI::App app("From request to written map, beside the floor, on a running mesh", "trivium-latency");
  app.add_option("--config", options.config, "triviumctl.yaml")->required();
  app.add_option("--from", options.from, "The context whose cluster is changed")->required();
  app.add_option("--agents", options.agents, "cluster/node, comma-separated: all that must have each change")
      ->required();
  app.add_option("--publisher", options.publisher, "A control plane's configuration, for the floor's publish")
      ->required();
  app.add_option("--sql-host", options.sql_host, "The database's host")->required();
  app.add_option("--sql-port", options.sql_port, "The database's port");
  app.add_option("--sql-certificates", options.sql_certificates,
                 "Folder with ca.crt and trivium_writer.crt|key")
      ->required();
  app.add_option("--changes", options.changes, "How many changes");
  app.add_option("--node", options.node, "The node that the endpoints are said to be on");
  app.add_option("--ip-prefix", options.ip_prefix, "First three parts of the endpoints' addresses: 10.1.1")
      ->required();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = trivium::Run(options); !status.ok()) {
    std::cerr << "trivium-latency: " << status << "\n";
    return 1;
  }
  return 0;
}
