#include "nodeagent/kernel/traffic_control.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/kernel/fd.h"
#include "nodeagent/kernel/libbpf_log.h"

namespace trivium {
namespace {

// First in order, with a handle that others hardly choose.
constexpr uint32_t kPriority = 1;
constexpr uint32_t kHandle = 0x5456;

bpf_tc_hook HookOf(uint32_t ifindex, Hook hook) {
  bpf_tc_hook result = {};
  result.sz = sizeof(result);
  result.ifindex = static_cast<int>(ifindex);
  result.attach_point = hook == Hook::kIngress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return result;
}

bpf_tc_opts Place() {
  bpf_tc_opts options = {};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = kPriority;
  return options;
}

}  // namespace

absl::Status AttachProgram(const Datapath& datapath, Program program, uint32_t ifindex, Hook hook) {
  LibbpfLog log;  // it calls an existing clsact an error, loudly
  bpf_tc_hook place = HookOf(ifindex, hook);
  if (const int error = bpf_tc_hook_create(&place); error != 0 && error != -EEXIST) {
    return absl::ErrnoToStatus(-error, absl::StrCat("add clsact to device ", ifindex));
  }
  bpf_tc_opts options = Place();
  options.prog_fd = datapath.program_fd(program);
  options.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&place, &options)) {
    return absl::ErrnoToStatus(
        -error, absl::StrCat("attach ", ProgramName(program), " to device ", ifindex, ": ", log.text()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AttachedProgram(uint32_t ifindex, Hook hook) {
  LibbpfLog log;
  const bpf_tc_hook place = HookOf(ifindex, hook);
  bpf_tc_opts options = Place();
  if (const int error = bpf_tc_query(&place, &options)) {
    // No filter, no clsact, no device.
    if (error == -ENOENT || error == -EINVAL || error == -ENODEV || error == -EOPNOTSUPP)
      return std::string();
    return absl::ErrnoToStatus(-error, absl::StrCat("query filters of device ", ifindex, ": ", log.text()));
  }
  const Fd program(bpf_prog_get_fd_by_id(options.prog_id));
  bpf_prog_info info = {};
  uint32_t size = sizeof(info);
  if (!program.ok() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("read the program on device ", ifindex));
  }
  const std::string name = info.name;
  return absl::StartsWith(name, "tv_") ? name : std::string();
}

absl::Status DetachPrograms(Netlink* netlink, uint32_t ifindex) {
  bool ours = false;
  for (const Hook hook : {Hook::kIngress, Hook::kEgress}) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string name, AttachedProgram(ifindex, hook));
    if (name.empty()) continue;
    ours = true;
    LibbpfLog log;
    const bpf_tc_hook place = HookOf(ifindex, hook);
    bpf_tc_opts options = Place();
    if (const int error = bpf_tc_detach(&place, &options); error != 0 && error != -ENOENT) {
      return absl::ErrnoToStatus(-error,
                                 absl::StrCat("detach ", name, " from device ", ifindex, ": ", log.text()));
    }
  }
  if (!ours) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(const bool used, netlink->HasFilters(ifindex));
  if (used) return absl::OkStatus();
  LibbpfLog log;
  bpf_tc_hook place = HookOf(ifindex, Hook::kIngress);
  place.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  if (const int error = bpf_tc_hook_destroy(&place); error != 0 && error != -ENOENT) {
    return absl::ErrnoToStatus(-error, absl::StrCat("remove clsact from device ", ifindex, ": ", log.text()));
  }
  return absl::OkStatus();
}

}  // namespace trivium
