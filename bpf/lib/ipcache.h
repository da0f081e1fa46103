/* Whose address is it? Exact entries are managed addresses; prefixes behind them are pod networks
 * (IPCACHE_UNKNOWN) and the CIDRs of policies. */
#ifndef TRIVIUM_BPF_LIB_IPCACHE_H_
#define TRIVIUM_BPF_LIB_IPCACHE_H_

#include "bpf/lib/flow.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 524288);
  __type(key, struct ipcache_key);
  __type(value, struct ipcache_value);
} ipcache SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct ipcache_lpm_key);
  __type(value, struct ipcache_value);
} ipcache_lpm SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, struct endpoint_key);
  __type(value, struct endpoint_value);
} endpoints SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 131072);
  __type(key, struct known_key);
  __type(value, struct known_value);
} known SEC(".maps");

NOINLINE struct ipcache_value* ipcache_exact(const __u8* address, __u8 family) {
  struct ipcache_key key = {.space = cfg_address_space, .family = family};
  memcpy(key.addr, address, 16);
  return bpf_map_lookup_elem(&ipcache, &key);
}

NOINLINE struct ipcache_value* ipcache_prefix(const __u8* address, __u8 family) {
  struct ipcache_lpm_key key = {.space = cfg_address_space, .family = family};
  key.prefixlen = IPCACHE_LPM_STATIC_BITS + (family == FAMILY_IPV4 ? 32 : 128);
  memcpy(key.addr, address, 16);
  return bpf_map_lookup_elem(&ipcache_lpm, &key);
}

INLINE struct endpoint_value* endpoint_of(const __u8* address, __u8 family) {
  struct endpoint_key key = {.space = cfg_address_space, .family = family};
  memcpy(key.addr, address, 16);
  return bpf_map_lookup_elem(&endpoints, &key);
}

INLINE struct known_value* known_identity(__u32 identity) {
  const struct known_key key = {.identity = identity};
  return bpf_map_lookup_elem(&known, &key);
}

/* Identity of an address without exact entry: of the longest policy prefix, or world. 0 in a pod network. */
INLINE __u32 prefix_identity(const __u8* address, __u8 family) {
  const struct ipcache_value* prefix = ipcache_prefix(address, family);
  if (!prefix) return IDENTITY_WORLD;
  if (prefix->flags & IPCACHE_UNKNOWN) return IDENTITY_NONE;
  return prefix->identity;
}

INLINE bool is_own_node(const struct ipcache_value* entry) {
  return (entry->flags & IPCACHE_NODE) && entry->identity == IDENTITY_HOST;
}

#endif /* TRIVIUM_BPF_LIB_IPCACHE_H_ */
