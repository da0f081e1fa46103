#include "cli/policy_diff_text.h"

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/kinds.h"
#include "cli/table.h"
#include "policy/rule_text.h"

namespace trivium::cli {
namespace {

constexpr size_t kMaxPeers = 6;  // in one line

// "TCP/80-90", "every port of UDP", "ICMP type 8".
std::string PortsText(const v1::PolicyDiffFlow& flow) {
  const std::string protocol =
      flow.protocol() == v1::PROTOCOL_ANY ? "TCP,UDP,SCTP" : policy::ProtocolName(flow.protocol());
  const uint32_t last = policy::IsIcmp(flow.protocol()) ? 255 : 65535;
  const std::string range = flow.first_port() == flow.last_port()
                                ? absl::StrCat(flow.first_port())
                                : absl::StrCat(flow.first_port(), "-", flow.last_port());
  if (flow.first_port() <= (policy::IsIcmp(flow.protocol()) ? 0u : 1u) && flow.last_port() == last)
    return protocol;
  return policy::IsIcmp(flow.protocol()) ? absl::StrCat(protocol, " type ", range)
                                         : absl::StrCat(protocol, "/", range);
}

std::string Why(const v1::PolicyDiffFlow& flow) {
  const std::string was = flow.before_rule().empty() ? "" : absl::StrCat(" (was: ", flow.before_rule(), ")");
  if (!flow.after_rule().empty()) return absl::StrCat(flow.after_rule(), was);
  return absl::StrCat(flow.after() == "denied" ? "no rule allows it" : "no policy closes it", was);
}

std::string PeersText(const std::vector<std::string>& peers) {
  if (peers.size() <= kMaxPeers) return absl::StrJoin(peers, "; ");
  return absl::StrCat(absl::StrJoin(peers.begin(), peers.begin() + kMaxPeers, "; "), "; and ",
                      peers.size() - kMaxPeers, " more");
}

// One subject's direction.
struct Block {
  std::string title;
  std::vector<std::string> peers;  // in order
  // By peer: its changes, (after, ports, why).
  std::map<std::string, std::vector<std::tuple<std::string, std::string, std::string>>> changes;
};

std::string BlockText(const Block& block, const Style& style) {
  // Peers with the same changes together.
  std::vector<
      std::pair<std::vector<std::string>, std::vector<std::tuple<std::string, std::string, std::string>>>>
      groups;
  for (const std::string& peer : block.peers) {
    const auto& changes = block.changes.at(peer);
    auto it = groups.begin();
    while (it != groups.end() && it->second != changes) ++it;
    if (it == groups.end()) it = groups.insert(it, {{}, changes});
    it->first.push_back(peer);
  }
  Table table({"", "WITH", "PORTS", "BECAUSE"});
  for (const auto& [peers, changes] : groups) {
    // Changes to the same end for the same reason: their ports together.
    std::vector<std::pair<std::pair<std::string, std::string>, std::vector<std::string>>> ends;
    for (const auto& [after, ports, why] : changes) {
      const std::pair<std::string, std::string> end = {after, why};
      auto it = ends.begin();
      while (it != ends.end() && it->first != end) ++it;
      if (it == ends.end()) it = ends.insert(it, {end, {}});
      it->second.push_back(ports);
    }
    for (const auto& [end, ports] : ends) {
      table.AddRow(
          {absl::StrCat("  now ", end.first == "denied" ? style.Bad(end.first) : style.Good(end.first)),
           PeersText(peers), absl::StrJoin(ports, ", "), end.second});
    }
  }
  return absl::StrCat("\n", block.title, "\n", table.ToString(false));
}

}  // namespace

std::string PolicyDiffText(const v1::PolicyDiffResult& result, const Style& style) {
  std::string out;
  for (const v1::ApplyResult::Item& item : result.apply().items()) {
    const auto kind = FindKind(item.kind());
    absl::StrAppend(&out, kind.ok() ? (*kind)->resource : item.kind(), "/", item.name(), " ", item.action(),
                    "\n");
  }
  std::vector<Block> blocks;
  std::map<std::pair<uint32_t, int>, size_t> places;
  for (const v1::PolicyDiffFlow& flow : result.flows()) {
    const bool in = flow.direction() == v1::Rule::INGRESS;
    const uint32_t id = in ? flow.to_identity() : flow.from_identity();
    const auto [it, fresh] = places.try_emplace({id, flow.direction()}, blocks.size());
    if (fresh) {
      Block& block = blocks.emplace_back();
      block.title =
          absl::StrCat(in ? "to " : "from ", in ? flow.to() : flow.from(), " (", flow.endpoints(),
                       flow.endpoints() == 1 ? " pod, " : " pods, ", in ? "ingress" : "egress", ")");
    }
    Block& block = blocks[it->second];
    const std::string& peer = in ? flow.from() : flow.to();
    if (block.changes.count(peer) == 0) block.peers.push_back(peer);
    block.changes[peer].emplace_back(flow.after(), PortsText(flow), Why(flow));
  }
  for (const Block& block : blocks) absl::StrAppend(&out, BlockText(block, style));
  if (result.more() > 0) absl::StrAppend(&out, "\nand ", result.more(), " more changes\n");
  if (result.flows().empty()) absl::StrAppend(&out, "no connection would be judged otherwise\n");
  return out;
}

}  // namespace trivium::cli
