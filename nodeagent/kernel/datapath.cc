#include "nodeagent/kernel/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bpf/abi/types.h"
#include "datapath_bpf.skel.h"
#include "nodeagent/kernel/fd.h"
#include "nodeagent/kernel/libbpf_log.h"

namespace trivium {
namespace {

absl::Status SystemError(int error, absl::string_view what) {
  return absl::ErrnoToStatus(error < 0 ? -error : error, what);
}

absl::Status Resize(bpf_map* map, uint32_t entries) {
  if (entries == 0) return absl::InvalidArgumentError(absl::StrCat("map ", bpf_map__name(map), ": size 0"));
  if (const int error = bpf_map__set_max_entries(map, entries)) {
    return SystemError(error, absl::StrCat("map ", bpf_map__name(map), ": size ", entries));
  }
  return absl::OkStatus();
}

absl::Status ResizeAll(const datapath_bpf& skeleton, const MapSizes& sizes) {
  const auto& maps = skeleton.maps;
  const std::pair<bpf_map*, uint32_t> all[] = {
      {maps.ipcache, sizes.ipcache},
      {maps.ipcache_lpm, sizes.ipcache_lpm},
      {maps.nodes, sizes.nodes},
      {maps.underlay, sizes.underlay},
      {maps.known, sizes.known},
      {maps.policy_class, sizes.policy_class},
      {maps.policy_verdict, sizes.policy_verdict},
      {maps.endpoints, sizes.endpoints},
      {maps.endpoint_policy, sizes.endpoints * 2},
      {maps.ct_allowed, sizes.conntrack},
      {maps.ct_denied, sizes.conntrack_denied},
  };
  for (const auto& [map, entries] : all) TRIVIUM_RETURN_IF_ERROR(Resize(map, entries));
  return absl::OkStatus();
}

constexpr char kBpfFs[] = "/sys/fs/bpf";

// Where systemd has not mounted the file system that pins live in (an image without it, a container), the
// agent does, as others of its kind. Any other folder is its owner's affair.
absl::Status MountBpfFs(const std::string& folder) {
  if (!absl::StartsWith(folder, absl::StrCat(kBpfFs, "/"))) return absl::OkStatus();
  struct statfs fs = {};
  if (statfs(kBpfFs, &fs) == 0 && fs.f_type == BPF_FS_MAGIC) return absl::OkStatus();
  if (mount("bpf", kBpfFs, "bpf", 0, "mode=0700") != 0) {
    return SystemError(errno, absl::StrCat("no bpf file system is at ", kBpfFs, ", and mounting one failed"));
  }
  return absl::OkStatus();
}

// The kernel reports an LPM's flags and types as asked; a ring buffer's and arrays' sizes are fixed by the
// object.
absl::Status CheckPinned(bpf_map* map, const std::string& path) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd.ok()) {
    if (errno == ENOENT) return absl::OkStatus();
    return SystemError(errno, absl::StrCat("open pinned map ", path));
  }
  bpf_map_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
    return SystemError(errno, absl::StrCat("read info of pinned map ", path));
  }
  const std::pair<const char*, std::pair<uint32_t, uint32_t>> properties[] = {
      {"type", {info.type, bpf_map__type(map)}},
      {"key size", {info.key_size, bpf_map__key_size(map)}},
      {"value size", {info.value_size, bpf_map__value_size(map)}},
      {"number of entries", {info.max_entries, bpf_map__max_entries(map)}},
      {"flags", {info.map_flags, bpf_map__map_flags(map)}},
  };
  for (const auto& [name, values] : properties) {
    if (values.first == values.second) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "pinned map ", path, " has ", name, " ", values.first, ", wanted ", values.second,
        ": configure the old value, or remove the node's pins (traffic is closed until the maps are "
        "filled again)"));
  }
  return absl::OkStatus();
}

absl::Status PinAll(bpf_object* object, const std::string& pin_root) {
  const std::string folder = Datapath::PinFolder(pin_root);
  std::error_code error;
  TRIVIUM_RETURN_IF_ERROR(MountBpfFs(folder));
  std::filesystem::create_directories(folder, error);
  if (error) return SystemError(error.value(), absl::StrCat("create folder ", folder));
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;  // constants belong to one load
    const std::string path = absl::StrCat(folder, "/", bpf_map__name(map));
    TRIVIUM_RETURN_IF_ERROR(CheckPinned(map, path));
    if (const int failed = bpf_map__set_pin_path(map, path.c_str())) {
      return SystemError(failed, absl::StrCat("set pin path ", path));
    }
  }
  return absl::OkStatus();
}

}  // namespace

const char* ProgramName(Program program) {
  switch (program) {
    case Program::kFromPod:
      return "tv_from_pod";
    case Program::kToPod:
      return "tv_to_pod";
    case Program::kFromOverlay:
      return "tv_from_overlay";
    case Program::kToOverlay:
      return "tv_to_overlay";
    case Program::kFromUplink:
      return "tv_from_uplink";
  }
  return "";
}

void Datapath::Closer::operator()(datapath_bpf* skeleton) const { datapath_bpf::destroy(skeleton); }

Datapath::~Datapath() = default;

std::string Datapath::PinFolder(absl::string_view pin_root) {
  return absl::StrCat(pin_root, "/v", TRIVIUM_ABI_VERSION);
}

absl::StatusOr<std::unique_ptr<Datapath>> Datapath::Load(const DatapathOptions& options) {
  LibbpfLog log;
  std::unique_ptr<Datapath> datapath(new Datapath(datapath_bpf::open()));
  datapath_bpf* skeleton = datapath->skeleton_.get();
  if (skeleton == nullptr) return SystemError(errno, absl::StrCat("open BPF object: ", log.text()));

  skeleton->rodata->cfg_address_space = options.address_space;
  skeleton->rodata->cfg_overlay_ifindex = options.overlay_ifindex;
  skeleton->rodata->cfg_underlay_ipv4 = options.underlay_ipv4;
  skeleton->rodata->cfg_underlay_ipv6 = options.underlay_ipv6;
  TRIVIUM_RETURN_IF_ERROR(ResizeAll(*skeleton, options.sizes));
  if (options.before_load) options.before_load(skeleton->obj);
  if (!options.pin_root.empty()) TRIVIUM_RETURN_IF_ERROR(PinAll(skeleton->obj, options.pin_root));
  if (const int error = datapath_bpf::load(skeleton)) {
    return SystemError(error, absl::StrCat("load BPF object: ", log.text()));
  }
  return datapath;
}

int Datapath::map_fd(MapId map) const {
  const auto& maps = skeleton_->maps;
  switch (map) {
    case MapId::kIpcache:
      return bpf_map__fd(maps.ipcache);
    case MapId::kIpcacheLpm:
      return bpf_map__fd(maps.ipcache_lpm);
    case MapId::kNodes:
      return bpf_map__fd(maps.nodes);
    case MapId::kUnderlay:
      return bpf_map__fd(maps.underlay);
    case MapId::kKnown:
      return bpf_map__fd(maps.known);
    case MapId::kPolicyClass:
      return bpf_map__fd(maps.policy_class);
    case MapId::kPolicyVerdict:
      return bpf_map__fd(maps.policy_verdict);
    case MapId::kEndpointPolicy:
      return bpf_map__fd(maps.endpoint_policy);
    case MapId::kEndpoints:
      return bpf_map__fd(maps.endpoints);
    case MapId::kVector:
      return bpf_map__fd(maps.vector);
  }
  return -1;
}

int Datapath::conntrack_fd() const { return bpf_map__fd(skeleton_->maps.ct_allowed); }
int Datapath::conntrack_denied_fd() const { return bpf_map__fd(skeleton_->maps.ct_denied); }
int Datapath::counters_fd() const { return bpf_map__fd(skeleton_->maps.counters); }
int Datapath::events_fd() const { return bpf_map__fd(skeleton_->maps.events); }
int Datapath::events_lost_fd() const { return bpf_map__fd(skeleton_->maps.events_lost); }

int Datapath::program_fd(Program program) const {
  const auto& programs = skeleton_->progs;
  switch (program) {
    case Program::kFromPod:
      return bpf_program__fd(programs.tv_from_pod);
    case Program::kToPod:
      return bpf_program__fd(programs.tv_to_pod);
    case Program::kFromOverlay:
      return bpf_program__fd(programs.tv_from_overlay);
    case Program::kToOverlay:
      return bpf_program__fd(programs.tv_to_overlay);
    case Program::kFromUplink:
      return bpf_program__fd(programs.tv_from_uplink);
  }
  return -1;
}

}  // namespace trivium
