#include "schema/compression.h"

#include <zstd.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

constexpr int kZstdLevel = 1;

// A context's tables are larger than most messages: made once a thread.
ZSTD_CCtx* Compressor() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* Decompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  return context.get();
}

}  // namespace

absl::StatusOr<std::string> Compress(absl::string_view plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  const size_t n =
      ZSTD_compressCCtx(Compressor(), out.data(), out.size(), plain.data(), plain.size(), kZstdLevel);
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
  const size_t n = ZSTD_decompressDCtx(Decompressor(), out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(n) || n != size) return absl::DataLossError("broken zstd frame");
  return out;
}

}  // namespace trivium
