"""Who a peer is: selectors, their scope, entities, CIDRs and groups, in both directions."""

from .policies import A, ccnp, cnp, group

NS = "io.kubernetes.pod.namespace"
NSL = "io.cilium.k8s.namespace.labels"
CL = "io.cilium.k8s.policy.cluster"

# name, selector, who of x/b x/c y/a y/b c2/x/a c2/x/b c2/y/b w1 is selected by a policy in x of c1; the same for a
# clusterwide one
ORDER = ["x/b", "x/c", "y/a", "y/b", "c2/x/a", "c2/x/b", "c2/y/b", "w1"]
SELECTORS = [
    ("everyone", "{}", "11000000", "11110000"),
    ("a-label", "{matchLabels: {pod: b}}", "10000000", "10010000"),
    ("a-label-of-any-source", "{matchLabels: {'any:pod': b}}", "10000000", "10010000"),
    ("a-label-of-kubernetes", "{matchLabels: {'k8s:pod': b}}", "10000000", "10010000"),
    ("two-labels", "{matchLabels: {pod: b, tier: back}}", "10000000", "10000000"),
    ("in", "{matchExpressions: [{key: pod, operator: In, values: [b, c]}]}", "11000000", "11010000"),
    ("not-in", "{matchExpressions: [{key: tier, operator: NotIn, values: [back]}]}", "01000000", "01010000"),
    ("exists", "{matchExpressions: [{key: tier, operator: Exists}]}", "10000000", "10100000"),
    ("does-not-exist", "{matchExpressions: [{key: 'k8s:tier', operator: DoesNotExist}]}", "01000000", "01010000"),
    ("labels-and-expressions", "{matchLabels: {pod: b}, matchExpressions: [{key: tier, operator: DoesNotExist}]}",
     "00000000", "00010000"),
    ("a-namespace", f"{{matchLabels: {{{NS}: y}}}}", "00110000", "00110000"),
    ("a-namespace-of-kubernetes", f"{{matchLabels: {{'k8s:{NS}': y, pod: b}}}}", "00010000", "00010000"),
    ("namespaces-in", f"{{matchExpressions: [{{key: {NS}, operator: In, values: [x, y]}}]}}", "11110000", "11110000"),
    ("every-namespace", f"{{matchExpressions: [{{key: {NS}, operator: Exists}}]}}", "11110000", "11110000"),
    ("not-that-namespace", f"{{matchExpressions: [{{key: {NS}, operator: NotIn, values: [x]}}]}}", "00110000", "00110000"),
    ("a-namespace-label", f"{{matchLabels: {{{NSL}.team: blue}}}}", "00110000", "00110000"),
    ("a-namespace-label-of-kubernetes", f"{{matchLabels: {{'k8s:{NSL}.team': red}}}}", "11000000", "11000000"),
    ("the-namespace-name-label", f"{{matchLabels: {{{NSL}.kubernetes.io/metadata.name: y}}}}", "00110000", "00110000"),
    ("no-such-namespace-label", f"{{matchExpressions: [{{key: {NSL}.team, operator: DoesNotExist}}]}}", "00000000",
     "00000000"),
    ("own-cluster", f"{{matchLabels: {{{CL}: c1}}}}", "11000000", "11110000"),
    ("another-cluster", f"{{matchLabels: {{{CL}: c2}}}}", "00001100", "00001110"),
    ("another-cluster-of-kubernetes", f"{{matchLabels: {{'k8s:{CL}': c2, pod: b}}}}", "00000100", "00000110"),
    ("a-list-of-clusters", f"{{matchExpressions: [{{key: {CL}, operator: In, values: [c1, c2]}}]}}", "11001100",
     "11111110"),
    ("every-cluster", f"{{matchExpressions: [{{key: {CL}, operator: Exists}}]}}", "11001100", "11111110"),
    ("not-own-cluster", f"{{matchExpressions: [{{key: {CL}, operator: NotIn, values: [c1]}}]}}", "00001100", "00001110"),
    ("a-namespace-of-another-cluster", f"{{matchLabels: {{{CL}: c2, {NS}: y}}}}", "00000010", "00000010"),
    ("a-namespace-of-every-cluster",
     f"{{matchLabels: {{{NS}: y}}, matchExpressions: [{{key: {CL}, operator: Exists}}]}}", "00110010", "00110010"),
    # Both scopes lifted, and nothing but negations: what is outside lacks the labels, too.
    ("negations-alone-reach-outside",
     f"{{matchExpressions: [{{key: {NS}, operator: NotIn, values: [x]}}, {{key: {CL}, operator: NotIn, values: [c2]}}]}}",
     "00110001", "00110001"),
    ("a-service-account", "{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}", "01000000", "01000000"),
    ("a-service-account-elsewhere",
     f"{{matchLabels: {{io.cilium.k8s.policy.serviceaccount: robot, {CL}: c2}}}}", "00000000", "00000000"),
    ("reserved-world", "{matchLabels: {'reserved:world': ''}}", "00000001", "00000001"),
    ("reserved-host-is-nobody-here", "{matchLabels: {'reserved:host': ''}}", "00000000", "00000000"),
    ("not-reserved-world-is-every-pod", "{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}",
     "11111110", "11111110"),
    ("nobody-has-the-label", "{matchLabels: {pod: nobody}}", "00000000", "00000000"),
]

ENTITIES = [
    ("all", "11111111"), ("world", "00000001"), ("world-ipv4", "00000001"), ("world-ipv6", "00000000"),
    ("cluster", "11110000"), ("host", "00000000"), ("remote-node", "00000000"), ("kube-apiserver", "00000000"),
    ("init", "00000000"), ("health", "00000000"), ("unmanaged", "00000000"), ("ingress", "00000000"), ("none", "00000000"),
]

# name, list, members, who of w1 (192.0.2.7) w2 (198.51.100.9) x/b (10.1.0.12)
CIDRS = [
    ("one", "CIDR", "[192.0.2.0/24]", "100"),
    ("two", "CIDR", "[192.0.2.0/24, 198.51.100.9/32]", "110"),
    ("host-bits", "CIDR", "[192.0.2.77/24]", "100"),
    ("everything-but-pods", "CIDR", "[0.0.0.0/0]", "110"),
    ("the-pods-network-selects-no-pod", "CIDR", "[10.0.0.0/8]", "000"),
    ("of-the-other-family", "CIDR", "['2001:db8::/32']", "000"),
    ("empty", "CIDR", "[]", "000"),
    ("set", "CIDRSet", "[{cidr: 192.0.2.0/24}]", "100"),
    ("set-except", "CIDRSet", "[{cidr: 0.0.0.0/0, except: [192.0.2.0/28]}]", "010"),
    ("set-except-all", "CIDRSet", "[{cidr: 192.0.2.0/24, except: [192.0.2.0/24]}]", "000"),
    ("set-except-of-one-alone", "CIDRSet", "[{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}, {cidr: 192.0.2.7/32}]", "110"),
    ("set-excepts-nested", "CIDRSet", "[{cidr: 0.0.0.0/0, except: [192.0.0.0/8, 192.0.2.0/24, 198.51.100.0/25]}]", "000"),
    ("set-empty", "CIDRSet", "[]", "000"),
    ("group", "CIDRSet", "[{cidrGroupRef: g}]", "100"),
    ("group-except", "CIDRSet", "[{cidrGroupRef: g, except: [192.0.2.7/32]}]", "000"),
    ("group-that-is-not-there", "CIDRSet", "[{cidrGroupRef: nobody}]", "000"),
    ("group-and-cidr", "CIDRSet", "[{cidrGroupRef: g}, {cidr: 198.51.100.0/24}]", "110"),
    ("groups-by-label", "CIDRSet", "[{cidrGroupSelector: {matchLabels: {kind: partner}}}]", "100"),
    ("groups-by-no-label", "CIDRSet", "[{cidrGroupSelector: {}}]", "110"),
    ("groups-by-negation", "CIDRSet", "[{cidrGroupSelector: {matchExpressions: [{key: kind, operator: DoesNotExist}]}}]",
     "010"),
]


def cells(names, bits, ingress):
    return " ".join(f"{n}>x/a={b}" if ingress else f"x/a>{n}={b}" for n, b in zip(names, bits))


CASES = []


def add(name, about, tags, manifest, by_hand, clusters=1, **asked):
    CASES.append({"name": name, "about": about, "tags": ["cilium"] + tags, "clusters": clusters,
                  "steps": [{"do": [{"apply": manifest}], "probes": [{"by_hand": by_hand, **asked}]}]})


for ingress in (True, False):
    way, peers = ("ingress", "from") if ingress else ("egress", "to")
    for name, selector, narrow, wide in SELECTORS:
        spec = f"{A}{way}:\n- {peers}Endpoints:\n  - {selector}"
        if ingress or name in ("everyone", "a-namespace", "another-cluster", "negations-alone-reach-outside", "not-in",
                               "every-cluster", "reserved-world", "a-namespace-label"):
            add(f"cnp-{way}-{name}", f"A namespaced policy's peer {selector}: the scope is the policy's own, as far as the "
                "selector does not name another.", [way, "selectors"], cnp(spec), cells(ORDER, narrow, ingress), clusters=2)
        if not ingress or name in ("everyone", "a-label", "another-cluster", "every-cluster", "no-such-namespace-label",
                                   "negations-alone-reach-outside"):
            add(f"ccnp-{way}-{name}", f"A clusterwide policy's peer {selector}: every namespace of the own cluster, as far as "
                "the selector does not name another.", [way, "selectors", "clusterwide"],
                ccnp(f"endpointSelector: {{matchLabels: {{pod: a, 'k8s:{NS}': x}}}}\n{way}:\n- {peers}Endpoints:\n  - {selector}"),
                cells(ORDER, wide, ingress), clusters=2)
    for entity, bits in ENTITIES:
        add(f"cnp-{way}-entity-{entity}", f"The entity {entity} among pods of two clusters and hosts outside.",
            [way, "entities"], cnp(f"{A}{way}:\n- {peers}Entities: [{entity}]"), cells(ORDER, bits, ingress), clusters=2)
    for name, kind, members, bits in CIDRS:
        text = cnp(f"{A}{way}:\n- {peers}{kind}: {members}")
        if "roup" in members:
            text = "---\n".join([group("[192.0.2.0/24, 10.1.0.0/16]", "g", "{kind: partner}"),
                                 group("[198.51.100.0/24]", "h"), text])
        add(f"cnp-{way}-cidr-{name}", f"{peers}{kind}: {members}; no prefix selects a pod.", [way, "cidr"], text,
            cells(["w1", "w2", "x/b"], bits, ingress))

add("cnp-entity-world-ipv6", "world-ipv6 is the outside by IPv6 alone.", ["egress", "entities", "ipv6"],
    cnp(f"{A}egress:\n- toEntities: [world-ipv6]"), "x/a>w1=1 x/a>x/b=0", family=6)
add("cnp-entity-world-ipv4-by-six", "world-ipv4 opens nothing to IPv6.", ["egress", "entities", "ipv6"],
    cnp(f"{A}egress:\n- toEntities: [world-ipv4]"), "x/a>w1=0 x/a>x/b=0", family=6)
add("cnp-cidr-ipv6", "A prefix of IPv6 with an exception.", ["ingress", "cidr", "ipv6"],
    cnp(f"{A}ingress:\n- fromCIDRSet: [{{cidr: '2001:db8::/32', except: ['2001:db8:1::/48']}}]"),
    "w1>x/a=1 w2>x/a=0 x/b>x/a=0", family=6)
add("cnp-selectors-by-ipv6", "Labels are judged alike over IPv6.", ["ingress", "selectors", "ipv6"],
    cnp(f"{A}ingress:\n- fromEndpoints:\n  - {{matchLabels: {{pod: b}}}}"), "x/b>x/a=1 x/c>x/a=0 w1>x/a=0", family=6)
add("cnp-several-selectors", "A list of selectors is their union.", ["ingress", "selectors"],
    cnp(f"{A}ingress:\n- fromEndpoints:\n  - {{matchLabels: {{pod: b}}}}\n  - {{matchLabels: {{{NS}: y, pod: a}}}}"),
    "x/b>x/a=1 y/a>x/a=1 x/c>x/a=0 y/b>x/a=0")
add("cnp-several-entities", "A list of entities is their union.", ["egress", "entities"],
    cnp(f"{A}egress:\n- toEntities: [world, cluster]"), "x/a>w1=1 x/a>y/b=1 x/a>c2/x/a=0", clusters=2)
