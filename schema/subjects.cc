#include "schema/subjects.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium {

bool IsSubjectToken(absl::string_view token) {
  if (token.empty() || token.size() > 128) return false;
  for (const char c : token) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != ':') return false;
  }
  return true;
}

std::string Principal::ToString() const { return absl::StrCat(cluster, ":", role, ":", name); }

absl::StatusOr<Principal> Principal::Parse(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  if (!IsSubjectToken(text) || parts.size() != 3 || parts[0].empty() || parts[1].empty() ||
      parts[2].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a principal: want <cluster>:<role>:<name>"));
  }
  return Principal{parts[0], parts[1], parts[2]};
}

namespace subjects {

std::string Feed(absl::string_view cluster) { return absl::StrCat("trivium.v1.feed.", cluster); }
std::string Api(absl::string_view cluster, absl::string_view principal, absl::string_view verb) {
  return absl::StrCat("trivium.v1.rpc.", cluster, ".", principal, ".api.", verb);
}
std::string EveryApi(absl::string_view cluster) {
  return absl::StrCat("trivium.v1.rpc.", cluster, ".*.api.*");
}
std::string Forward(absl::string_view cluster, absl::string_view principal, absl::string_view holder) {
  return absl::StrCat("trivium.v1.rpc.", cluster, ".", principal, ".forward.", holder);
}
std::string EveryForward(absl::string_view cluster, absl::string_view holder) {
  return absl::StrCat("trivium.v1.rpc.", cluster, ".*.forward.", holder);
}
std::string Sync(absl::string_view cluster, absl::string_view principal) {
  return absl::StrCat("trivium.v1.rpc.", cluster, ".", principal, ".sync");
}
std::string Chunk(absl::string_view builder, absl::string_view principal) {
  return absl::StrCat("trivium.v1.rpc._chunk.", builder, ".", principal);
}
std::string EveryChunk(absl::string_view builder) {
  return absl::StrCat("trivium.v1.rpc._chunk.", builder, ".*");
}
std::string AgentStatus(absl::string_view cluster, absl::string_view node) {
  return absl::StrCat("trivium.v1.agent.", cluster, ".", node, ".status");
}
std::string EveryAgentStatus(absl::string_view cluster) {
  return absl::StrCat("trivium.v1.agent.", cluster, ".*.status");
}
std::string Flows(absl::string_view cluster, absl::string_view node) {
  return absl::StrCat("trivium.v1.flow.", cluster, ".", node);
}
std::string EveryFlows(absl::string_view cluster) { return absl::StrCat("trivium.v1.flow.", cluster, ".*"); }
std::string InboxPrefix(absl::string_view principal) { return absl::StrCat("_INBOX.", principal); }

std::string Event(absl::string_view cluster, absl::string_view kind, absl::string_view ns,
                  absl::string_view op) {
  return absl::StrCat("trivium.v1.ev.", cluster, ".", kind, ".", ns, ".", op);
}
std::string EveryEvent(absl::string_view cluster) { return absl::StrCat("trivium.v1.ev.", cluster, ".>"); }
std::string EveryEventOf(absl::string_view cluster, absl::string_view kind) {
  return absl::StrCat("trivium.v1.ev.", cluster, ".", kind, ".>");
}

}  // namespace subjects

std::string EventToken(absl::string_view name) {
  if (name.empty()) return "_";
  std::string token;
  for (size_t i = 0; i < name.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(name[i]);
    if (absl::ascii_isalnum(c) || c == '-' || (c == '_' && i > 0)) {
      token.push_back(static_cast<char>(c));
    } else {
      absl::StrAppend(&token, "=", absl::Hex(c, absl::kZeroPad2));
    }
  }
  return token;
}
std::string EventType(absl::string_view kind, absl::string_view op) {
  return absl::StrCat("trivium.v1.", kind, ".", op);
}
std::string EventStreamName(absl::string_view cluster) { return absl::StrCat("TRIVIUM-EV-", cluster); }
std::string EventConsumerName(absl::string_view subscriber, absl::string_view kind) {
  return kind.empty() ? std::string(subscriber) : absl::StrCat(subscriber, ":", kind);
}

absl::StatusOr<RpcSubject> ParseRpcSubject(absl::string_view subject) {
  const std::vector<std::string> t = absl::StrSplit(subject, '.');
  RpcSubject rpc;
  if (t.size() >= 6 && t[0] == "trivium" && t[1] == "v1" && t[2] == "rpc") {
    if (t[3] == "_chunk" && t.size() == 6) {
      rpc.builder = t[4];
      rpc.principal = t[5];
      rpc.service = "chunk";
      return rpc;
    }
    if (t.size() == 6 && t[5] == "sync") {
      rpc.cluster = t[3];
      rpc.principal = t[4];
      rpc.service = "sync";
      return rpc;
    }
    if (t.size() == 7 && (t[5] == "api" || t[5] == "forward")) {
      rpc.cluster = t[3];
      rpc.principal = t[4];
      rpc.service = t[5];
      (t[5] == "api" ? rpc.verb : rpc.holder) = t[6];
      return rpc;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", subject, "\" is not a request subject"));
}

}  // namespace trivium
