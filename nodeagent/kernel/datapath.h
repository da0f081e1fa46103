// The kernel programs and their maps: loads them, against maps pinned by an earlier agent if there are any,
// and owns the descriptors. Attaching is KernelDeviceIo's. Destruction detaches nothing and unpins nothing:
// what is pinned or attached lives on. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/reconcile/map_io.h"

struct bpf_object;
struct datapath_bpf;

namespace trivium {

// Entries. A pinned map keeps the size that it was made with: asking for another is an error.
struct MapSizes {
  uint32_t ipcache = 524288;
  uint32_t ipcache_lpm = 65536;
  uint32_t nodes = 65536;
  uint32_t underlay = 131072;
  uint32_t known = 131072;
  uint32_t policy_class = 65536;
  uint32_t policy_verdict = 65536;
  uint32_t endpoints =
      4096;  // addresses; endpoint_policy has as many entries (an endpoint has two directions)
  uint32_t conntrack = 131072;
  uint32_t conntrack_denied = 16384;
};

struct DatapathOptions {
  // A folder of a bpffs; maps are pinned in <pin_root>/v<ABI version>. Empty: nothing is pinned.
  std::string pin_root;
  uint32_t address_space = 0;
  uint32_t overlay_ifindex = 0;  // 0: no overlay
  bool underlay_ipv4 = true;     // this node has an underlay address of that family
  bool underlay_ipv6 = true;
  MapSizes sizes;
  // Called on the opened object before it is loaded: last adjustments (tests make an LRU a plain hash).
  std::function<void(bpf_object*)> before_load;
};

enum class Program { kFromPod, kToPod, kFromOverlay, kToOverlay, kFromUplink };
// As the kernel lists it.
const char* ProgramName(Program program);

class Datapath {
 public:
  // kFailedPrecondition: a pinned map has another type, layout or size than this build and the options want.
  static absl::StatusOr<std::unique_ptr<Datapath>> Load(const DatapathOptions& options);
  ~Datapath();
  Datapath(const Datapath&) = delete;
  Datapath& operator=(const Datapath&) = delete;

  // Descriptors stay owned by this object.
  int map_fd(MapId map) const;
  int conntrack_fd() const;         // ct_key -> ct_value, allowed flows (LRU)
  int conntrack_denied_fd() const;  // ct_key -> ct_value, marks
  int counters_fd() const;          // COUNTER_INDEX -> counter_value per CPU
  int events_fd() const;            // ring buffer of flow_event
  int events_lost_fd() const;       // 0 -> count per CPU
  int program_fd(Program program) const;

  // Where the maps of a pin root are pinned.
  static std::string PinFolder(absl::string_view pin_root);

 private:
  struct Closer {
    void operator()(datapath_bpf* skeleton) const;
  };
  explicit Datapath(datapath_bpf* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<datapath_bpf, Closer> skeleton_;
};

}  // namespace trivium
