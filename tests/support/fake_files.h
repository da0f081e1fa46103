// Files in memory, which outlive the process under test: it may die, lose its medium, or find it full. One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"

namespace trivium {

class FakeFiles final : public Files {
 public:
  // From now on every write fails like this, without effect. OK: no more.
  void SetFault(absl::Status status) { *fault_ = std::move(status); }
  std::map<std::string, std::string>& contents() { return *contents_; }
  size_t writes() const { return writes_; }

  absl::StatusOr<std::string> Read(const std::string& path) override {
    const auto it = contents_->find(path);
    if (it == contents_->end()) return absl::NotFoundError(path);
    return it->second;
  }
  absl::Status WriteAtomically(const std::string& path, absl::string_view bytes) override {
    if (!fault_->ok()) return *fault_;
    ++writes_;
    (*contents_)[path] = std::string(bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    if (!fault_->ok()) return *fault_;
    contents_->try_emplace(path);
    return std::make_unique<File>(contents_, fault_, path);
  }
  absl::Status Truncate(const std::string& path, uint64_t size) override {
    if (!fault_->ok()) return *fault_;
    (*contents_)[path].resize(size);
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& path) override {
    if (!fault_->ok()) return *fault_;
    contents_->erase(path);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : *contents_) {
      if (absl::StartsWith(path, folder + "/")) names.push_back(path.substr(folder.size() + 1));
    }
    return names;
  }
  absl::Status MakeFolders(const std::string&) override { return *fault_; }

 private:
  using Contents = std::shared_ptr<std::map<std::string, std::string>>;
  class File final : public AppendFile {
   public:
    File(Contents contents, std::shared_ptr<absl::Status> fault, std::string path)
        : contents_(std::move(contents)), fault_(std::move(fault)), path_(std::move(path)) {}
    absl::Status Append(absl::string_view bytes) override {
      if (!fault_->ok()) return *fault_;
      (*contents_)[path_].append(bytes.data(), bytes.size());
      return absl::OkStatus();
    }
    absl::Status Sync() override { return *fault_; }

   private:
    const Contents contents_;
    const std::shared_ptr<absl::Status> fault_;
    const std::string path_;
  };

  Contents contents_ = std::make_shared<std::map<std::string, std::string>>();
  std::shared_ptr<absl::Status> fault_ = std::make_shared<absl::Status>();
  size_t writes_ = 0;
};

}  // namespace trivium
