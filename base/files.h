// The file system as an interface, for durable state that must survive crashes and be testable under them.
// Thread-safe as long as two callers do not touch one path; Sync may run beside anything.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

// A file open for appending. Closed by destruction.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
};

class Files {
 public:
  virtual ~Files() = default;
  // kNotFound if there is none.
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;
  // Replaces the whole file or nothing (temporary file, sync, rename, sync of the folder).
  virtual absl::Status WriteAtomically(const std::string& path, absl::string_view bytes) = 0;
  // The same without waiting for the medium: a reader finds the old or the new file, but after a crash of the
  // machine perhaps some torn part of it. Sync settles it.
  virtual absl::Status WriteUnsynced(const std::string& path, absl::string_view bytes) = 0;
  // Opens for appending; creates the file if there is none.
  virtual absl::StatusOr<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) = 0;
  // Returns once what was written to the file before is on the medium, and its name. kNotFound if there is
  // none. It may take long: see file_sync.h.
  virtual absl::Status Sync(const std::string& path) = 0;
  // Cuts the file to `size` bytes (a torn tail after a crash).
  virtual absl::Status Truncate(const std::string& path, uint64_t size) = 0;
  // OK if there was none.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Names (not paths) in a folder, sorted; empty if there is no folder.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& folder) = 0;
  virtual absl::Status MakeFolders(const std::string& folder) = 0;
};

Files* RealFiles();

}  // namespace trivium
