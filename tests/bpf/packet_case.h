// Packets as data: which program, what is changed in the world, which packet, and what must come of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bpf/packet_tester.h"
#include "tests/bpf/world.h"

namespace trivium {

enum class Where { kFromPod, kToPod, kFromOverlay, kToOverlay, kFromUplink };

struct Case {
  std::string name;
  Where where = Where::kFromPod;
  PacketSpec packet;
  int reason = 0;      // 0: passes
  int action = kPass;  // if it passes
  std::function<void(World&)> change = {};
  uint32_t mark = 0;                     // on arrival: to_pod, to_overlay
  std::optional<TunnelEnd> outer = {};   // on arrival: from_overlay
  std::optional<TunnelEnd> tunnel = {};  // set by from_pod and to_overlay
  uint32_t mark_after = 0;
  std::function<void(std::string*)> damage = {};  // of the frame
  bool silent = false;                            // neither counted nor reported
  bool overlay = true;
  bool underlay_ipv4 = true;
  bool underlay_ipv6 = true;
  bool audited = false;
};

// A tester with a filled World; the same one for all tests that want the like. Ends the program if that
// fails.
PacketTester* FreshTester(bool overlay = true, bool underlay_ipv4 = true, bool underlay_ipv6 = true);

std::vector<Case> FromPodCases();
std::vector<Case> ToPodCases();  // with policy and audit
std::vector<Case> NodeCases();   // overlay and uplink

// For Case::change.
inline void Ok(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

inline constexpr uint32_t MarkOf(uint32_t identity) { return MARK_MAGIC | identity; }

inline PacketSpec From(const std::string& source, const std::string& destination) {
  return {.source = source, .destination = destination, .destination_port = 80};
}
inline PacketSpec Echo(const std::string& source, const std::string& destination) {
  const bool v4 = source.size() == 4;
  return {.source = source,
          .destination = destination,
          .protocol = v4 ? kIcmp : kIcmpV6,
          .source_port = 77,
          .destination_port = static_cast<uint16_t>((v4 ? 8 : 128) << 8)};
}
inline PacketSpec With(PacketSpec spec, const std::function<void(PacketSpec&)>& change) {
  change(spec);
  return spec;
}
inline std::function<void(std::string*)> Byte(size_t at, int value) {
  return [=](std::string* frame) { (*frame)[at] = static_cast<char>(value); };
}
inline const TunnelEnd kFromN = {.address = kUnderlay2, .vni = kIdN};
inline const TunnelEnd kFromR = {.address = kUnderlay7, .vni = kIdR};
inline const TunnelEnd kFromRv6 = {.address = kUnderlay7v6, .vni = kIdR};

}  // namespace trivium
