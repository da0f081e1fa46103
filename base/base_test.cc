#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/synchronization/notification.h"
#include "base/executor.h"
#include "base/exit_process.h"
#include "base/file_sync.h"
#include "base/files.h"
#include "base/id128.h"

namespace trivium {
namespace {

TEST(Id128, RoundTripsThroughItsTextAndBytes) {
  const Id128 id{0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  EXPECT_EQ(id.ToHex(), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(id.ToUuid(), "01234567-89ab-cdef-fedc-ba9876543210");
  EXPECT_EQ(*Id128::FromHex(id.ToHex()), id);
  EXPECT_EQ(*Id128::FromHex(id.ToUuid()), id);
  EXPECT_EQ(*Id128::FromBytes(id.ToBytes()), id);
}

TEST(Id128, RefusesWhatIsNotAnId) {
  EXPECT_FALSE(Id128::FromHex("").ok());
  EXPECT_FALSE(Id128::FromHex("0123456789abcdeffedcba987654321").ok());
  EXPECT_FALSE(Id128::FromHex("0123456789abcdeffedcba98765432100").ok());
  EXPECT_FALSE(Id128::FromHex("0123456789abcdeffedcba987654321g").ok());
  EXPECT_FALSE(Id128::FromBytes("short").ok());
}

TEST(LoopExecutor, RunsTasksInOrderAndTimersByDeadline) {
  LoopExecutor executor("test");
  std::string order;
  std::atomic<bool> last{false};
  executor.RunAndWait([&] {
    executor.PostAfter(absl::Milliseconds(20), [&] {
      order += "c";
      last = true;
      last.notify_one();
    });
    executor.PostAfter(absl::Milliseconds(1), [&] { order += "b"; });
    executor.Post([&] { order += "a"; });
  });
  last.wait(false);
  executor.RunAndWait([&] { EXPECT_EQ(order, "abc"); });
}

TEST(LoopExecutor, ACancelledTimerDoesNotRun) {
  LoopExecutor executor("test");
  bool ran = false;
  std::atomic<bool> last{false};
  executor.RunAndWait([&] {
    const Executor::TimerId id = executor.PostAfter(absl::ZeroDuration(), [&] { ran = true; });
    executor.Cancel(id);
    executor.PostAfter(absl::Milliseconds(2), [&] {
      last = true;
      last.notify_one();
    });
  });
  last.wait(false);
  EXPECT_FALSE(ran);
}

TEST(LoopExecutor, DestructionRunsWhatWasPosted) {
  int ran = 0;
  {
    LoopExecutor executor("test");
    for (int i = 0; i < 100; ++i) executor.Post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(Files, WritesWholeFilesAndAppends) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("trivium-base-" + std::to_string(getpid()));
  Files* files = RealFiles();
  ASSERT_TRUE(files->MakeFolders(folder).ok());
  EXPECT_EQ(files->Read(folder + "/none").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(files->WriteAtomically(folder + "/a", "one").ok());
  ASSERT_TRUE(files->WriteAtomically(folder + "/a", "two").ok());
  EXPECT_EQ(*files->Read(folder + "/a"), "two");
  {
    auto file = files->OpenAppend(folder + "/log");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append("12345").ok());
  }
  EXPECT_TRUE(files->Sync(folder + "/log").ok());
  EXPECT_EQ(files->Sync(folder + "/none").code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(files->Truncate(folder + "/log", 3).ok());
  EXPECT_EQ(*files->Read(folder + "/log"), "123");
  EXPECT_THAT(*files->List(folder), testing::ElementsAre("a", "log"));
  ASSERT_TRUE(files->Remove(folder + "/a").ok());
  ASSERT_TRUE(files->Remove(folder + "/a").ok());
  std::filesystem::remove_all(folder);
}

// Its Sync waits until it is let go; nothing else is asked of it.
class SlowDisk final : public Files {
 public:
  absl::StatusOr<std::string> Read(const std::string&) override { return absl::UnimplementedError(""); }
  absl::Status WriteAtomically(const std::string&, absl::string_view) override { return absl::OkStatus(); }
  absl::Status WriteUnsynced(const std::string&, absl::string_view) override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<AppendFile>> OpenAppend(const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::Status Sync(const std::string& path) override {
    let_go.WaitForNotification();
    return absl::DataLossError(path);
  }
  absl::Status Truncate(const std::string&, uint64_t) override { return absl::OkStatus(); }
  absl::Status Remove(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<std::string>> List(const std::string&) override {
    return std::vector<std::string>{};
  }
  absl::Status MakeFolders(const std::string&) override { return absl::OkStatus(); }

  absl::Notification let_go;
};

TEST(ThreadFileSync, HoldsNobodyAndFinishesWhatWasAskedFor) {
  SlowDisk disk;
  std::vector<std::string> done;
  LoopExecutor executor("test");
  {
    ThreadFileSync sync(&disk);
    executor.RunAndWait([&] {
      for (const char* path : {"a", "b"}) {
        sync.Sync(path, &executor, [&done](const absl::Status& s) { done.emplace_back(s.message()); });
      }
    });
    executor.RunAndWait([&] { EXPECT_TRUE(done.empty()); });
    disk.let_go.Notify();
  }
  executor.RunAndWait([&] { EXPECT_THAT(done, testing::ElementsAre("a", "b")); });
}

TEST(ExitProcess, FlushesAndRunsNoDestructors) {
  EXPECT_EXIT(
      {
        std::atexit([] { abort(); });
        std::clog << "said before the end";
        ExitProcess(3);
      },
      testing::ExitedWithCode(3), "said before the end");
}

}  // namespace
}  // namespace trivium
