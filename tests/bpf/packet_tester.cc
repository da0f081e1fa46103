#include "tests/bpf/packet_tester.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/kernel/batch.h"
#include "nodeagent/kernel/libbpf_log.h"
#include "packet_tester_bpf.skel.h"

namespace trivium {
namespace {

// As in packet_tester.bpf.c.
struct Outer {
  uint32_t vni;
  uint32_t family;
  uint32_t ipv4;
  uint8_t ipv6[16];
};

absl::Status LastError(absl::string_view what) { return absl::ErrnoToStatus(errno, what); }

template <typename T>
T As(const std::vector<uint8_t>& bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

int RunResult::reason() const {
  int reason = 0;
  for (const auto& [key, packets] : counted) {
    if (key.first == 0 || key.first == COUNTER_AUDITED || packets == 0) continue;
    if (reason != 0 || packets != 1) return -1;
    reason = key.first;
  }
  return reason;
}

DatapathOptions PacketTester::SmallMaps() {
  DatapathOptions options;
  options.sizes = {.ipcache = 4096,
                   .ipcache_lpm = 4096,
                   .nodes = 256,
                   .underlay = 256,
                   .known = 4096,
                   .policy_class = 16384,
                   .policy_verdict = 16384,
                   .endpoints = 1024,
                   .conntrack = 4096,
                   .conntrack_denied = 1024};
  return options;
}

absl::StatusOr<std::unique_ptr<PacketTester>> PacketTester::Create(DatapathOptions options, bool overlay) {
  options.pin_root.clear();
  if (overlay && options.overlay_ifindex == 0) options.overlay_ifindex = kOverlayIfindex;
  if (!overlay) options.overlay_ifindex = 0;
  std::unique_ptr<PacketTester> tester(new PacketTester);
  TRIVIUM_ASSIGN_OR_RETURN(tester->datapath_, Datapath::Load(options));
  tester->maps_ = std::make_unique<KernelMapIo>(tester->datapath_.get());

  LibbpfLog log;
  tester->tester_ = packet_tester_bpf::open();
  if (tester->tester_ == nullptr) return LastError(absl::StrCat("open the tester's object: ", log.text()));
  auto* rodata = tester->tester_->rodata;
  rodata->cfg_address_space = options.address_space;
  rodata->cfg_overlay_ifindex = options.overlay_ifindex;
  rodata->cfg_underlay_ipv4 = options.underlay_ipv4;
  rodata->cfg_underlay_ipv6 = options.underlay_ipv6;
  if (absl::Status status = tester->LoadTester(); !status.ok()) return Annotate(status, log.text());
  tester->ring_ = ring_buffer__new(
      tester->datapath_->events_fd(),
      [](void* self, void* data, size_t size) {
        flow_event event;
        if (size != sizeof(event)) return -EINVAL;
        std::memcpy(&event, data, sizeof(event));
        static_cast<PacketTester*>(self)->events_.push_back(event);
        return 0;
      },
      tester.get(), nullptr);
  if (tester->ring_ == nullptr) return LastError("open the event ring");
  return tester;
}

absl::Status PacketTester::LoadTester() {
  const std::pair<const char*, int> shared[] = {
      {"ipcache", datapath_->map_fd(MapId::kIpcache)},
      {"ipcache_lpm", datapath_->map_fd(MapId::kIpcacheLpm)},
      {"nodes", datapath_->map_fd(MapId::kNodes)},
      {"underlay", datapath_->map_fd(MapId::kUnderlay)},
      {"known", datapath_->map_fd(MapId::kKnown)},
      {"policy_class", datapath_->map_fd(MapId::kPolicyClass)},
      {"policy_verdict", datapath_->map_fd(MapId::kPolicyVerdict)},
      {"endpoint_policy", datapath_->map_fd(MapId::kEndpointPolicy)},
      {"endpoints", datapath_->map_fd(MapId::kEndpoints)},
      {"vector", datapath_->map_fd(MapId::kVector)},
      {"ct_allowed", datapath_->conntrack_fd()},
      {"ct_denied", datapath_->conntrack_denied_fd()},
      {"counters", datapath_->counters_fd()},
      {"events", datapath_->events_fd()},
      {"events_lost", datapath_->events_lost_fd()},
  };
  for (const auto& [name, fd] : shared) {
    bpf_map* map = bpf_object__find_map_by_name(tester_->obj, name);
    if (map == nullptr) return absl::InternalError(absl::StrCat("the tester has no map ", name));
    if (bpf_map__reuse_fd(map, fd) != 0) return LastError(absl::StrCat("share map ", name));
  }
  if (packet_tester_bpf::load(tester_) != 0) return LastError("load the tester's object");
  const uint32_t zero = 0;
  const int target = datapath_->program_fd(Program::kFromOverlay);
  if (bpf_map_update_elem(bpf_map__fd(tester_->maps.targets), &zero, &target, BPF_ANY) != 0) {
    return LastError("set the tail call's target");
  }
  return absl::OkStatus();
}

PacketTester::~PacketTester() {
  if (ring_ != nullptr) ring_buffer__free(ring_);
  if (tester_ != nullptr) packet_tester_bpf::destroy(tester_);
}

absl::StatusOr<std::map<std::pair<int, int>, uint64_t>> PacketTester::Counted() const {
  std::map<std::pair<int, int>, uint64_t> counted;
  std::vector<counter_value> cpus(libbpf_num_possible_cpus());
  for (uint32_t index = 0; index < COUNTER_COUNT; ++index) {
    if (bpf_map_lookup_elem(datapath_->counters_fd(), &index, cpus.data()) != 0)
      return LastError("read counters");
    uint64_t sum = 0;
    for (const counter_value& cpu : cpus) sum += cpu.packets;
    if (sum != 0) counted[{index / 2, index % 2}] = sum;
  }
  return counted;
}

absl::StatusOr<RunResult> PacketTester::RunOnly(int program_fd, const std::string& frame, uint32_t mark,
                                                int times) {
  __sk_buff context = {};
  context.mark = mark;
  context.ifindex = kIfindex;
  RunResult result;
  result.frame.resize(frame.size() + 256);
  bpf_test_run_opts run = {};
  run.sz = sizeof(run);
  run.data_in = frame.data();
  run.data_size_in = static_cast<uint32_t>(frame.size());
  run.data_out = result.frame.data();
  run.data_size_out = static_cast<uint32_t>(result.frame.size());
  run.ctx_in = &context;
  run.ctx_size_in = sizeof(context);
  run.ctx_out = &context;
  run.ctx_size_out = sizeof(context);
  run.repeat = times;
  if (bpf_prog_test_run_opts(program_fd, &run) != 0) return LastError("run the program");
  result.frame.resize(run.data_size_out);
  result.action = static_cast<int>(run.retval);
  result.mark = context.mark;
  return result;
}

absl::Status PacketTester::Flood(const std::string& frame, int times) {
  return RunOnly(datapath_->program_fd(Program::kFromPod), frame, 0, times).status();
}

absl::StatusOr<RunResult> PacketTester::Run(int program_fd, const std::string& frame, uint32_t mark) {
  TRIVIUM_ASSIGN_OR_RETURN(const auto before, Counted());
  events_.clear();
  TRIVIUM_ASSIGN_OR_RETURN(RunResult result, RunOnly(program_fd, frame, mark));
  TRIVIUM_ASSIGN_OR_RETURN(result.counted, Counted());
  for (const auto& [key, packets] : before) {
    if ((result.counted[key] -= packets) == 0) result.counted.erase(key);
  }
  if (const int error = ring_buffer__consume(ring_); error < 0)
    return absl::ErrnoToStatus(-error, "read events");
  result.events = std::move(events_);
  return result;
}

absl::StatusOr<std::optional<TunnelEnd>> PacketTester::ObservedTunnel() const {
  const uint32_t one = 1;
  Outer outer;
  if (bpf_map_lookup_elem(bpf_map__fd(tester_->maps.outers), &one, &outer) != 0)
    return LastError("read the tunnel");
  if (outer.family == 0) return std::optional<TunnelEnd>();
  TunnelEnd end = {.vni = outer.vni};
  const uint32_t ipv4 = htonl(outer.ipv4);
  end.address = outer.family == 4 ? std::string(reinterpret_cast<const char*>(&ipv4), 4)
                                  : std::string(reinterpret_cast<const char*>(outer.ipv6), 16);
  return std::optional<TunnelEnd>(end);
}

absl::StatusOr<RunResult> PacketTester::FromPod(const std::string& frame) {
  return Run(datapath_->program_fd(Program::kFromPod), frame, 0);
}

absl::StatusOr<RunResult> PacketTester::FromPodObserved(const std::string& frame) {
  TRIVIUM_ASSIGN_OR_RETURN(RunResult result, Run(bpf_program__fd(tester_->progs.tester_from_pod), frame, 0));
  TRIVIUM_ASSIGN_OR_RETURN(result.tunnel, ObservedTunnel());
  return result;
}

absl::StatusOr<RunResult> PacketTester::ToPod(const std::string& frame, uint32_t mark) {
  return Run(datapath_->program_fd(Program::kToPod), frame, mark);
}

absl::StatusOr<RunResult> PacketTester::FromOverlay(const std::string& frame,
                                                    const std::optional<TunnelEnd>& outer) {
  Outer record = {};
  if (outer) {
    record.vni = outer->vni;
    record.family = outer->address.size() == 4 ? 4 : 6;
    if (record.family == 4) {
      std::memcpy(&record.ipv4, outer->address.data(), 4);
      record.ipv4 = ntohl(record.ipv4);
    } else {
      std::memcpy(record.ipv6, outer->address.data(), 16);
    }
  }
  const uint32_t zero = 0;
  if (bpf_map_update_elem(bpf_map__fd(tester_->maps.outers), &zero, &record, BPF_ANY) != 0) {
    return LastError("set the tunnel");
  }
  TRIVIUM_ASSIGN_OR_RETURN(RunResult result,
                           Run(bpf_program__fd(tester_->progs.tester_from_overlay), frame, 0));
  if (result.action == TC_ACT_UNSPEC) return absl::InternalError("the tester did not reach from_overlay");
  return result;
}

absl::StatusOr<RunResult> PacketTester::ToOverlay(const std::string& frame, uint32_t mark) {
  TRIVIUM_ASSIGN_OR_RETURN(RunResult result,
                           Run(bpf_program__fd(tester_->progs.tester_to_overlay), frame, mark));
  TRIVIUM_ASSIGN_OR_RETURN(result.tunnel, ObservedTunnel());
  return result;
}

absl::StatusOr<RunResult> PacketTester::FromUplink(const std::string& frame) {
  return Run(datapath_->program_fd(Program::kFromUplink), frame, 0);
}

absl::StatusOr<ProbeResult> PacketTester::Probe(PacketTester* source, PacketTester* destination,
                                                const ProbeSpec& spec) {
  std::string frame = Frame(spec.packet);
  uint32_t mark = 0;
  const auto dropped = [](const RunResult& run, bool at_source, const char* program) {
    return ProbeResult{.passed = false, .reason = run.reason(), .at_source = at_source, .program = program};
  };
  if (source != nullptr) {
    TRIVIUM_ASSIGN_OR_RETURN(const RunResult out, source->FromPod(frame));
    if (out.action == kDrop) return dropped(out, true, "from_pod");
    if (out.action != (destination == nullptr ? kPass : kRedirect)) {
      return absl::InternalError(absl::StrCat("from_pod returned ", out.action));
    }
    frame = out.frame;
    mark = out.mark;
  }
  if (destination == nullptr) return ProbeResult{.passed = true};
  if (source != nullptr && source != destination) {
    const TunnelEnd outer = {.address = spec.source_underlay, .vni = mark & MARK_IDENTITY_MASK};
    TRIVIUM_ASSIGN_OR_RETURN(const RunResult in, destination->FromOverlay(frame, outer));
    if (in.action == kDrop) return dropped(in, false, "from_overlay");
    if (in.action != kRedirect) return absl::InternalError(absl::StrCat("from_overlay returned ", in.action));
    frame = in.frame;
    mark = in.mark;
  }
  TRIVIUM_ASSIGN_OR_RETURN(const RunResult last, destination->ToPod(frame, mark));
  if (last.action == kDrop) return dropped(last, false, "to_pod");
  return ProbeResult{.passed = true};
}

absl::Status PacketTester::Clear() {
  for (int i = 0; i < kMapCount; ++i) {
    const MapId map = static_cast<MapId>(i);
    TRIVIUM_ASSIGN_OR_RETURN(MapRecords records, maps_->ReadAll(map));
    records.values.clear();
    records.value_size = 0;
    if (const MapWriteResult result = maps_->Delete(map, records); !result.ok()) return result.status;
  }
  for (const int fd : {datapath_->conntrack_fd(), datapath_->conntrack_denied_fd()}) {
    std::vector<uint8_t> keys, values;
    TRIVIUM_RETURN_IF_ERROR(LookupAll(fd, sizeof(ct_key), sizeof(ct_value), &keys, &values));
    for (size_t i = 0; i < keys.size() / sizeof(ct_key); ++i) {
      if (bpf_map_delete_elem(fd, keys.data() + i * sizeof(ct_key)) != 0 && errno != ENOENT) {
        return LastError("delete a conntrack entry");
      }
    }
  }
  if (const int error = ring_buffer__consume(ring_); error < 0)
    return absl::ErrnoToStatus(-error, "read events");
  events_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<ct_key, ct_value>>> PacketTester::Conntrack() {
  std::vector<std::pair<ct_key, ct_value>> entries;
  for (const int fd : {datapath_->conntrack_fd(), datapath_->conntrack_denied_fd()}) {
    std::vector<uint8_t> keys, values;
    TRIVIUM_RETURN_IF_ERROR(LookupAll(fd, sizeof(ct_key), sizeof(ct_value), &keys, &values));
    for (size_t i = 0; i < keys.size() / sizeof(ct_key); ++i) {
      entries.emplace_back(As<ct_key>(keys, i), As<ct_value>(values, i));
    }
  }
  return entries;
}

absl::Status PacketTester::ExpireConntrack() {
  for (const int fd : {datapath_->conntrack_fd(), datapath_->conntrack_denied_fd()}) {
    std::vector<uint8_t> keys, values;
    TRIVIUM_RETURN_IF_ERROR(LookupAll(fd, sizeof(ct_key), sizeof(ct_value), &keys, &values));
    for (size_t i = 0; i < keys.size() / sizeof(ct_key); ++i) {
      ct_value value = As<ct_value>(values, i);
      value.expires_ns = 1;
      if (bpf_map_update_elem(fd, keys.data() + i * sizeof(ct_key), &value, BPF_EXIST) != 0) {
        return LastError("expire a conntrack entry");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace trivium
