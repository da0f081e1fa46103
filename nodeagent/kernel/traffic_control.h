// Our programs on devices: clsact filters at a place that is known as ours. Atomic: a new program replaces
// the old one without a packet between them. Acts in the thread's network namespace. Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/netlink.h"

namespace trivium {

enum class Hook { kIngress, kEgress };

absl::Status AttachProgram(const Datapath& datapath, Program program, uint32_t ifindex, Hook hook);
// Name of the program of ours there; empty if there is none.
absl::StatusOr<std::string> AttachedProgram(uint32_t ifindex, Hook hook);
// Removes our programs from both hooks, and clsact with them if nothing else uses it. OK if there is nothing
// of ours.
absl::Status DetachPrograms(Netlink* netlink, uint32_t ifindex);

}  // namespace trivium
