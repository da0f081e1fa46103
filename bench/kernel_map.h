// A kernel map by bare system calls: for measurements that must stand beside the product, not on it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium::bench {

class KernelMap {
 public:
  static absl::StatusOr<KernelMap> OpenPinned(const std::string& path);
  // A hash map of our own that nobody else sees; gone with the object.
  static absl::StatusOr<KernelMap> CreateHash(uint32_t key_size, uint32_t value_size, uint32_t capacity);
  KernelMap(KernelMap&& other) noexcept;
  KernelMap& operator=(KernelMap&&) = delete;
  ~KernelMap();

  // `value` points to a value's size of bytes; false if there is no such key.
  bool Lookup(const void* key, void* value) const;
  absl::Status Update(const void* key, const void* value);

 private:
  explicit KernelMap(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace trivium::bench
