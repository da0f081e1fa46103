// Who may talk to whom, as rows for people (migrations/common/0012_reachability.sql). Value types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trivium {

// How far in one cluster's history.
struct ClusterPosition {
  std::string cluster;
  uint64_t epoch = 0;
  uint64_t revision = 0;
  friend bool operator==(const ClusterPosition&, const ClusterPosition&) = default;
};

// Whose rows there are.
struct ReachabilityState {
  uint64_t writes = 0;                     // so far: what the next write must follow
  bool complete = false;                   // all rows are there, as of `positions`
  std::vector<ClusterPosition> positions;  // of the last writer, its own cluster's first
  uint64_t rows = 0;
  std::string problem;  // why they are not complete, if that lasts
  std::string writer;   // an instance
};

// The bits of ReachabilityRow::protocols.
inline constexpr uint32_t kTcpBit = 1, kUdpBit = 2, kSctpBit = 4, kIcmpBit = 8, kIcmpv6Bit = 16,
                          kOtherProtocolsBit = 32, kEveryProtocol = 63;

// What one identity of the cluster and one peer may do in one direction of the identity's, by its cluster's
// policies. The ports of ICMP and ICMPv6 are types; a row for every port says 0 to 65535 of any protocol.
struct ReachabilityRow {
  uint32_t identity = 0;
  uint32_t peer = 0;   // an identity; 0: `prefix`
  std::string prefix;  // as text
  uint32_t peer_home = 0;
  uint32_t peer_cluster_id = 0;  // with peer_home, whose identity; 0 for what is nobody's
  bool ingress = false;
  uint32_t protocols = 0;
  uint32_t first_port = 0;
  uint32_t last_port = 0;
  bool allowed = false;
  std::string policy;  // the deciding rule's, "kind/namespace/name"; empty: built in, or no rule
  std::string origin;  // which rule of it; empty: none decides
  friend bool operator==(const ReachabilityRow&, const ReachabilityRow&) = default;
};

// A policy that selects an identity of its cluster.
struct SelectionRow {
  uint32_t identity = 0;
  std::string kind;
  std::string ns;
  std::string name;
  bool closes_ingress = false;
  bool closes_egress = false;
  friend bool operator==(const SelectionRow&, const SelectionRow&) = default;
};

// One write, all of it or nothing. First rows go, then `rows` and `selections` come.
struct ReachabilityWrite {
  // `writes` is the number that the write follows; the rest is how it stands after it.
  ReachabilityState state;
  std::vector<uint32_t> replaced;             // of these identities everything goes
  std::vector<uint32_t> kept;                 // of these what is about
  std::vector<uint32_t> changed_peers;        // these
  std::optional<std::vector<uint32_t>> only;  // everything of identities besides these goes
  std::vector<ReachabilityRow> rows;
  std::vector<SelectionRow> selections;
};

}  // namespace trivium
