"""Which ports and ICMP types a rule opens."""

from .policies import A, cnp
from .world import EXTERNALS, pod

CASES = []


def add(name, about, tags, manifest, probes, world=None):
    case = {"name": name, "about": about, "tags": ["cilium", "ports"] + tags, "steps": [{"do": [{"apply": manifest}], "probes": probes}]}
    if world:
        case["world"] = world
    CASES.append(case)


def asked(port, verdict, protocol="TCP", family=4):
    return {"port": port, "protocol": protocol, "family": family, "by_hand": f"x/b>x/a={verdict} w1>x/a={verdict}"}


# name, ports, what of (port, protocol) is open
PORTS = [
    ("one", "{port: '80', protocol: TCP}", [(80, "TCP", 1), (81, "TCP", 0), (80, "UDP", 0)]),
    ("udp", "{port: '53', protocol: UDP}", [(53, "UDP", 1), (53, "TCP", 0)]),
    ("sctp", "{port: '9', protocol: SCTP}", [(9, "SCTP", 1), (9, "TCP", 0), (10, "SCTP", 0)]),
    ("any", "{port: '80', protocol: ANY}", [(80, "TCP", 1), (80, "UDP", 1), (80, "SCTP", 1), (81, "TCP", 0), (8, "ICMP", 0)]),
    ("no-protocol-is-any", "{port: '80'}", [(80, "TCP", 1), (80, "UDP", 1), (80, "SCTP", 1), (8, "ICMP", 0)]),
    ("empty-protocol-is-any", "{port: '80', protocol: ''}", [(80, "UDP", 1), (80, "SCTP", 1)]),
    ("zero-is-every-port", "{port: '0', protocol: TCP}", [(1, "TCP", 1), (65535, "TCP", 1), (80, "UDP", 0)]),
    ("zero-of-any-is-no-icmp", "{port: '0', protocol: ANY}",
     [(80, "TCP", 1), (80, "UDP", 1), (80, "SCTP", 1), (8, "ICMP", 0)]),
    ("zero-without-protocol", "{port: '0'}", [(7, "TCP", 1), (7, "SCTP", 1), (0, "ICMP", 0)]),
    ("range", "{port: '80', endPort: 90, protocol: TCP}", [(79, "TCP", 0), (80, "TCP", 1), (90, "TCP", 1), (91, "TCP", 0)]),
    ("range-of-one", "{port: '80', endPort: 80}", [(80, "TCP", 1), (81, "TCP", 0)]),
    ("range-that-ends-before-it-begins", "{port: '80', endPort: 79}", [(79, "TCP", 0), (80, "TCP", 1), (81, "TCP", 0)]),
    ("range-to-the-last", "{port: '65000', endPort: 65535}", [(64999, "TCP", 0), (65000, "UDP", 1), (65535, "SCTP", 1)]),
    ("range-with-end-zero", "{port: '80', endPort: 0}", [(80, "TCP", 1), (81, "TCP", 0)]),
    ("a-range-of-odd-bounds", "{port: '1023', endPort: 4097, protocol: UDP}",
     [(1022, "UDP", 0), (1023, "UDP", 1), (2048, "UDP", 1), (4097, "UDP", 1), (4098, "UDP", 0), (2048, "TCP", 0)]),
    ("range-from-zero", "{port: '0', endPort: 100, protocol: TCP}", [(1, "TCP", 1), (100, "TCP", 1), (101, "TCP", 0), (80, "UDP", 0)]),
    ("two", "{port: '80', protocol: TCP}, {port: '81', protocol: UDP}", [(80, "TCP", 1), (81, "UDP", 1), (81, "TCP", 0)]),
    ("by-name", "{port: serve-80-tcp, protocol: TCP}", [(80, "TCP", 1), (81, "TCP", 0), (80, "UDP", 0)]),
    ("by-name-in-capitals", "{port: SERVE-80-TCP, protocol: TCP}", [(80, "TCP", 1), (81, "TCP", 0)]),
    ("by-name-of-any", "{port: serve-80-udp}", [(80, "UDP", 1), (80, "TCP", 0)]),
    ("by-name-of-the-wrong-protocol", "{port: serve-80-tcp, protocol: UDP}", [(80, "TCP", 0), (80, "UDP", 0)]),
    ("by-a-name-that-nobody-has", "{port: nobody}", [(80, "TCP", 0), (80, "UDP", 0)]),
]
for name, ports, verdicts in PORTS:
    add(f"port-{name}", f"toPorts with {ports}.", [], cnp(f"{A}ingress:\n- toPorts:\n  - ports: [{ports}]"),
        [asked(p, v, t) for p, t, v in verdicts])
    if "name" not in name:
        add(f"port-deny-{name}", f"The same ports denied: what was open is closed.", ["deny"],
            cnp(f"{A}ingress: [{{fromEntities: [all]}}]\ningressDeny:\n- toPorts:\n  - ports: [{ports}]"),
            [asked(p, 1 - v, t) for p, t, v in verdicts])
add("port-several-port-rules", "Elements of toPorts are a union.", [],
    cnp(f"{A}ingress:\n- toPorts:\n  - ports: [{{port: '80', protocol: TCP}}]\n  - ports: [{{port: '81', protocol: TCP}}]"),
    [asked(80, 1), asked(81, 1), asked(82, 0)])
add("port-and-peer", "Peers and ports of one rule must both match.", [],
    cnp(f"{A}ingress:\n- fromEndpoints: [{{matchLabels: {{pod: b}}}}]\n  toPorts:\n  - ports: [{{port: '80', protocol: TCP}}]"),
    [{"port": 80, "by_hand": "x/b>x/a=1 x/c>x/a=0 w1>x/a=0"}, {"port": 81, "by_hand": "x/b>x/a=0 x/c>x/a=0"}])
add("port-and-cidr", "A prefix and a port of one rule.", ["cidr"],
    cnp(f"{A}ingress:\n- fromCIDR: [192.0.2.0/24]\n  toPorts:\n  - ports: [{{port: '80', protocol: TCP}}]"),
    [{"port": 80, "by_hand": "w1>x/a=1 w2>x/a=0 x/b>x/a=0"}, {"port": 81, "by_hand": "w1>x/a=0"}])
add("port-and-entity", "An entity and a port of one rule.", ["entities"],
    cnp(f"{A}egress:\n- toEntities: [world]\n  toPorts:\n  - ports: [{{port: '443', protocol: TCP}}]"),
    [{"port": 443, "by_hand": "x/a>w1=1 x/a>x/b=0"}, {"port": 80, "by_hand": "x/a>w1=0"}])
add("peer-without-ports-is-every-protocol", "A rule that names peers alone opens every port and ICMP.", ["icmp"],
    cnp(f"{A}ingress:\n- fromEntities: [all]"),
    [asked(1, 1), asked(9, 1, "SCTP"), asked(8, 1, "ICMP"), asked(13, 1, "ICMP")])

# Named ports that differ by pod: the destination's own decide.
NAMED = {
    "clusters": [{
        "name": "c1", "namespaces": [{"name": "x", "labels": {}}],
        "pods": [pod("x", "a", {"pod": "a"}, 11, ports=[("web", 80, "TCP"), ("dns", 53, "UDP")]),
                 pod("x", "b", {"pod": "b"}, 12, ports=[("web", 8080, "TCP"), ("dns", 53, "TCP")]),
                 pod("x", "c", {"pod": "c"}, 13, ports=[("web", 80, "UDP")]),
                 pod("x", "d", {"pod": "d"}, 14, ports=[("metrics", 80, "TCP")])]}],
    "externals": EXTERNALS,
}
add("named-ports-of-egress-differ-by-pod", "The name stands for each destination's own number and protocol.", ["named"],
    cnp(f"{A}egress:\n- toPorts:\n  - ports: [{{port: web, protocol: TCP}}]"),
    [{"port": 80, "by_hand": "x/a>x/b=0 x/a>x/c=0 x/a>x/d=0 x/a>w1=0"}, {"port": 8080, "by_hand": "x/a>x/b=1 x/a>x/c=0"}], NAMED)
add("named-ports-of-any-protocol", "Without a protocol the name stands for whatever it is there.", ["named"],
    cnp(f"{A}egress:\n- toPorts:\n  - ports: [{{port: Web}}]"),
    [{"port": 80, "by_hand": "x/a>x/b=0 x/a>x/c=0"}, {"port": 80, "protocol": "UDP", "by_hand": "x/a>x/c=1 x/a>x/b=0"},
     {"port": 8080, "by_hand": "x/a>x/b=1"}], NAMED)
add("named-ports-of-ingress-differ-by-pod", "One policy, one name, several subjects.", ["named"],
    cnp("endpointSelector: {}\ningress:\n- toPorts:\n  - ports: [{port: web, protocol: TCP}]"),
    [{"port": 80, "by_hand": "x/b>x/a=1 x/a>x/b=0 x/a>x/c=0 x/a>x/d=0"}, {"port": 8080, "by_hand": "x/a>x/b=1 x/b>x/a=0"}], NAMED)
add("named-ports-denied", "A deny by name, on the one pod that has it there.", ["named", "deny"],
    cnp(f"{A}egress: [{{toEntities: [all]}}]\negressDeny:\n- toPorts:\n  - ports: [{{port: web, protocol: TCP}}]"),
    [{"port": 8080, "by_hand": "x/a>x/b=0 x/a>x/c=1 x/a>w1=1"}, {"port": 80, "by_hand": "x/a>x/b=1 x/a>x/d=1"}], NAMED)

# ICMP: types by number and by name, per family.
ICMP = [
    ("by-number", "{type: 8}", [(8, 4, 1), (13, 4, 0), (0, 4, 0)]),
    ("by-text", "{type: '13'}", [(13, 4, 1), (8, 4, 0)]),
    ("by-name", "{type: EchoRequest}", [(8, 4, 1), (0, 4, 0)]),
    ("by-another-name", "{family: IPv4, type: Echo}", [(8, 4, 1)]),
    ("timestamp", "{family: IPv4, type: Timestamp}", [(13, 4, 1), (14, 4, 0)]),
    ("six-by-number", "{family: IPv6, type: 128}", [(128, 6, 1), (139, 6, 0), (8, 4, 0)]),
    ("six-by-name", "{family: IPv6, type: EchoRequest}", [(128, 6, 1), (8, 4, 0)]),
    ("six-node-information", "{family: IPv6, type: ICMPNodeInformationQuery}", [(139, 6, 1), (140, 6, 0), (128, 6, 0)]),
    ("both-families", "{type: 8}, {family: IPv6, type: 128}", [(8, 4, 1), (128, 6, 1), (13, 4, 0)]),
    ("one-family-opens-not-the-other", "{family: IPv4, type: 128}", [(128, 4, 1), (128, 6, 0)]),
]
for name, fields, verdicts in ICMP:
    add(f"icmp-{name}", f"icmps with {fields}.", ["icmp"], cnp(f"{A}ingress:\n- icmps:\n  - fields: [{fields}]"),
        [asked(t, v, "ICMP", f) for t, f, v in verdicts] + [asked(80, 0)])
    add(f"icmp-deny-{name}", "The same types denied, all else allowed.", ["icmp", "deny"],
        cnp(f"{A}ingress: [{{fromEntities: [all]}}]\ningressDeny:\n- icmps:\n  - fields: [{fields}]"),
        [asked(t, 1 - v, "ICMP", f) for t, f, v in verdicts] + [asked(80, 1)])
add("icmp-from-peers", "ICMP types from some peers alone.", ["icmp"],
    cnp(f"{A}ingress:\n- fromEndpoints: [{{matchLabels: {{pod: b}}}}]\n  icmps:\n  - fields: [{{type: 8}}]"),
    [{"port": 8, "protocol": "ICMP", "by_hand": "x/b>x/a=1 x/c>x/a=0 w1>x/a=0"}])
add("icmp-of-egress", "ICMP types towards prefixes.", ["icmp", "egress"],
    cnp(f"{A}egress:\n- toCIDR: [192.0.2.0/24]\n  icmps:\n  - fields: [{{type: EchoRequest}}]"),
    [{"port": 8, "protocol": "ICMP", "by_hand": "x/a>w1=1 x/a>w2=0 x/a>x/b=0"}])
add("ports-do-not-open-icmp", "A rule with ports opens no ICMP.", ["icmp"],
    cnp(f"{A}ingress:\n- fromEntities: [all]\n  toPorts:\n  - ports: [{{port: '0'}}]"), [asked(8, 0, "ICMP"), asked(80, 1)])
