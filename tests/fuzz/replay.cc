// A fuzz target without libFuzzer, for every build: each input of a corpus as it is, then variations of them,
// the same ones on every run. usage: replay_TARGET CORPUS [VARIATIONS]
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// A few bytes changed, taken out, or replaced by a piece of another input.
std::string Vary(const std::string& input, const std::string& other, std::mt19937_64* random) {
  std::string text = input;
  const auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>((*random)() % n); };
  for (size_t i = 1 + below(4); i > 0; --i) {
    const size_t at = below(text.size() + 1);
    const size_t length = below(std::min<size_t>(text.size() - at, 32) + 1);
    switch (below(4)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>((*random)());
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(below(text.size() + 1), 32));
        break;
      default:
        text.replace(at, length, other.substr(below(other.size() + 1), 64));
        break;
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " CORPUS [VARIATIONS]\n";
    return 2;
  }
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error))
    paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const std::string& path : paths) {
    std::ifstream in(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (error || inputs.empty()) {
    std::cerr << argv[0] << ": no inputs in " << argv[1] << "\n";
    return 2;
  }
  const size_t variations = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  for (const std::string& input : inputs) Run(input);
  std::mt19937_64 random(1);
  for (size_t i = 0; i < variations; ++i) {
    const std::string& other = inputs[random() % inputs.size()];
    Run(Vary(inputs[i % inputs.size()], other, &random));
  }
  std::cout << "inputs " << inputs.size() << " variations " << variations << "\n";
  return 0;
}
