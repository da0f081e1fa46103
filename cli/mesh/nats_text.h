// Parts of NATS servers' configurations. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trivium::cli {

// How a certificate's subject names the principal: what NATS maps to a user.
std::string NatsUser(const std::string& principal);

// One principal, with what it may say and hear: allow lists alone.
struct NatsUserSpec {
  std::string principal;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
};
std::string NatsUserLine(const NatsUserSpec& user);

std::string Quoted(const std::string& text);
std::string NatsList(const std::vector<std::string>& subjects);
// Every subject of the principal's own inbox.
std::string OwnInbox(const std::string& principal);

// A `tls` block: certificates under `folder` (absolute), those that connect checked against `authority`.
std::string NatsTls(const std::string& folder, const std::string& authority, const std::string& certificate,
                    absl::string_view extra);

}  // namespace trivium::cli
