// Whole command lines against a bus that answers as a control plane would: what the tests of commands share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "trivium/v1/monitor.pb.h"

namespace trivium::cli {

using Answer = std::function<absl::StatusOr<v1::Reply>(const v1::Request&)>;

// Keeps every request, answers each with the next of `answers` (the last one again and again).
class ScriptedBus final : public Bus {
 public:
  std::deque<Answer> answers;
  std::vector<std::string> subjects;
  std::vector<v1::Request> requests;

  absl::Status Publish(absl::string_view, absl::string_view) override { return absl::OkStatus(); }
  std::vector<std::string> stream;  // what every subscription hears: payloads, or "subject payload" of a feed
  absl::Status Subscribe(const std::string& subject, const std::string&, Executor* executor,
                         Handler handler) override {
    subjects.push_back(subject);
    for (const std::string& text : stream) {
      const size_t blank = text.rfind("trivium.v1.feed.", 0) == 0 ? text.find(' ') : std::string::npos;
      const bool named = blank != std::string::npos;
      const Message message{named ? text.substr(0, blank) : subject, "",
                            named ? text.substr(blank + 1) : text};
      executor->Post([=] { handler(message); });
    }
    return absl::OkStatus();
  }
  void Request(const std::string& subject, std::string payload, absl::Duration, Executor* executor,
               ReplyHandler on_reply) override {
    v1::Request request;
    ASSERT_TRUE(request.ParseFromString(payload));
    subjects.push_back(subject);
    requests.push_back(request);
    absl::StatusOr<v1::Reply> reply = answers.front()(request);
    if (answers.size() > 1) answers.pop_front();
    executor->Post([reply = std::move(reply), on_reply = std::move(on_reply)]() mutable {
      if (reply.ok()) {
        on_reply(reply->SerializeAsString());
      } else {
        on_reply(reply.status());
      }
    });
  }
  int not_yet_connected = 0;  // so many flushes fail
  absl::Status Flush(absl::Duration) override {
    return not_yet_connected-- > 0 ? absl::UnavailableError("not connected") : absl::OkStatus();
  }
  void FlushAsync(absl::Duration, Executor*, absl::AnyInvocable<void(absl::Status)>) override {}
  void WatchState(Executor*, std::function<void(State)>) override {}
  void Rebuild() override {}
};

class ScriptedConnection final : public Connection {
 public:
  ScriptedConnection(Bus* bus, Executor* executor, const Context& context)
      : client_(bus, executor, RealClock(), RealRandom(), context.cluster, context.principal) {}
  Client& client() override { return client_; }

 private:
  Client client_;
};

inline Answer Says(v1::Reply reply) {
  return [reply](const v1::Request&) { return reply; };
}
inline Answer Fails(absl::Status status) {
  return [status](const v1::Request&) { return status; };
}
inline Answer Refuses(absl::StatusCode code, const std::string& message) {
  v1::Reply reply;
  reply.set_code(static_cast<uint32_t>(code));
  reply.set_message(message);
  return Says(reply);
}

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() : executor_("test") {
    folder_ = std::filesystem::temp_directory_path() / ("trivium-cli-test-" + RealRandom()->NewId().ToHex());
    std::filesystem::create_directories(folder_ / "sub");
    Write("triviumctl.yaml",
          "current_context: aws\n"
          "contexts:\n"
          "- {name: aws, cluster: aws-euw2, principal: 'aws-euw2:ctl:admin', nats: {servers: [t], ca: c, "
          "cert: d, "
          "key: e}}\n"
          "- {name: gcp, cluster: gcp-euw2, principal: 'gcp-euw2:ctl:admin', nats: {servers: [t], ca: c, "
          "cert: d, "
          "key: e}}\n");
  }
  ~CommandsTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  // The exit status of `triviumctl words...`.
  int Run(std::vector<std::string> words, const std::string& input = "") {
    out_.str("");
    err_.str("");
    in_.str(input);
    in_.clear();
    Session session;
    session.connect = [this](const Context& context) -> absl::StatusOr<std::unique_ptr<Connection>> {
      return std::unique_ptr<Connection>(new ScriptedConnection(&bus_, &executor_, context));
    };
    session.clock = RealClock();
    session.in = &in_;
    session.out = &out_;
    session.err = &err_;
    session.interactive = interactive_;
    CLI::App app("test", "triviumctl");
    AddCommands(&app, &session);
    words.insert(words.end(), {"--config", (folder_ / "triviumctl.yaml").string()});
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    try {
      app.parse(reversed);
    } catch (const CLI::ParseError& e) {
      return UsageExit(app, e, words, session);
    }
    const absl::StatusOr<int> exit = session.run();
    if (exit.ok()) return *exit;
    err_ << ErrorText(exit.status(), session);
    return ExitCodeFor(exit.status());
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  LoopExecutor executor_;
  ScriptedBus bus_;
  std::filesystem::path folder_;
  bool interactive_ = true;
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace trivium::cli
