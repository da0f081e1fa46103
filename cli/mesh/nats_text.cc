#include "cli/mesh/nats_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "schema/subjects.h"

namespace trivium::cli {

std::string NatsUser(const std::string& principal) { return absl::StrCat("trivium:", principal); }

std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

std::string NatsList(const std::vector<std::string>& subjects) {
  return absl::StrCat(
      "[", absl::StrJoin(subjects, ", ", [](std::string* out, const std::string& s) { *out += Quoted(s); }),
      "]");
}

std::string OwnInbox(const std::string& principal) {
  return absl::StrCat(subjects::InboxPrefix(principal), ".>");
}

std::string NatsUserLine(const NatsUserSpec& user) {
  return absl::StrCat("      {user: ", Quoted(NatsUser(user.principal)),
                      ", permissions: {\n        publish: {allow: ", NatsList(user.publish),
                      "}\n        subscribe: {allow: ", NatsList(user.subscribe), "}}}\n");
}

std::string NatsTls(const std::string& folder, const std::string& authority, const std::string& certificate,
                    absl::string_view extra) {
  return absl::StrCat("tls {\n    ca_file: ", Quoted(absl::StrCat(folder, "/", authority, ".crt")),
                      "\n    cert_file: ", Quoted(absl::StrCat(folder, "/nats/", certificate, ".crt")),
                      "\n    key_file: ", Quoted(absl::StrCat(folder, "/nats/", certificate, ".key")),
                      "\n    verify: true\n    timeout: 5\n", extra, "  }");
}

}  // namespace trivium::cli
