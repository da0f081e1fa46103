#include "schema/compression.h"

#include <zstd.h>

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

constexpr int kZstdLevel = 1;

}  // namespace

absl::StatusOr<std::string> Compress(absl::string_view plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), kZstdLevel);
  if (ZSTD_isError(n)) return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(n)));
  out.resize(n);
  return out;
}

absl::StatusOr<std::string> Decompress(absl::string_view packed, size_t limit) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > limit) {
    return absl::DataLossError("not a zstd frame of an acceptable size");
  }
  std::string out(size, '\0');
  const size_t n = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(n) || n != size) return absl::DataLossError("broken zstd frame");
  return out;
}

}  // namespace trivium
