// Names on NATS: subjects, patterns, principals. A name that is taken comes out as it went in, and never
// reaches more than its own subject.
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bus/subject.h"
#include "schema/subjects.h"
#include "tests/fuzz/fuzz.h"

using namespace trivium;

namespace {

// The rule once more, by recursion over the tokens.
bool Matches(const std::vector<std::string>& pattern, size_t p, const std::vector<std::string>& subject,
             size_t s) {
  if (p == pattern.size()) return s == subject.size();
  if (s == subject.size()) return false;
  if (pattern[p] == ">") return true;
  return (pattern[p] == "*" || pattern[p] == subject[s]) && Matches(pattern, p + 1, subject, s + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  const std::vector<std::string> parts = absl::StrSplit(text, '\n');
  const std::string& first = parts[0];

  if (IsSubjectToken(first)) {
    fuzz::Require(IsLiteralSubject(first) && !absl::StrContains(first, '.'), "a token is no token: " + first);
    fuzz::Require(!SubjectMatches(subjects::EveryApi("c1"), subjects::Feed(first)),
                  "a feed is a request: " + first);
  }
  const absl::StatusOr<Principal> principal = Principal::Parse(first);
  if (principal.ok()) {
    fuzz::Require(principal->ToString() == first && IsSubjectToken(first), "another principal: " + first);
    const std::string inbox = subjects::InboxPrefix(first) + ".>";
    fuzz::Require(IsSubjectPattern(inbox), "no inbox: " + first);
    fuzz::Require(!SubjectMatches(inbox, "_INBOX.c1:node:other.x") || first == "c1:node:other",
                  "another's inbox");
  }
  const absl::StatusOr<RpcSubject> rpc = ParseRpcSubject(first);
  if (rpc.ok()) {
    std::string again;
    if (rpc->service == "api") again = subjects::Api(rpc->cluster, rpc->principal, rpc->verb);
    if (rpc->service == "sync") again = subjects::Sync(rpc->cluster, rpc->principal);
    if (rpc->service == "chunk") again = subjects::Chunk(rpc->builder, rpc->principal);
    if (rpc->service == "forward") again = subjects::Forward(rpc->cluster, rpc->principal, rpc->holder);
    fuzz::Require(again == first, "another request: " + first + " / " + again);
  }
  if (parts.size() > 1) {
    const std::string& second = parts[1];
    if (!IsSubjectPattern(first) || !IsLiteralSubject(second)) return 0;
    const bool want = Matches(absl::StrSplit(first, '.'), 0, absl::StrSplit(second, '.'), 0);
    fuzz::Require(SubjectMatches(first, second) == want, "matched otherwise: " + first + " / " + second);
  }
  return 0;
}
