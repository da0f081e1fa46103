// nats.c with nothing around it: what a publish costs before any product touches it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trivium::bench {

struct BareNatsOptions {
  std::vector<std::string> servers;
  std::string ca;
  std::string cert;
  std::string key;
  std::string principal;
  // False: what is published waits up to a millisecond for company, which costs far less where much is sent.
  bool send_asap = true;
};

// One connection. Thread-safe; handlers run on nats.c's own threads.
class BareNats {
 public:
  static absl::StatusOr<std::unique_ptr<BareNats>> Connect(const BareNatsOptions& options);
  ~BareNats();

  // `reply_to` may be empty.
  absl::Status Publish(const std::string& subject, absl::string_view payload,
                       const std::string& reply_to = "");
  absl::Status Subscribe(const std::string& subject, std::function<void(absl::string_view)> handler);
  // The handler gets the message's subject, too.
  using SubjectHandler = std::function<void(absl::string_view subject, absl::string_view payload)>;
  absl::Status SubscribeSubjects(const std::string& subject, SubjectHandler handler);
  absl::Status Flush(absl::Duration timeout);
  absl::StatusOr<std::string> Request(const std::string& subject, absl::string_view payload,
                                      absl::Duration timeout);

 private:
  BareNats();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace trivium::bench
