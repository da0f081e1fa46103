// From addresses, prefixes and verdicts to the kernel's keys. Pure.
#pragma once

#include "absl/strings/string_view.h"
#include "bpf/abi/types.h"
#include "policy/rule_set.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

// Addresses are 4 or 16 bytes, network order: what parsed objects hold. Anything else is no address.
bool IsAddress(absl::string_view ip);

// These want an address or a prefix that IsAddress.
ipcache_key IpcacheKey(uint32_t space, absl::string_view ip);
ipcache_lpm_key IpcacheLpmKey(uint32_t space, const v1::Cidr& cidr);
underlay_key UnderlayKey(absl::string_view ip);
endpoint_key EndpointMapKey(uint32_t space, absl::string_view ip);
policy_verdict_key VerdictKey(uint32_t rule_set, uint32_t class_id, const policy::VerdictEntry& entry);

// The prefix that an LPM key stands for.
v1::Cidr CidrOf(const ipcache_lpm_key& key);

}  // namespace trivium
