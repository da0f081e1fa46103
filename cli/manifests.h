// What -f names: files, folders, standard input; read, checked and cut into requests.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/parse.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

struct ManifestFile {
  std::string name;  // for messages
  std::string text;
};

// `paths` in the order given; a folder stands for its *.yaml, *.yml and *.json files in order of name, with
// `recursive` those below it too; "-" is `standard_input`, once at most. A folder without any is an error.
absl::StatusOr<std::vector<ManifestFile>> ReadManifests(const std::vector<std::string>& paths, bool recursive,
                                                        std::istream& standard_input);

// Parses every file; the first fault refuses all, so that nothing is sent before everything is understood.
// `context` says cluster and default namespace; its file is ignored.
absl::StatusOr<std::vector<policy::Parsed>> ParseAll(absl::Span<const ManifestFile> files,
                                                     const policy::ParseContext& context);

// A request is atomic and may hold no more than one batch does; what is larger is sent in pieces. These are
// our own bounds, well below the server's (1,000 changes, 256 KiB encoded).
inline constexpr size_t kMaxPieceObjects = 200;
inline constexpr size_t kMaxPieceBytes = 128 * 1024;

// Everything in one piece if it fits; else in several, in order, each document whole.
absl::StatusOr<std::vector<v1::ApplyRequest>> CutIntoRequests(absl::Span<const ManifestFile> files,
                                                              const policy::ParseContext& context);

}  // namespace trivium::cli
