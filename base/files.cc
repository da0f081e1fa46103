#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {
namespace {

absl::Status Errno(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return Errno("write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  Fd fd(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) return Errno("sync folder", folder);
  return absl::OkStatus();
}

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  absl::Status Append(absl::string_view bytes) override { return WriteAll(fd_.get(), bytes, path_); }

 private:
  Fd fd_;
  std::string path_;
};

class PosixFiles final : public Files {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) override {
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return Errno("open", path);
    std::string bytes;
    char buffer[65536];
    while (true) {
      const ssize_t n = read(fd.get(), buffer, sizeof buffer);
      if (n == 0) return bytes;
      if (n < 0) {
        if (errno == EINTR) continue;
        return Errno("read", path);
      }
      bytes.append(buffer, static_cast<size_t>(n));
    }
  }

  absl::Status WriteAtomically(const std::string& path, absl::string_view bytes) override {
    TRIVIUM_RETURN_IF_ERROR(Replace(path, bytes, true));
    return SyncFolderOf(path);
  }

  absl::Status WriteUnsynced(const std::string& path, absl::string_view bytes) override {
    return Replace(path, bytes, false);
  }

  absl::StatusOr<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return Errno("open", path);
    return std::make_unique<PosixAppendFile>(fd, path);
  }

  absl::Status Sync(const std::string& path) override {
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return Errno("open", path);
    if (fdatasync(fd.get()) != 0) return Errno("sync", path);
    return SyncFolderOf(path);
  }

  absl::Status Truncate(const std::string& path, uint64_t size) override {
    if (truncate(path.c_str(), static_cast<off_t>(size)) != 0) return Errno("truncate", path);
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return Errno("remove", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override {
    std::vector<std::string> names;
    DIR* dir = opendir(folder.c_str());
    if (dir == nullptr) {
      if (errno == ENOENT) return names;
      return Errno("list", folder);
    }
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status MakeFolders(const std::string& folder) override {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("make folder ", folder));
    return absl::OkStatus();
  }

 private:
  static absl::Status Replace(const std::string& path, absl::string_view bytes, bool sync) {
    const std::string temporary = path + ".new";
    {
      Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      if (fd.get() < 0) return Errno("create", temporary);
      TRIVIUM_RETURN_IF_ERROR(WriteAll(fd.get(), bytes, temporary));
      if (sync && fsync(fd.get()) != 0) return Errno("sync", temporary);
    }
    return rename(temporary.c_str(), path.c_str()) == 0 ? absl::OkStatus() : Errno("rename to", path);
  }
};

}  // namespace

Files* RealFiles() {
  static PosixFiles files;
  return &files;
}

}  // namespace trivium
