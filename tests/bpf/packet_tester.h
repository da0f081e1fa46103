// Runs crafted packets through the real kernel programs with the kernel's test-run call, on maps of its own
// that are pinned nowhere. Needs root. One object is one node. Not thread-safe.
//
// All endpoints must have ifindex kIfindex (the loopback device: the call wants one that exists).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/abi/drop_reasons.h"
#include "bpf/abi/types.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/kernel_map_io.h"
#include "tests/bpf/packet_builder.h"

struct packet_tester_bpf;
struct ring_buffer;

namespace trivium {

// What tc programs return.
enum Action { kPass = 0, kDrop = 2, kRedirect = 7 };

struct TunnelEnd {
  std::string address;  // 4 or 16 bytes
  uint32_t vni = 0;
};

struct RunResult {
  int action = -1;
  std::string frame;  // as the program left it
  uint32_t mark = 0;
  // What was counted, {reason, direction} -> packets; reason 0: passed.
  std::map<std::pair<int, int>, uint64_t> counted;
  std::vector<flow_event> events;
  std::optional<TunnelEnd> tunnel;  // set by the program; only where observed

  // The one reason that was counted, 0 if no drop was, -1 if several.
  int reason() const;
};

// One new or established packet from one address to another, judged as pods' packets are.
struct ProbeSpec {
  PacketSpec packet;
  std::string source_underlay;  // tunnel end of the source's node, as the destination's node knows it
};
struct ProbeResult {
  bool passed = false;
  int reason = 0;          // why not
  bool at_source = false;  // who dropped it
  std::string program;     // likewise, by name
};

class PacketTester {
 public:
  static constexpr uint32_t kIfindex = 1;
  static constexpr uint32_t kOverlayIfindex = 1;

  // `options.pin_root` is ignored; overlay_ifindex 0 becomes kOverlayIfindex unless `overlay` is false. Maps
  // are small unless sizes are given.
  static absl::StatusOr<std::unique_ptr<PacketTester>> Create(DatapathOptions options = SmallMaps(),
                                                              bool overlay = true);
  static DatapathOptions SmallMaps();
  ~PacketTester();

  // Empties every map and forgets events: loading takes much longer. Counters go on.
  absl::Status Clear();

  KernelMapIo& maps() { return *maps_; }
  Datapath& datapath() { return *datapath_; }

  template <typename Key, typename Value>
  absl::Status Put(MapId map, const Key& key, const Value& value) {
    MapRecords records = {.key_size = sizeof(Key), .value_size = sizeof(Value)};
    records.Add(Bytes(key), Bytes(value));
    return maps_->Update(map, records).status;
  }
  template <typename Key>
  absl::Status Remove(MapId map, const Key& key) {
    MapRecords keys = {.key_size = sizeof(Key)};
    keys.Add(Bytes(key));
    return maps_->Delete(map, keys).status;
  }

  absl::StatusOr<RunResult> FromPod(const std::string& frame);
  // The same code, observed: RunResult.tunnel is set.
  absl::StatusOr<RunResult> FromPodObserved(const std::string& frame);
  absl::StatusOr<RunResult> ToPod(const std::string& frame, uint32_t mark = 0);
  // As arrived from `outer`; without one: no tunnel metadata at all.
  absl::StatusOr<RunResult> FromOverlay(const std::string& frame, const std::optional<TunnelEnd>& outer);
  absl::StatusOr<RunResult> ToOverlay(const std::string& frame, uint32_t mark = 0);  // observed
  absl::StatusOr<RunResult> FromUplink(const std::string& frame);

  // Sends the frame to from_pod `times` times and looks at nothing.
  absl::Status Flood(const std::string& frame, int times);

  // Sends one packet from a pod of node `source` to a pod of node `destination` (the same object: on one
  // node) through every program on its way. A null `source` or `destination` is outside the mesh.
  static absl::StatusOr<ProbeResult> Probe(PacketTester* source, PacketTester* destination,
                                           const ProbeSpec& spec);

  // Every conntrack entry of both maps.
  absl::StatusOr<std::vector<std::pair<ct_key, ct_value>>> Conntrack();
  // Makes every conntrack entry expire now.
  absl::Status ExpireConntrack();

 private:
  template <typename T>
  static absl::string_view Bytes(const T& value) {
    return absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  PacketTester() = default;
  absl::Status LoadTester();
  // Counters and events are left alone.
  absl::StatusOr<RunResult> RunOnly(int program_fd, const std::string& frame, uint32_t mark, int times = 1);
  absl::StatusOr<RunResult> Run(int program_fd, const std::string& frame, uint32_t mark);
  absl::StatusOr<std::map<std::pair<int, int>, uint64_t>> Counted() const;
  absl::StatusOr<std::optional<TunnelEnd>> ObservedTunnel() const;

  std::unique_ptr<Datapath> datapath_;
  std::unique_ptr<KernelMapIo> maps_;
  packet_tester_bpf* tester_ = nullptr;
  ring_buffer* ring_ = nullptr;
  std::vector<flow_event> events_;
};

}  // namespace trivium
