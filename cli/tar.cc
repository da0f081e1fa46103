#include "cli/tar.h"

#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace trivium::cli {
namespace {

constexpr size_t kBlock = 512;

struct Header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
      version[2], owner[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
static_assert(sizeof(Header) == kBlock);

template <size_t kSize>
void Octal(uint64_t value, char (&field)[kSize]) {
  std::snprintf(field, kSize, "%0*llo", static_cast<int>(kSize - 1), static_cast<unsigned long long>(value));
}

}  // namespace

absl::StatusOr<std::string> MakeTar(const std::map<std::string, std::string>& files, absl::Time time) {
  std::string out;
  for (const auto& [path, content] : files) {
    Header header = {};
    if (path.empty() || path.size() > sizeof(header.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", path, "' is no path for an archive: 1 to 100 bytes"));
    }
    std::memcpy(header.name, path.data(), path.size());
    Octal(0600, header.mode);
    Octal(0, header.uid);
    Octal(0, header.gid);
    Octal(content.size(), header.size);
    Octal(static_cast<uint64_t>(absl::ToUnixSeconds(time)), header.mtime);
    header.type = '0';
    std::memcpy(header.magic, "ustar", 6);
    std::memcpy(header.version, "00", 2);
    std::memset(header.checksum, ' ', sizeof(header.checksum));
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += reinterpret_cast<const unsigned char*>(&header)[i];
    std::snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
    out.append(reinterpret_cast<const char*>(&header), kBlock);
    out.append(content);
    out.append((kBlock - content.size() % kBlock) % kBlock, '\0');
  }
  out.append(2 * kBlock, '\0');
  return out;
}

}  // namespace trivium::cli
