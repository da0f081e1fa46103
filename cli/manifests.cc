#include "cli/manifests.h"

#include <algorithm>
#include <filesystem>
#include <istream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

namespace fs = std::filesystem;

bool IsManifestName(const std::string& name) {
  return absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") || absl::EndsWith(name, ".json");
}

absl::StatusOr<std::vector<std::string>> FilesIn(const std::string& folder, bool recursive) {
  std::vector<std::string> found;
  std::vector<fs::path> folders = {folder};
  while (!folders.empty()) {
    const fs::path at = std::move(folders.back());
    folders.pop_back();
    std::error_code error;
    fs::directory_iterator entries(at, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const fs::path& path = entries->path();
      if (fs::is_directory(path)) {
        if (recursive) folders.push_back(path);
      } else if (IsManifestName(path.filename().string())) {
        found.push_back(path.string());
      }
    }
    if (error) return absl::NotFoundError(absl::StrCat(at.string(), ": ", error.message()));
  }
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat(folder, ": no *.yaml, *.yml or *.json file in this folder",
                                            recursive ? "" : " (-R looks below it too)"));
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

absl::StatusOr<std::vector<ManifestFile>> ReadManifests(const std::vector<std::string>& paths, bool recursive,
                                                        std::istream& standard_input) {
  std::vector<ManifestFile> files;
  bool read_input = false;
  for (const std::string& path : paths) {
    if (path == "-") {
      if (std::exchange(read_input, true)) return absl::InvalidArgumentError("-f - is given twice");
      files.push_back({"<stdin>", std::string(std::istreambuf_iterator<char>(standard_input), {})});
      continue;
    }
    std::vector<std::string> names = {path};
    if (fs::is_directory(path)) {
      TRIVIUM_ASSIGN_OR_RETURN(names, FilesIn(path, recursive));
    }
    for (const std::string& name : names) {
      TRIVIUM_ASSIGN_OR_RETURN(std::string text, RealFiles()->Read(name));
      files.push_back({name, std::move(text)});
    }
  }
  return files;
}

absl::StatusOr<std::vector<policy::Parsed>> ParseAll(absl::Span<const ManifestFile> files,
                                                     const policy::ParseContext& context) {
  std::vector<policy::Parsed> all;
  for (const ManifestFile& file : files) {
    policy::ParseContext in_file = context;
    in_file.file = file.name;
    TRIVIUM_ASSIGN_OR_RETURN(std::vector<policy::Parsed> parsed, policy::ParseManifests(file.text, in_file));
    std::move(parsed.begin(), parsed.end(), std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<std::vector<v1::ApplyRequest>> CutIntoRequests(absl::Span<const ManifestFile> files,
                                                              const policy::ParseContext& context) {
  std::vector<v1::ApplyRequest> requests(1);
  size_t objects = 0;
  size_t bytes = 0;
  auto next_if_full = [&](size_t more_objects, size_t more_bytes) {
    if (objects > 0 && (objects + more_objects > kMaxPieceObjects || bytes + more_bytes > kMaxPieceBytes)) {
      requests.emplace_back();
      objects = bytes = 0;
    }
    objects += more_objects;
    bytes += more_bytes;
  };
  auto add = [&](const std::string& name, const std::string& text) {
    v1::Manifest* manifest = requests.back().add_manifests();
    manifest->set_file(name);
    manifest->set_text(text);
  };

  for (const ManifestFile& file : files) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<policy::Parsed> parsed, ParseAll({&file, 1}, context));
    if (parsed.size() <= kMaxPieceObjects && file.text.size() <= kMaxPieceBytes) {
      next_if_full(parsed.size(), file.text.size());
      add(file.name, file.text);
      continue;
    }
    for (const policy::Parsed& document : parsed) {
      next_if_full(1, document.text.size());
      add(absl::StrCat(file.name, " (document at line ", document.line, ")"), document.text);
    }
  }
  for (v1::ApplyRequest& request : requests) request.set_default_namespace(context.default_namespace);
  return requests;
}

}  // namespace trivium::cli
