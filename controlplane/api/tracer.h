// Answers "may this talk to that, and why?" from the mirrors: finds out who the two ends are, and asks the
// policy library, egress of the source and ingress of the destination. Says what the policies mean at the
// revisions it names; what a node enforces of them, its reports say. Belongs to one executor; not
// thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/status/agent_table.h"
#include "controlplane/sync/mirrors.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Tracer {
 public:
  // `own` is the cluster that is asked, `agents` are its. No pointer is owned.
  Tracer(Mirrors* mirrors, const ClusterMirror* own, const AgentTable* agents)
      : mirrors_(mirrors), own_(own), agents_(agents) {}

  // kNotFound, kInvalidArgument: an end that does not exist or makes no sense, named "from" or "to".
  absl::StatusOr<v1::TraceResult> Trace(const v1::TraceRequest& request);

 private:
  // One end, as found. Without identity and prefix: a pod's address that nobody has.
  struct End {
    std::string text;     // for people
    std::string cluster;  // of a pod or a node
    uint32_t node = 0;    // its number
    bool is_pod = false;  // its policies judge
    bool is_node = false;
    std::shared_ptr<const v1::Identity> identity;
    std::optional<v1::Cidr> prefix;
  };

  absl::StatusOr<End> Find(const v1::TraceEnd& end);
  absl::StatusOr<End> FindPod(const v1::TraceEnd::Pod& pod);
  absl::StatusOr<End> FindLabels(const v1::TraceEnd::Labels& labels);
  absl::StatusOr<End> FindAddress(const std::string& ip);
  absl::StatusOr<const ClusterMirror*> ClusterOf(const std::string& name);
  absl::StatusOr<End> PodEnd(const ClusterMirror& mirror, const v1::Endpoint& endpoint);
  // A node that is the other end's own is its host.
  static void TellHost(End* end, const End& other);

  v1::TraceDirection Judge(const End& subject, const End& peer, v1::Rule::Direction direction,
                           v1::Protocol protocol, uint16_t port);
  void NoteAudit(const End& subject, v1::TraceDirection* out) const;

  Mirrors* const mirrors_;
  const ClusterMirror* const own_;
  const AgentTable* const agents_;
  std::set<std::string> rests_on_;  // clusters that were looked at
};

}  // namespace trivium
