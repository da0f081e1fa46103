#include "nodeagent/kernel/overlay_device.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/kernel/netlink.h"

namespace trivium {

absl::StatusOr<uint32_t> EnsureOverlayDevice(const OverlayOptions& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const auto netlink, Netlink::Open());
  absl::StatusOr<Link> link = netlink->FindLink(options.device);
  if (absl::IsNotFound(link.status())) {
    TRIVIUM_RETURN_IF_ERROR(netlink->CreateVxlan(options.device, options.port));
    link = netlink->FindLink(options.device);
  }
  TRIVIUM_RETURN_IF_ERROR(link.status());
  if (link->kind != "vxlan" || !link->external || link->port != options.port) {
    return absl::FailedPreconditionError(absl::StrCat(
        "overlay device ", options.device, " is a ", link->kind.empty() ? "plain device" : link->kind,
        link->external ? " in metadata mode" : "", " on port ", link->port,
        "; want a vxlan in metadata mode on port ", options.port,
        ": remove it or configure another name or port"));
  }
  return link->index;
}

}  // namespace trivium
