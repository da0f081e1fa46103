#include "tests/bpf/packet_case.h"

namespace trivium {

namespace {

using Change = std::function<void(World&)>;

// What comes in to pod a is judged by rule set 600, which holds this verdict alone.
Change AllowOnly(const policy_verdict_key& verdict) {
  return [=](World& w) {
    Ok(w.Policy(1, DIRECTION_INGRESS, 600));
    Ok(w.Verdict(verdict, POLICY_ALLOW));
  };
}

// Pod a denies this identity and allows all others.
Change Deny(uint32_t identity) {
  return [=](World& w) {
    const uint32_t rule_set = RuleSetOf(1, DIRECTION_INGRESS);
    Ok(w.Class(rule_set, identity, 5));
    Ok(w.Verdict(AnyVerdict(rule_set, 5), POLICY_DENY));
  };
}

}  // namespace

std::vector<Case> ToPodCases() {
  const uint32_t a_in = RuleSetOf(1, DIRECTION_INGRESS);

  return {
      // ---- to_pod
      {.name = "from a pod, by mark", .where = Where::kToPod, .packet = From(kR4, kA4), .mark = MarkOf(kIdR)},
      {.name = "from a pod, by mark, v6",
       .where = Where::kToPod,
       .packet = From(kR6, kA6),
       .mark = MarkOf(kIdR)},
      {.name = "the mark's identity is judged, not the ipcache's",
       .where = Where::kToPod,
       .packet = From(kR4, kA4),
       .reason = DROP_POLICY_DENY_RULE,
       .change = Deny(kIdN),
       .mark = MarkOf(kIdN)},
      {.name = "from the world", .where = Where::kToPod, .packet = From(kWorld4, kA4)},
      {.name = "from the world, v6", .where = Where::kToPod, .packet = From(kWorld6, kA6)},
      {.name = "world is judged as world",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .reason = DROP_POLICY_DENY_RULE,
       .change = Deny(IDENTITY_WORLD)},
      {.name = "a CIDR is judged as its own",
       .where = Where::kToPod,
       .packet = From(kCidr6, kA6),
       .reason = DROP_POLICY_DENY_RULE,
       .change = Deny(kIdCidr)},
      {.name = "this node is judged as host",
       .where = Where::kToPod,
       .packet = From(kHost4, kA4),
       .reason = DROP_POLICY_DENY_RULE,
       .change = Deny(IDENTITY_HOST)},
      {.name = "from this node", .where = Where::kToPod, .packet = From(kHost6, kA6)},
      {.name = "a pod's address without our mark",
       .where = Where::kToPod,
       .packet = From(kB4, kA4),
       .reason = DROP_SOURCE_MISMATCH},
      {.name = "a pod network's address without our mark",
       .where = Where::kToPod,
       .packet = From(kUnheard6, kA6),
       .reason = DROP_SOURCE_MISMATCH},
      {.name = "somebody else's mark is no mark",
       .where = Where::kToPod,
       .packet = From(kB4, kA4),
       .reason = DROP_SOURCE_MISMATCH,
       .mark = 0x0b000000 | kIdB},
      {.name = "to an address that is not this veth's",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .reason = DROP_NO_ENDPOINT,
       .change = [](World& w) { Ok(w.Endpoint(kA4, 1, kIdA, PacketTester::kIfindex + 1)); }},
      {.name = "to no endpoint",
       .where = Where::kToPod,
       .packet = From(kWorld4, kR4),
       .reason = DROP_NO_ENDPOINT},
      {.name = "unknown identity in the mark",
       .where = Where::kToPod,
       .packet = From(kR4, kA4),
       .reason = DROP_UNKNOWN_IDENTITY,
       .mark = MarkOf(4242)},
      {.name = "closed to what comes in",
       .where = Where::kToPod,
       .packet = From(kR4, kA4),
       .reason = DROP_ENDPOINT_CLOSED,
       .change = [](World& w) { Ok(w.Closed(1, DIRECTION_INGRESS)); },
       .mark = MarkOf(kIdR)},
      {.name = "fragment to a pod",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .reason = DROP_FRAGMENT,
       .damage = Byte(20, 0x20)},
      {.name = "ARP to a pod",
       .where = Where::kToPod,
       .packet = From(kA4, kB4),
       .damage = [](std::string* frame) { *frame = Frame(0x0806, std::string(28, '\0')); },
       .silent = true},

      // ---- policy: prefixes of ports
      {.name = "a port range's first port",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4), [](PacketSpec& p) { p.destination_port = 8080; }),
       .change = AllowOnly(PortVerdict(600, kTcp, 8080, 12))},
      {.name = "a port range's last port",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4), [](PacketSpec& p) { p.destination_port = 8095; }),
       .change = AllowOnly(PortVerdict(600, kTcp, 8080, 12))},
      {.name = "the port behind the range",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4), [](PacketSpec& p) { p.destination_port = 8096; }),
       .reason = DROP_POLICY_DENIED,
       .change = AllowOnly(PortVerdict(600, kTcp, 8080, 12))},
      {.name = "another protocol on an allowed port",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4),
                      [](PacketSpec& p) {
                        p.protocol = kUdp;
                        p.destination_port = 8080;
                      }),
       .reason = DROP_POLICY_DENIED,
       .change = AllowOnly(PortVerdict(600, kTcp, 8080, 12))},
      {.name = "SCTP by port",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4),
                      [](PacketSpec& p) {
                        p.protocol = kSctp;
                        p.destination_port = 36412;
                      }),
       .change = AllowOnly(PortVerdict(600, kSctp, 36412))},
      {.name = "ICMP by type",
       .where = Where::kToPod,
       .packet = Echo(kWorld4, kA4),
       .change = AllowOnly(PortVerdict(600, kIcmp, 8 << 8, 8))},
      {.name = "ICMPv6 of another type",
       .where = Where::kToPod,
       .packet = Echo(kWorld6, kA6),
       .reason = DROP_POLICY_DENIED,
       .change = AllowOnly(PortVerdict(600, kIcmpV6, 127 << 8, 8))},
      {.name = "a deny within an allowed range",
       .where = Where::kToPod,
       .packet = With(From(kWorld4, kA4), [](PacketSpec& p) { p.destination_port = 8085; }),
       .reason = DROP_POLICY_DENY_RULE,
       .change =
           [=](World& w) {
             Ok(w.Verdict(PortVerdict(a_in, kTcp, 8080, 12), POLICY_ALLOW));
             Ok(w.Verdict(PortVerdict(a_in, kTcp, 8085), POLICY_DENY));
           }},
      {.name = "another class's verdicts are not mine",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .reason = DROP_POLICY_DENIED,
       .change = [=](World& w) { Ok(w.Class(a_in, IDENTITY_WORLD, 5)); }},

      // ---- audit
      {.name = "audit mode passes what no rule allows, and reports it",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .change = [](World& w) { Ok(w.Policy(1, DIRECTION_INGRESS, 500, ENDPOINT_POLICY_AUDIT)); },
       .audited = true},
      {.name = "an audit verdict passes and is reported",
       .where = Where::kToPod,
       .packet = From(kWorld4, kA4),
       .change = [=](World& w) { Ok(w.Verdict(AnyVerdict(a_in), POLICY_AUDIT, 3)); },
       .audited = true},
      {.name = "audit mode does not open what nobody knows",
       .where = Where::kToPod,
       .packet = From(kR4, kA4),
       .reason = DROP_UNKNOWN_IDENTITY,
       .change =
           [](World& w) {
             Ok(w.Policy(1, DIRECTION_INGRESS, 500, ENDPOINT_POLICY_AUDIT));
             Ok(w.NotKnown(kIdR));
           },
       .mark = MarkOf(kIdR)},
  };
}

}  // namespace trivium
