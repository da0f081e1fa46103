// What policies cost an agent: one change in a large cluster, from the object to the kernel's maps, and the
// two-step map beside the flat one. The agent's own pure rooms, on real kernel maps of their own; no server.
// Needs root.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/policy/kernel_memory.h"
#include "nodeagent/compile/keys.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/kernel_map_io.h"
#include "policy/labels.h"
#include "tests/support/policy_scale.h"

namespace trivium::bench {
namespace {

using Json = nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  PolicyScale scale;
  uint32_t changes = 1000;
  uint32_t flat_identities = 10000;
  uint32_t flat_ports = 100;
  bool json = false;
};

// Between two changes the grace of what the first superseded has passed, so that its removal is part of the
// second.
class StepClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1) + elapsed_; }
  absl::Duration Monotonic() const override { return elapsed_; }
  void Step() { elapsed_ += absl::Seconds(1); }

 private:
  absl::Duration elapsed_ = absl::Seconds(1);
};

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "trivium-policy-bench: " << status.message() << "\n";
  std::exit(1);
}

double Micros(SteadyClock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

struct Work {
  explicit Work(const Pipeline& pipeline)
      : built(pipeline.counters().rule_sets_built),
        matched(pipeline.counters().policies_matched),
        compared(pipeline.rule_sets().selectors().counters().compared),
        classified(pipeline.rule_sets().counters().classified) {}
  uint64_t built, matched, compared, classified;
};

// Runs `change(i)` and a flush `count` times, and says how long each took and what it computed.
Json Measure(const std::string& name, PolicyScaleWorld* world, MapIo* maps, StepClock* clock, uint32_t count,
             const std::function<void(uint32_t)>& change) {
  std::vector<double> micros;
  size_t writes = 0;
  const Work before(world->pipeline());
  for (uint32_t i = 0; i < count; ++i) {
    clock->Step();
    const SteadyClock::time_point start = SteadyClock::now();
    change(i);
    const FlushReport report = world->pipeline().Flush(maps);
    micros.push_back(Micros(SteadyClock::now() - start));
    writes += report.updates + report.deletes;
    if (!report.complete) Check(absl::InternalError(absl::StrCat(name, ": not all of it could be written")));
  }
  const Work after(world->pipeline());
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double quantile) {
    return micros[std::min(micros.size() - 1,
                           static_cast<size_t>(quantile * static_cast<double>(micros.size())))];
  };
  const auto each = [count](uint64_t from, uint64_t to) { return static_cast<double>(to - from) / count; };
  return {{"name", name},
          {"count", count},
          {"p50_us", at(0.5)},
          {"p99_us", at(0.99)},
          {"max_us", micros.back()},
          {"map_writes", static_cast<double>(writes) / count},
          {"rule_sets_built", each(before.built, after.built)},
          {"policies_compared", each(before.matched, after.matched)},
          {"selectors_compared", each(before.compared, after.compared)},
          {"peers_classified", each(before.classified, after.classified)}};
}

Json MeasureChanges(const Options& options) {
  DatapathOptions datapath_options;
  datapath_options.sizes.policy_class = 1 << 20;
  datapath_options.sizes.policy_verdict = 1 << 18;
  absl::StatusOr<std::unique_ptr<Datapath>> datapath = Datapath::Load(datapath_options);
  Check(datapath.status());
  KernelMapIo maps(datapath->get());
  StepClock clock;
  PolicyScaleWorld world(options.scale, &maps, &clock);
  const int64_t resident = ResidentBytes();
  SteadyClock::time_point start = SteadyClock::now();
  const FlushReport loaded = world.Load();
  const double load_us = Micros(SteadyClock::now() - start);
  if (!loaded.complete) Check(absl::InternalError("the cluster does not fit into the maps"));

  const uint32_t endpoints = std::max(options.scale.endpoints, 1u);
  const auto tell_policy = [&](v1::Object object) {
    const std::string key = PolicyScaleWorld::PolicyKeyOf(object);
    world.Tell(1, v1::KIND_POLICY, key, std::move(object));
  };
  Json steps = Json::array();
  const auto run = [&](const std::string& name, uint32_t count, const std::function<void(uint32_t)>& change) {
    steps.push_back(Measure(name, &world, &maps, &clock, count, change));
  };
  run("policy change, one rule set", options.changes,
      [&](uint32_t i) { tell_policy(world.PolicyObject(world.PolicyOfEndpoint(i % endpoints), 20000 + i)); });
  run("policy change, nobody here", options.changes,
      [&](uint32_t i) { tell_policy(world.PolicyObject(endpoints + i % 300, 20000 + i)); });
  uint32_t next = world.NextIdentity();
  run("new identity, selected here", options.changes, [&](uint32_t i) {
    const uint32_t number = next + i;
    world.Tell(2, v1::KIND_IDENTITY, absl::StrCat(number), world.PeerIdentity(i % endpoints, number));
  });
  next += options.changes;
  run("new identity, not selected", options.changes, [&](uint32_t i) {
    const uint32_t number = next + i;
    world.Tell(2, v1::KIND_IDENTITY, absl::StrCat(number), world.PeerIdentity(endpoints + i % 300, number));
  });
  // The worst that one policy can do to one rule set: all of the cluster's identities are peers.
  run("policy change, every identity a peer", std::min(options.changes, 200u), [&](uint32_t i) {
    v1::Object object = world.PolicyObject(world.PolicyOfEndpoint(0), 30000 + i);
    v1::Rule* rule = object.mutable_policy()->mutable_blocks(0)->mutable_rules(0);
    rule->clear_peers();
    v1::Requirement* requirement = rule->add_peers()->mutable_labels()->add_requirements();
    requirement->set_key(policy::kClusterLabel);
    requirement->set_operator_(v1::Requirement::EXISTS);
    tell_policy(std::move(object));
  });
  return {{"policies", options.scale.policies},
          {"identities", options.scale.identities},
          {"endpoints", options.scale.endpoints},
          {"rule_sets", world.pipeline().rule_sets().size()},
          {"selectors", world.pipeline().rule_sets().selectors().size()},
          {"load_ms", load_us / 1000},
          {"resident_mib", static_cast<double>(ResidentBytes() - resident) / (1 << 20)},
          {"steps", std::move(steps)}};
}

// One policy, every identity a peer, many ports: entries and kernel memory of both layouts, really written.
Json MeasureLayouts(const Options& options) {
  const uint32_t flat_entries = options.flat_identities * options.flat_ports;
  const auto load = [&](uint32_t verdicts) {
    DatapathOptions datapath_options;
    datapath_options.sizes.policy_class = 1 << 17;
    datapath_options.sizes.policy_verdict = verdicts;
    absl::StatusOr<std::unique_ptr<Datapath>> datapath = Datapath::Load(datapath_options);
    Check(datapath.status());
    return *std::move(datapath);
  };
  // Before the maps are made: what they grow by is charged to their maker's group.
  absl::StatusOr<std::unique_ptr<KernelMemory>> memory = KernelMemory::Enter();
  const std::unique_ptr<Datapath> two_step = load(1 << 16), flat = load(flat_entries + flat_entries / 8);
  const auto bytes = [&]() -> std::optional<int64_t> {
    if (!memory.ok()) return std::nullopt;
    const absl::StatusOr<int64_t> now = (*memory)->Bytes();
    return now.ok() ? std::optional<int64_t>(*now) : std::nullopt;
  };
  const auto grown = [&](std::optional<int64_t> from) -> Json {
    const std::optional<int64_t> now = bytes();
    if (!from.has_value() || !now.has_value()) return nullptr;
    return *now - *from;
  };

  StepClock clock;
  KernelMapIo maps(two_step.get());
  PolicyScale scale = options.scale;
  scale.policies = 0;
  scale.identities = options.flat_identities;
  scale.endpoints = 1;
  PolicyScaleWorld world(scale, &maps, &clock);
  if (!world.Load().complete) Check(absl::InternalError("the cluster does not fit into the maps"));
  const auto entries = [&] {
    return world.pipeline().maps().ActualSize(MapId::kPolicyClass) +
           world.pipeline().maps().ActualSize(MapId::kPolicyVerdict);
  };
  const size_t entries_before = entries();
  const std::optional<int64_t> before = bytes();
  v1::Object object = world.PolicyObject(0, 1);
  v1::Rule* rule = object.mutable_policy()->mutable_blocks(0)->mutable_rules(0);
  rule->clear_peers();
  rule->clear_ports();
  v1::Requirement* requirement = rule->add_peers()->mutable_labels()->add_requirements();
  requirement->set_key(policy::kClusterLabel);
  requirement->set_operator_(v1::Requirement::EXISTS);
  // Odd ports: no two of them share a prefix.
  const auto port_of = [](uint32_t i) { return 1025 + 2 * i; };
  for (uint32_t i = 0; i < options.flat_ports; ++i) {
    v1::PortRange* range = rule->add_ports();
    range->set_protocol(v1::PROTOCOL_TCP);
    range->set_first(port_of(i));
    range->set_last(port_of(i));
  }
  world.Tell(1, v1::KIND_POLICY, PolicyScaleWorld::PolicyKeyOf(object), object);
  clock.Step();
  const SteadyClock::time_point start = SteadyClock::now();
  const FlushReport report = world.pipeline().Flush(&maps);
  const double two_step_ms = Micros(SteadyClock::now() - start) / 1000;
  if (!report.complete) Check(absl::InternalError("the policy does not fit into the maps"));
  const Json two_step_bytes = grown(before);
  const size_t two_step_entries = entries() - entries_before;

  // The flat layout: {identity, protocol, port} -> verdict, in a trie of the same kind.
  const std::optional<int64_t> flat_before = bytes();
  KernelMapIo flat_maps(flat.get());
  const SteadyClock::time_point flat_start = SteadyClock::now();
  for (uint32_t identity = 0; identity < options.flat_identities; ++identity) {
    MapRecords records{sizeof(policy_verdict_key), sizeof(policy_verdict_value), {}, {}};
    for (uint32_t i = 0; i < options.flat_ports; ++i) {
      const policy::VerdictEntry entry{6, 8, static_cast<uint16_t>(port_of(i)), 16, policy::Verdict::kAllow,
                                       0};
      records.Add(Bytes(VerdictKey(1, PolicyScaleWorld::kFirstIdentity + identity, entry)),
                  Bytes(policy_verdict_value{}));
    }
    const MapWriteResult written = flat_maps.Update(MapId::kPolicyVerdict, records);
    if (!written.ok()) Check(written.status);
  }
  const double flat_ms = Micros(SteadyClock::now() - flat_start) / 1000;
  return {
      {"identities", options.flat_identities},
      {"ports", options.flat_ports},
      {"two_step", {{"entries", two_step_entries}, {"kernel_bytes", two_step_bytes}, {"ms", two_step_ms}}},
      {"flat", {{"entries", flat_entries}, {"kernel_bytes", grown(flat_before)}, {"ms", flat_ms}}}};
}

void Print(const Json& result) {
  const Json& changes = result["changes"];
  std::printf(
      "%u policies, %u identities, %u local endpoints: %u rule sets, %u selectors; loaded in %.0f ms, %.0f "
      "MiB\n\n",
      changes["policies"].get<uint32_t>(), changes["identities"].get<uint32_t>(),
      changes["endpoints"].get<uint32_t>(), changes["rule_sets"].get<uint32_t>(),
      changes["selectors"].get<uint32_t>(), changes["load_ms"].get<double>(),
      changes["resident_mib"].get<double>());
  std::printf("%-38s %7s %9s %9s %9s %8s %7s %9s %9s %9s\n", "ONE CHANGE", "COUNT", "P50 ms", "P99 ms",
              "MAX ms", "WRITES", "BUILT", "POLICIES", "SELECTORS", "PEERS");
  for (const Json& step : changes["steps"]) {
    std::printf("%-38s %7u %9.3f %9.3f %9.3f %8.1f %7.2f %9.1f %9.1f %9.1f\n",
                step["name"].get<std::string>().c_str(), step["count"].get<uint32_t>(),
                step["p50_us"].get<double>() / 1000, step["p99_us"].get<double>() / 1000,
                step["max_us"].get<double>() / 1000, step["map_writes"].get<double>(),
                step["rule_sets_built"].get<double>(), step["policies_compared"].get<double>(),
                step["selectors_compared"].get<double>(), step["peers_classified"].get<double>());
  }
  const Json& layouts = result["layouts"];
  std::printf("\n%-38s %9s %12s %9s\n",
              absl::StrCat(layouts["identities"].get<uint32_t>(), " identities, ",
                           layouts["ports"].get<uint32_t>(), " ports")
                  .c_str(),
              "ENTRIES", "KERNEL MiB", "WRITE ms");
  for (const char* layout : {"two_step", "flat"}) {
    const Json& each = layouts[layout];
    const std::string mib =
        each["kernel_bytes"].is_null()
            ? "unknown"
            : absl::StrFormat("%.1f", static_cast<double>(each["kernel_bytes"].get<int64_t>()) / (1 << 20));
    std::printf("%-38s %9u %12s %9.0f\n", layout, each["entries"].get<uint32_t>(), mib.c_str(),
                each["ms"].get<double>());
  }
}

}  // namespace
}  // namespace trivium::bench

int main(int argc, char** argv) {
  using namespace trivium::bench;
  Options options;
  CLI::App app(
      "What policies cost an agent, on this machine's kernel maps: one change in a large cluster, and the "
      "two-step map "
      "beside the flat one");
  app.add_option("--policies", options.scale.policies, "policies of the cluster");
  app.add_option("--identities", options.scale.identities, "identities of two clusters");
  app.add_option("--endpoints", options.scale.endpoints, "local endpoints, each with an identity of its own");
  app.add_option("--changes", options.changes, "of each kind")->check(CLI::PositiveNumber);
  app.add_option("--flat-identities", options.flat_identities, "for the comparison of layouts");
  app.add_option("--flat-ports", options.flat_ports, "likewise")->check(CLI::Range(1, 30000));
  app.add_flag("--json", options.json, "for programs");
  CLI11_PARSE(app, argc, argv);
  const Json result = {{"changes", MeasureChanges(options)}, {"layouts", MeasureLayouts(options)}};
  if (options.json) {
    std::cout << result.dump(2) << "\n";
  } else {
    Print(result);
  }
  return 0;
}
