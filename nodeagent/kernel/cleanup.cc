#include "nodeagent/kernel/cleanup.h"

#include <cctype>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/kernel/netlink.h"
#include "nodeagent/kernel/traffic_control.h"

namespace trivium {
namespace {

// <pin_root>/v<number>, and the root itself once it is empty.
absl::Status RemovePins(const std::string& pin_root) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (pin_root.empty() || !fs::exists(pin_root, error)) return absl::OkStatus();
  for (const fs::directory_entry& entry : fs::directory_iterator(pin_root, error)) {
    const std::string name = entry.path().filename();
    if (name.size() < 2 || name[0] != 'v' || !std::isdigit(static_cast<unsigned char>(name[1]))) continue;
    fs::remove_all(entry.path(), error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("remove ", entry.path().string()));
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("list ", pin_root));
  if (fs::is_empty(pin_root, error)) fs::remove(pin_root, error);
  return error ? absl::ErrnoToStatus(error.value(), absl::StrCat("remove ", pin_root)) : absl::OkStatus();
}

}  // namespace

absl::Status RemoveFromKernel(const CleanupOptions& options) {
  absl::Status first;
  const auto note = [&](const absl::Status& status) { first.Update(status); };
  TRIVIUM_ASSIGN_OR_RETURN(const auto netlink, Netlink::Open());

  if (const auto routes = netlink->Routes(); routes.ok()) {
    for (const Route& route : *routes) note(netlink->DeleteRoute(route));
  } else {
    note(routes.status());
  }
  if (const auto overlay = netlink->FindLink(options.overlay_device); overlay.ok()) {
    if (overlay->kind == "vxlan" && overlay->external) note(netlink->DeleteLink(overlay->index));
  } else if (!absl::IsNotFound(overlay.status())) {
    note(overlay.status());
  }
  note(RemovePins(options.pin_root));

  const auto links = netlink->Links();
  if (!links.ok()) return first.ok() ? links.status() : first;
  for (const Link& link : *links) {
    const auto program = AttachedProgram(link.index, Hook::kIngress);
    note(program.status());
    if (program.ok() && *program == ProgramName(Program::kFromPod)) {
      const auto neighbours = netlink->PermanentNeighbours(link.index);
      note(neighbours.status());
      for (const std::string& ip : neighbours.ok() ? *neighbours : std::vector<std::string>()) {
        note(netlink->DeleteNeighbour(link.index, ip));
      }
      // Without filters the host would forward for it: down, and then without.
      note(netlink->ChangeLink(link.index, {.up = false}));
    }
    note(DetachPrograms(netlink.get(), link.index));
  }
  return first;
}

}  // namespace trivium
