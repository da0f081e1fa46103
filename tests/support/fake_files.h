// Files in memory, which outlive the process under test: it may die, lose its medium, or find it full; the
// machine may lose power. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_sync.h"
#include "base/files.h"
#include "base/random.h"

namespace trivium {

class FakeFiles final : public Files {
 public:
  using Contents = std::map<std::string, std::string>;
  // Asked before each write of `bytes` bytes (0: nothing but names). An error is what the caller gets; of an
  // append, the first `*torn` bytes are there all the same.
  using Gate = std::function<absl::Status(const std::string& path, size_t bytes, size_t* torn)>;

  // From now on every write fails like this, without effect. OK: no more.
  void SetFault(absl::Status status) { state_->fault = std::move(status); }
  void SetGate(Gate gate) { state_->gate = std::move(gate); }
  Contents& contents() { return state_->seen; }
  size_t writes() const { return writes_; }

  // What was never synced is lost, in part or whole: of bytes appended some prefix stays, of removals and
  // cuts each has happened or not.
  void LosePower(Random* random) {
    Contents& medium = state_->medium;
    std::set<std::string> paths;
    for (const Contents* each : {&state_->seen, &medium}) {
      for (const auto& [path, bytes] : *each) paths.insert(path);
    }
    for (const std::string& path : paths) {
      const auto seen = state_->seen.find(path);
      const auto kept = medium.find(path);
      if (seen == state_->seen.end()) {
        if (random->Below(2) == 0) medium.erase(path);
      } else if (kept == medium.end() || absl::StartsWith(seen->second, kept->second)) {
        const size_t from = kept == medium.end() ? 0 : kept->second.size();
        const size_t more = random->Below(seen->second.size() - from + 1);
        if (from + more > 0 || random->Below(2) == 0) medium[path] = seen->second.substr(0, from + more);
      } else if (random->Below(2) == 0) {
        kept->second = seen->second;
      }
    }
    state_->seen = medium;
  }

  absl::StatusOr<std::string> Read(const std::string& path) override {
    const auto it = state_->seen.find(path);
    if (it == state_->seen.end()) return absl::NotFoundError(path);
    return it->second;
  }
  absl::Status WriteAtomically(const std::string& path, absl::string_view bytes) override {
    if (absl::Status status = state_->May(path, bytes.size()); !status.ok()) return status;
    ++writes_;
    state_->seen[path] = state_->medium[path] = std::string(bytes);
    return absl::OkStatus();
  }
  absl::Status WriteUnsynced(const std::string& path, absl::string_view bytes) override {
    if (absl::Status status = state_->May(path, bytes.size()); !status.ok()) return status;
    ++writes_;
    state_->seen[path] = std::string(bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    if (absl::Status status = state_->May(path, 0); !status.ok()) return status;
    state_->seen.try_emplace(path);
    return std::make_unique<File>(state_, path);
  }
  absl::Status Sync(const std::string& path) override {
    if (absl::Status status = state_->May(path, 0); !status.ok()) return status;
    const auto it = state_->seen.find(path);
    if (it == state_->seen.end()) return absl::NotFoundError(path);
    state_->medium[path] = it->second;
    return absl::OkStatus();
  }
  absl::Status Truncate(const std::string& path, uint64_t size) override {
    if (absl::Status status = state_->May(path, 0); !status.ok()) return status;
    state_->seen[path].resize(size);
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& path) override {
    if (absl::Status status = state_->May(path, 0); !status.ok()) return status;
    state_->seen.erase(path);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : state_->seen) {
      if (absl::StartsWith(path, folder + "/")) names.push_back(path.substr(folder.size() + 1));
    }
    return names;
  }
  absl::Status MakeFolders(const std::string&) override { return state_->fault; }

 private:
  struct State {
    Contents seen;    // what readers find
    Contents medium;  // what a loss of power leaves
    absl::Status fault;
    Gate gate;

    absl::Status May(const std::string& path, size_t bytes, size_t* torn = nullptr) const {
      if (!fault.ok() || gate == nullptr) return fault;
      size_t ignored = 0;
      return gate(path, bytes, torn == nullptr ? &ignored : torn);
    }
  };
  class File final : public AppendFile {
   public:
    File(std::shared_ptr<State> state, std::string path) : state_(std::move(state)), path_(std::move(path)) {}
    absl::Status Append(absl::string_view bytes) override {
      size_t torn = 0;
      if (absl::Status status = state_->May(path_, bytes.size(), &torn); !status.ok()) {
        state_->seen[path_].append(bytes.data(), std::min(torn, bytes.size()));
        return status;
      }
      state_->seen[path_].append(bytes.data(), bytes.size());
      return absl::OkStatus();
    }

   private:
    const std::shared_ptr<State> state_;
    const std::string path_;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
  size_t writes_ = 0;
};

// Syncs such files in a task of the executor that asks.
class FakeFileSync final : public FileSync {
 public:
  explicit FakeFileSync(Files* files) : files_(files) {}
  void Sync(const std::string& path, Executor* executor, Done done) override {
    executor->Post([files = files_, path, done = std::move(done)]() mutable { done(files->Sync(path)); });
  }

 private:
  Files* const files_;
};

}  // namespace trivium
