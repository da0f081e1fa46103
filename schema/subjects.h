// Names on NATS. Every token is checked: letters, digits, '-', '_' and ':' only, so that a name can never
// widen a permission. Principals are "<cluster>:<role>:<name>", roles "cp", "node", "ctl", and on the
// servers of events "relay" and "sub" (docs/events.md).
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

// Events for third parties, one object each. `ns` and `op` are tokens: see EventToken.
std::string Event(absl::string_view cluster, absl::string_view kind, absl::string_view ns,
                  absl::string_view op);
std::string EveryEvent(absl::string_view cluster);
std::string EveryEventOf(absl::string_view cluster, absl::string_view kind);

}  // namespace subjects

// ---- Events for third parties ----

// The kind of the events about the log itself: where it begins, a new epoch, what was lost.
inline constexpr char kLogEvents[] = "_log";

// A name as one token of a subject: what is no letter, digit, '-' or '_' is written as '=' and two hex
// digits, and so is a leading '_'. An empty name is "_": objects that belong to no namespace.
std::string EventToken(absl::string_view name);
// The type of a CloudEvent: "trivium.v1.policy.upsert".
std::string EventType(absl::string_view kind, absl::string_view op);
// The stream that holds a cluster's events: "TRIVIUM-EV-<cluster>".
std::string EventStreamName(absl::string_view cluster);
// The durable consumer that a subscriber reads: of every kind ("audit"), or of one ("audit:policy"; a name
// holds no ':', so that no two are the same).
std::string EventConsumerName(absl::string_view subscriber, absl::string_view kind = "");

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
