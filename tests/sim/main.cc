// trivium-sim: runs schedules of the simulation (docs/simulation.md).
#include <sys/personality.h>
#include <unistd.h>

#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/farm.h"

namespace {

using trivium::sim::Coverage;
using trivium::sim::Farm;
using trivium::sim::Job;
using trivium::sim::kPoints;
using trivium::sim::Plan;
using trivium::sim::Point;
using trivium::sim::Result;
using trivium::sim::Sabotage;

constexpr char kUsage[] =
    "usage: trivium-sim [--schedules N] [--seed S] [--jobs J] [--keep-going] [--keep I,J,...] [--log]\n\n"
    "  --schedules N   how many seeds, from S on (default 1000)\n"
    "  --seed S        the first seed (default 1)\n"
    "  --jobs J        how many at a time (default 1)\n"
    "  --keep-going    goes on after a failure; shortens none\n"
    "  --keep I,J,...  only these events of the one schedule S: what a failure printed\n"
    "  --log           with one schedule: prints what its processes log\n";

struct Options {
  uint64_t schedules = 1000;
  uint64_t seed = 1;
  int jobs = 1;
  bool keep_going = false;
  const char* keep = nullptr;
  bool log = false;
  Sabotage sabotage = Sabotage::kNone;
};

// Allocates nothing: the farm must find an untouched heap.
bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const char* name = argv[i];
    auto value = [&]() -> const char* { return i + 1 < argc ? argv[++i] : nullptr; };
    auto number = [&](uint64_t* out) {
      const char* text = value();
      char* end = nullptr;
      if (text == nullptr) return false;
      *out = std::strtoull(text, &end, 10);
      return end != text && *end == '\0';
    };
    uint64_t n = 0;
    if (std::strcmp(name, "--schedules") == 0) {
      if (!number(&options->schedules)) return false;
    } else if (std::strcmp(name, "--seed") == 0) {
      if (!number(&options->seed)) return false;
    } else if (std::strcmp(name, "--jobs") == 0) {
      if (!number(&n) || n < 1 || n > Farm::kMaxWorkers) return false;
      options->jobs = static_cast<int>(n);
    } else if (std::strcmp(name, "--keep-going") == 0) {
      options->keep_going = true;
    } else if (std::strcmp(name, "--keep") == 0) {
      if ((options->keep = value()) == nullptr) return false;
    } else if (std::strcmp(name, "--log") == 0) {
      options->log = true;
    } else {
      return false;
    }
  }
  return true;
}

// Without it addresses differ from run to run, and with them the order of hash tables.
void FixAddresses(char** argv) {
  const int now = personality(0xffffffff);
  if (now < 0 || (now & ADDR_NO_RANDOMIZE) != 0) return;
  if (personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE) < 0) {
    std::fprintf(stderr, "note: addresses stay random here; a seed repeats exactly within this run only\n");
    return;
  }
  execv("/proc/self/exe", argv);
  std::perror("trivium-sim: starting again with fixed addresses");
}

void PrintSchedule(const Job& job) {
  const Plan plan = Plan::FromSeed(job.seed);
  std::printf("  control planes per cluster:");
  for (const uint32_t n : plan.shape.control_planes) std::printf(" %u", n);
  std::printf("; agents:");
  for (const uint32_t n : plan.shape.agents) std::printf(" %u", n);
  std::printf("; subscribers: %u; %.3f s\n", plan.shape.subscribers, absl::ToDoubleSeconds(plan.length));
  std::string keep;
  for (size_t i = 0; i < plan.events.size(); ++i) {
    if (job.left_out[i]) continue;
    std::printf("  %3zu %s\n", i, plan.events[i].ToString().c_str());
    keep += (keep.empty() ? "" : ",") + std::to_string(i);
  }
  std::printf("  again: scripts/soak --sim 1 --seed %" PRIu64 " --keep %s\n", job.seed,
              keep.empty() ? "none" : keep.c_str());
}

int RunOne(Farm* farm, const Options& options) {
  Job job;
  job.seed = options.seed;
  job.log = options.log;
  if (options.keep != nullptr) {
    for (bool& left_out : job.left_out) left_out = true;
    for (const char* at = options.keep; std::isdigit(static_cast<unsigned char>(*at)) != 0;) {
      char* end = nullptr;
      const size_t index = std::strtoull(at, &end, 10);
      if (index < Job::kMaxEvents) job.left_out[index] = false;
      at = *end == ',' ? end + 1 : end;
    }
  }
  const Result result = farm->Run(job);
  std::printf("seed %" PRIu64 ": %s\n", result.seed, result.failed ? result.failure : "all held");
  PrintSchedule(job);
  std::printf("  trace %016" PRIx64 ", %" PRIu64 " steps, %.3f s of virtual time\n", result.trace,
              result.steps, static_cast<double>(result.virtual_ms) / 1000);
  return result.failed ? 1 : 0;
}

struct Sums {
  uint64_t schedules = 0, failed = 0, steps = 0, commits = 0, map_writes = 0, flows = 0;
  int64_t virtual_ms = 0, longest_converge_ms = 0;
  uint64_t slowest = 0, most_waiting = 0, most_heap = 0;
  Coverage coverage;
  uint64_t met_in[kPoints] = {};  // schedules

  void Add(const Result& result) {
    ++schedules;
    failed += result.failed ? 1 : 0;
    steps += result.steps;
    commits += result.commits;
    map_writes += result.map_writes;
    flows += result.flows_judged;
    virtual_ms += result.virtual_ms;
    if (!result.failed && result.converge_ms > longest_converge_ms) {
      longest_converge_ms = result.converge_ms;
      slowest = result.seed;
    }
    most_waiting = std::max(most_waiting, result.most_waiting);
    most_heap = std::max(most_heap, result.heap_bytes);
    coverage.Add(result.coverage);
    for (size_t i = 0; i < kPoints; ++i) met_in[i] += result.coverage.hits(static_cast<Point>(i)) > 0 ? 1 : 0;
  }
};

void PrintSums(const Sums& sums) {
  std::printf("\n%-46s %12s %12s\n", "fault point", "times", "schedules");
  for (size_t i = 0; i < kPoints; ++i) {
    const Point point = static_cast<Point>(i);
    std::printf("%-46s %12" PRIu64 " %12" PRIu64 "\n", std::string(NameOf(point)).c_str(),
                sums.coverage.hits(point), sums.met_in[i]);
  }
  std::printf("\n%" PRIu64 " schedules, %" PRIu64 " failed: %" PRIu64 " steps, %" PRIu64 " commits, %" PRIu64
              " map writes, %" PRIu64 " verdicts judged, %.1f hours of virtual time\n",
              sums.schedules, sums.failed, sums.steps, sums.commits, sums.map_writes, sums.flows,
              static_cast<double>(sums.virtual_ms) / 3.6e6);
  std::printf("slowest to be whole again: %.2f s (seed %" PRIu64
              "); most tasks waiting in a process: %" PRIu64 "; largest heap: %.1f MiB\n",
              static_cast<double>(sums.longest_converge_ms) / 1000, sums.slowest, sums.most_waiting,
              static_cast<double>(sums.most_heap) / 1048576);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) {
    const bool help = argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0);
    std::fputs(kUsage, help ? stdout : stderr);
    return help ? 0 : 2;
  }
  FixAddresses(argv);
  Farm farm(options.jobs);
  if (options.schedules == 1) return RunOne(&farm, options);

  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Sums sums;
  std::vector<Result> failures;
  const uint64_t mark = std::max<uint64_t>(options.schedules / 20, 1);
  farm.RunMany(options.seed, options.schedules, Sabotage::kNone, [&](const Result& result) {
    sums.Add(result);
    if (result.failed) {
      std::printf("seed %" PRIu64 ": %s\n", result.seed, result.failure);
      failures.push_back(result);
    }
    if (sums.schedules % mark == 0) {
      std::printf("%" PRIu64 " of %" PRIu64 " schedules, %" PRIu64 " failed\n", sums.schedules,
                  options.schedules, sums.failed);
    }
    return options.keep_going || !result.failed;
  });
  PrintSums(sums);
  if (!failures.empty() && !options.keep_going) {
    Job job;
    job.seed = failures[0].seed;
    std::printf("\nshortening seed %" PRIu64 " ...\n", job.seed);
    Result result = failures[0];
    job = farm.Shrink(job, &result);
    std::printf("seed %" PRIu64 ": %s\n", job.seed, result.failure);
    PrintSchedule(job);
  }
  if (sums.failed == 0 && sums.schedules >= 1000) {
    for (size_t i = 0; i < kPoints; ++i) {
      if (sums.met_in[i] > 0) continue;
      std::printf("no schedule met: %s\n", std::string(NameOf(static_cast<Point>(i))).c_str());
      return 1;
    }
  }
  return sums.failed == 0 ? 0 : 1;
}
