#include "bench/kernel_map.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium::bench {
namespace {

int64_t Bpf(int command, bpf_attr* attributes) {
  return ::syscall(__NR_bpf, command, attributes, sizeof(*attributes));
}

uint64_t Address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<KernelMap> KernelMap::OpenPinned(const std::string& path) {
  bpf_attr attributes = {};
  attributes.pathname = Address(path.c_str());
  const int64_t fd = Bpf(BPF_OBJ_GET, &attributes);
  if (fd < 0) return Failed(absl::StrCat("cannot open the pinned map ", path));
  return KernelMap(static_cast<int>(fd));
}

absl::StatusOr<KernelMap> KernelMap::CreateHash(uint32_t key_size, uint32_t value_size, uint32_t capacity) {
  bpf_attr attributes = {};
  attributes.map_type = BPF_MAP_TYPE_HASH;
  attributes.key_size = key_size;
  attributes.value_size = value_size;
  attributes.max_entries = capacity;
  attributes.map_flags = BPF_F_NO_PREALLOC;
  const int64_t fd = Bpf(BPF_MAP_CREATE, &attributes);
  if (fd < 0) return Failed("cannot make a map");
  return KernelMap(static_cast<int>(fd));
}

KernelMap::KernelMap(KernelMap&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

KernelMap::~KernelMap() {
  if (fd_ >= 0) ::close(fd_);
}

bool KernelMap::Lookup(const void* key, void* value) const {
  bpf_attr attributes = {};
  attributes.map_fd = static_cast<uint32_t>(fd_);
  attributes.key = Address(key);
  attributes.value = Address(value);
  return Bpf(BPF_MAP_LOOKUP_ELEM, &attributes) == 0;
}

absl::Status KernelMap::Update(const void* key, const void* value) {
  bpf_attr attributes = {};
  attributes.map_fd = static_cast<uint32_t>(fd_);
  attributes.key = Address(key);
  attributes.value = Address(value);
  attributes.flags = BPF_ANY;
  return Bpf(BPF_MAP_UPDATE_ELEM, &attributes) == 0 ? absl::OkStatus() : Failed("cannot write to a map");
}

}  // namespace trivium::bench
