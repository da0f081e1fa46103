#include "tests/bpf/packet_case.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace trivium {
namespace {

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "packet tester: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

PacketTester* FreshTester(bool overlay, bool underlay_ipv4, bool underlay_ipv6) {
  static std::map<std::tuple<bool, bool, bool>, std::unique_ptr<PacketTester>> testers;
  std::unique_ptr<PacketTester>& tester = testers[{overlay, underlay_ipv4, underlay_ipv6}];
  if (tester == nullptr) {
    DatapathOptions options = PacketTester::SmallMaps();
    options.underlay_ipv4 = underlay_ipv4;
    options.underlay_ipv6 = underlay_ipv6;
    auto created = PacketTester::Create(options, overlay);
    Must(created.status());
    tester = *std::move(created);
  }
  Must(tester->Clear());
  Must(World(tester.get()).Fill());
  return tester.get();
}

}  // namespace trivium
