// trivium-conformance: policy cases past a judge. See scripts/conformance --help.
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "tests/conformance/runner.h"

int main(int argc, char** argv) {
  using namespace trivium;
  using namespace trivium::conformance;
  const std::map<std::string, NewJudge> judges = {
      {"resolver", NewResolverJudge}, {"reference", NewReferenceJudge}, {"kernel", NewKernelJudge}};
  std::string folder, judge = "resolver", filter = "*";
  bool list = false;
  CLI::App app("Runs policy conformance cases past a judge", "conformance");
  app.add_option("DIR", folder, "A folder of cases (*.json), searched to any depth, or one case")->required();
  std::vector<std::string> names;
  for (const auto& [name, make] : judges) names.push_back(name);
  app.add_option("--judge", judge,
                 "resolver: the policy library; reference: a slow evaluator that shares no code with it; "
                 "kernel: the real programs on real "
                 "maps (root)")
      ->check(CLI::IsMember(names));
  app.add_option("--filter", filter, "Only cases whose name matches this glob");
  app.add_flag("--list", list, "Ask no judge: print the path of each case that can be read");
  CLI11_PARSE(app, argc, argv);

  std::vector<std::string> paths;
  std::error_code error;
  if (std::filesystem::is_regular_file(folder)) {
    paths.push_back(folder);
  } else {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
      if (entry.is_regular_file() && entry.path().extension() == ".json")
        paths.push_back(entry.path().string());
    }
  }
  if (error || paths.empty()) {
    std::cerr << "conformance: no cases in " << folder << (error ? ": " + error.message() : "") << "\n";
    return 2;
  }
  std::sort(paths.begin(), paths.end());

  Tally tally;
  for (const std::string& path : paths) {
    const absl::StatusOr<std::string> text = RealFiles()->Read(path);
    const absl::StatusOr<Case> parsed = text.ok() ? ParseCase(*text) : absl::StatusOr<Case>(text.status());
    if (!parsed.ok()) {
      ++tally.cases;
      ++tally.wrong;
      (list ? std::cerr : std::cout) << path << ": " << parsed.status().message() << "\n";
      continue;
    }
    if (fnmatch(filter.c_str(), parsed->name.c_str(), 0) != 0) continue;
    if (list) {
      std::cout << path << "\n";
      continue;
    }
    RunCase(*parsed, judges.at(judge), std::cout, &tally);
  }
  if (list) return tally.wrong == 0 ? 0 : 1;
  std::cout << "cases " << tally.cases << " cells " << tally.cells << " wrong " << tally.wrong << "\n";
  return tally.wrong == 0 ? 0 : 1;
}
