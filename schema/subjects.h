// Names on NATS. Every token is checked: letters, digits, '-', '_' and ':' only, so that a name can never
// widen a permission. Principals are "<cluster>:<role>:<name>", roles "cp", "node", "ctl", "ev".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

bool IsSubjectToken(absl::string_view token);

struct Principal {
  std::string cluster;
  std::string role;
  std::string name;
  std::string ToString() const;
  // kInvalidArgument unless it has exactly that form.
  static absl::StatusOr<Principal> Parse(absl::string_view text);
};

namespace subjects {

inline constexpr char kFeedAndHeads[] =
    "trivium.v1.feed.*";  // one subscription: heads must not overtake the feed
inline constexpr char kHeads[] = "trivium.v1.feed._head";
inline constexpr char kEverySync[] = "trivium.v1.rpc.*.*.sync";

std::string Feed(absl::string_view cluster);
std::string Api(absl::string_view cluster, absl::string_view principal, absl::string_view verb);
std::string EveryApi(absl::string_view cluster);  // for the control plane that serves it
// A request that one control plane of a cluster hands to another of them, the instance `holder`.
std::string Forward(absl::string_view cluster, absl::string_view principal, absl::string_view holder);
std::string EveryForward(absl::string_view cluster, absl::string_view holder);
std::string Sync(absl::string_view cluster, absl::string_view principal);
std::string Chunk(absl::string_view builder, absl::string_view principal);
std::string EveryChunk(absl::string_view builder);
std::string AgentStatus(absl::string_view cluster, absl::string_view node);
std::string EveryAgentStatus(absl::string_view cluster);
std::string Flows(absl::string_view cluster, absl::string_view node);  // FlowEvents
std::string EveryFlows(absl::string_view cluster);
std::string InboxPrefix(absl::string_view principal);  // "_INBOX.<principal>"

}  // namespace subjects

// A request's subject taken apart: who asks what of whom. kInvalidArgument if it is none of ours.
struct RpcSubject {
  std::string cluster;  // api, forward, sync
  std::string builder;  // chunk
  std::string principal;
  std::string service;  // "api", "forward", "sync" or "chunk"
  std::string verb;     // api
  std::string holder;   // forward
};
absl::StatusOr<RpcSubject> ParseRpcSubject(absl::string_view subject);

}  // namespace trivium
