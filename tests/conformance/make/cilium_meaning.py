"""What rules do to each other: empty and absent forms, default deny, deny over allow, several kinds of policies."""

from .policies import A, EVERY, ccnp, cnp, netpol

CASES = []


def add(name, about, tags, manifests, by_hand, clusters=1, **asked):
    text = "---\n".join(manifests) if isinstance(manifests, list) else manifests
    CASES.append({"name": name, "about": about, "tags": ["cilium"] + tags, "clusters": clusters,
                  "steps": [{"do": [{"apply": text}], "probes": [{"by_hand": by_hand, **asked}]}]})


# ---- empty, absent, null: what x/b, y/b and w1 may do to x/a on 80/TCP, and x/a to x/b
NOTHING = "x/b>x/a=0 y/b>x/a=0 w1>x/a=0 x/a>x/b=1 x/a>w1=1"
FORMS = [
    ("an-empty-rule", "ingress: [{}]", NOTHING),
    ("ports-without-members", "ingress: [{toPorts: [{ports: []}]}]", NOTHING),
    ("an-empty-port-rule", "ingress: [{toPorts: [{}]}]", NOTHING),
    ("peers-and-ports-without-members", "ingress: [{fromEntities: [all], toPorts: [{ports: []}]}]", NOTHING),
    ("no-endpoints", "ingress: [{fromEndpoints: []}]", NOTHING),
    ("no-endpoints-and-ports", "ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]", NOTHING),
    ("no-cidrs", "ingress: [{fromCIDR: []}]", NOTHING),
    ("no-cidr-sets", "ingress: [{fromCIDRSet: []}]", NOTHING),
    ("no-entities", "ingress: [{fromEntities: []}]", NOTHING),
    ("an-empty-list-beside-peers", "ingress: [{fromEndpoints: [{}], fromEntities: []}]", NOTHING),
    ("icmps-without-members", "ingress: [{fromEntities: [all], icmps: [{fields: []}]}]", NOTHING),
    ("no-ports-at-all", "ingress: [{fromEntities: [all], toPorts: []}]", "x/b>x/a=1 y/b>x/a=1 w1>x/a=1"),
    ("null-endpoints-and-ports", "ingress: [{fromEndpoints: null, toPorts: [{ports: [{port: '80'}]}]}]",
     "x/b>x/a=1 y/b>x/a=1 w1>x/a=1"),
    ("null-ports", "ingress: [{fromEndpoints: [{}], toPorts: null}]", "x/b>x/a=1 y/b>x/a=0 w1>x/a=0"),
    ("egress-absent", "ingress: [{fromEndpoints: [{}]}]", "x/b>x/a=1 x/a>y/b=1 x/a>w1=1"),
    ("egress-empty", "ingress: [{fromEndpoints: [{}]}]\negress: []", "x/b>x/a=1 x/a>y/b=1 x/a>w1=1"),
    ("egress-null", "ingress: [{fromEndpoints: [{}]}]\negress: null", "x/b>x/a=1 x/a>y/b=1 x/a>w1=1"),
    ("egress-empty-rule", "egress: [{}]", "x/a>x/b=0 x/a>w1=0 x/b>x/a=1"),
    ("deny-nothing-closes", "ingressDeny: [{}]", NOTHING),
    ("deny-nobody-closes", "ingressDeny: [{fromEndpoints: []}]", NOTHING),
]
for name, rules, by_hand in FORMS:
    add(f"form-{name}", f"{rules.replace(chr(10), ' ')}: what is empty, absent or null.", ["empty"], cnp(f"{A}{rules}"), by_hand)

# ---- enableDefaultDeny
DEFAULTS = [
    ("off-adds-rules-and-closes-nothing", "enableDefaultDeny: {ingress: false}\ningress: [{fromEndpoints: [{}]}]",
     "x/b>x/a=1 y/b>x/a=1 w1>x/a=1"),
    ("off-still-denies", "enableDefaultDeny: {ingress: false}\ningressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]",
     "x/b>x/a=0 x/c>x/a=1 y/b>x/a=1 w1>x/a=1"),
    ("off-for-ingress-alone", "enableDefaultDeny: {ingress: false}\ningress: [{}]\negress: [{}]",
     "x/b>x/a=1 x/a>x/b=0 x/a>w1=0"),
    ("off-for-egress-alone", "enableDefaultDeny: {egress: false}\ningress: [{}]\negress: [{}]", "x/b>x/a=0 x/a>x/b=1"),
    ("off-for-both", "enableDefaultDeny: {ingress: false, egress: false}\ningress: [{}]\negress: [{}]",
     "x/b>x/a=1 x/a>x/b=1"),
    ("on-is-the-default", "enableDefaultDeny: {ingress: true, egress: true}\ningress: [{}]\negress: [{}]",
     "x/b>x/a=0 x/a>x/b=0"),
    ("on-without-a-rule-does-nothing", "enableDefaultDeny: {ingress: true, egress: true}\negress: [{}]",
     "x/b>x/a=1 x/a>x/b=0"),
    ("empty", "enableDefaultDeny: {}\ningress: [{}]", "x/b>x/a=0"),
    ("null-fields", "enableDefaultDeny: {ingress: null}\ningress: [{}]", "x/b>x/a=0"),
]
for name, rules, by_hand in DEFAULTS:
    add(f"default-deny-{name}", "enableDefaultDeny says per direction whether a policy closes what it does not allow.",
        ["default-deny"], cnp(f"{A}{rules}"), by_hand)
add("default-deny-another-policy-closes", "A direction is closed as soon as one policy closes it.", ["default-deny"],
    [cnp(f"{A}enableDefaultDeny: {{ingress: false}}\ningress: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]", "open"),
     cnp(f"{A}ingress: [{{}}]", "closed")], "x/b>x/a=1 x/c>x/a=0 w1>x/a=0")
add("default-deny-a-network-policy-closes", "A NetworkPolicy closes beside a policy that does not.", ["default-deny"],
    [cnp(f"{A}enableDefaultDeny: {{ingress: false}}\ningress: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]", "open"),
     netpol("podSelector: {matchLabels: {pod: a}}")], "x/b>x/a=1 x/c>x/a=0 w1>x/a=0")

# ---- deny over allow: allow and deny by each way of naming, on x/a from x/b, with the deny in each kind of policy
TRUTH = [
    ("allow-all-deny-endpoint", "ingress: [{fromEntities: [all]}]", "ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]",
     "x/b>x/a=0 x/c>x/a=1 w1>x/a=1"),
    ("allow-endpoint-deny-all", "ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]", "ingressDeny: [{fromEntities: [all]}]",
     "x/b>x/a=0 x/c>x/a=0 w1>x/a=0"),
    ("allow-endpoint-deny-cluster", "ingress: [{fromEndpoints: [{}]}]", "ingressDeny: [{fromEntities: [cluster]}]",
     "x/b>x/a=0 x/c>x/a=0 w1>x/a=0"),
    ("allow-port-deny-endpoint", "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
     "ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]", "x/b>x/a=0 x/c>x/a=1 w1>x/a=1"),
    ("allow-endpoint-deny-port", "ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]",
     "ingressDeny: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]", "x/b>x/a=0 x/c>x/a=0"),
    ("allow-endpoint-deny-its-other-port", "ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]",
     "ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: '81'}]}]}]", "x/b>x/a=1 x/c>x/a=0"),
    ("allow-range-deny-inside", "ingress: [{toPorts: [{ports: [{port: '1', endPort: 65535}]}]}]",
     "ingressDeny: [{toPorts: [{ports: [{port: '80', endPort: 90}]}]}]", "x/b>x/a=0 w1>x/a=0"),
    ("allow-inside-deny-range", "ingress: [{toPorts: [{ports: [{port: '80'}]}]}]",
     "ingressDeny: [{toPorts: [{ports: [{port: '1', endPort: 1024}]}]}]", "x/b>x/a=0 w1>x/a=0"),
    ("allow-narrow-cidr-deny-wide", "ingress: [{fromCIDR: [192.0.2.7/32]}]", "ingressDeny: [{fromCIDR: [192.0.2.0/24]}]",
     "w1>x/a=0 w2>x/a=0"),
    ("allow-wide-cidr-deny-narrow", "ingress: [{fromCIDR: [0.0.0.0/0]}]", "ingressDeny: [{fromCIDR: [192.0.2.7/32]}]",
     "w1>x/a=0 w2>x/a=1"),
    ("allow-world-deny-cidr", "ingress: [{fromEntities: [world]}]", "ingressDeny: [{fromCIDRSet: [{cidr: 192.0.2.0/24}]}]",
     "w1>x/a=0 w2>x/a=1"),
    ("allow-cidr-deny-world", "ingress: [{fromCIDR: [192.0.2.7/32]}]", "ingressDeny: [{fromEntities: [world]}]",
     "w1>x/a=0 w2>x/a=0"),
    ("deny-cidr-leaves-its-exception", "ingress: [{fromEntities: [world]}]",
     "ingressDeny: [{fromCIDRSet: [{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}]}]", "w1>x/a=1 w2>x/a=0"),
    ("deny-udp-leaves-tcp", "ingress: [{fromEntities: [all]}]", "ingressDeny: [{toPorts: [{ports: [{port: '80', protocol: UDP}]}]}]",
     "x/b>x/a=1 w1>x/a=1"),
    ("deny-any-protocol", "ingress: [{fromEntities: [all]}]", "ingressDeny: [{toPorts: [{ports: [{port: '80', protocol: ANY}]}]}]",
     "x/b>x/a=0 w1>x/a=0"),
    ("deny-none", "ingress: [{fromEntities: [all]}]", "ingressDeny: [{fromEntities: [none]}]", "x/b>x/a=1 w1>x/a=1"),
]
for name, allow, deny, by_hand in TRUTH:
    add(f"deny-{name}", "A deny wins over any allow that covers the same connection, in one policy.", ["deny"],
        cnp(f"{A}{allow}\n{deny}"), by_hand)
    add(f"deny-apart-{name}", "A deny wins over any allow, whichever policies they stand in.", ["deny"],
        [cnp(f"{A}{deny}", "z-deny"), cnp(f"{A}{allow}", "a-allow")], by_hand)
for kind, manifest in [
        ("a-network-policy", netpol("podSelector: {matchLabels: {pod: a}}\ningress: [{}]")),
        ("a-clusterwide-policy", ccnp(f"{A}ingress: [{{fromEntities: [all]}}]", "allow")),
        ("a-policy", cnp(f"{A}ingress: [{{fromEntities: [all]}}]", "allow"))]:
    add(f"deny-in-cnp-over-{kind}", "A namespaced deny outdoes an allow of any kind of policy.", ["deny"],
        [manifest, cnp(f"{A}ingressDeny: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]", "deny")],
        "x/b>x/a=0 x/c>x/a=1 w1>x/a=1")
    add(f"deny-in-ccnp-over-{kind}", "A clusterwide deny outdoes an allow of any kind of policy.", ["deny", "clusterwide"],
        [manifest, ccnp(f"{EVERY}ingressDeny: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]", "deny")],
        "x/b>x/a=0 y/b>x/a=0 x/c>x/a=1")
for name, deny, by_hand in [
        ("endpoint", "egressDeny: [{toEndpoints: [{matchLabels: {pod: b}}]}]", "x/a>x/b=0 x/a>x/c=1 x/a>w1=1"),
        ("world", "egressDeny: [{toEntities: [world]}]", "x/a>x/b=1 x/a>w1=0 x/a>w2=0"),
        ("port", "egressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]", "x/a>x/b=0 x/a>w1=0"),
        ("cidr", "egressDeny: [{toCIDRSet: [{cidr: 192.0.2.0/24}]}]", "x/a>w1=0 x/a>w2=1 x/a>x/b=1")]:
    add(f"deny-egress-{name}", "Denies of egress.", ["deny", "egress"], cnp(f"{A}egress: [{{toEntities: [all]}}]\n{deny}"), by_hand)
    add(f"deny-egress-{name}-alone", "A deny alone closes its direction: what it does not name is not allowed either.",
        ["deny", "egress"], cnp(f"{A}{deny}"), "x/a>x/b=0 x/a>w1=0 x/b>x/a=1")

# ---- several specs, several kinds, several subjects
add("specs-are-a-union", "The specs of one policy are as many policies.", ["specs"],
    cnp("specs:\n- endpointSelector: {matchLabels: {pod: a}}\n  ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]\n"
        "- endpointSelector: {matchLabels: {pod: a}}\n  ingress: [{fromEntities: [world]}]\n"
        "- endpointSelector: {matchLabels: {pod: c}}\n  egress: [{}]\n"),
    "x/b>x/a=1 w1>x/a=1 x/c>x/a=0 x/c>x/b=0 x/b>x/c=1")
add("spec-and-specs", "A spec beside specs is one more of them.", ["specs"],
    cnp("spec:\n  endpointSelector: {matchLabels: {pod: a}}\n  ingress: [{}]\nspecs:\n"
        "- endpointSelector: {matchLabels: {pod: b}}\n  ingress: [{}]\n"), "x/b>x/a=0 x/a>x/b=0 x/a>x/c=1")
add("a-policy-is-of-its-namespace", "A policy of y says nothing of x.", ["subjects"], cnp(f"{EVERY}ingress: [{{}}]", namespace="y"),
    "x/b>x/a=1 x/a>y/a=0 x/a>y/b=0")
add("a-policy-is-of-its-cluster", "A policy of c1 says nothing of c2.", ["subjects"], cnp(f"{EVERY}ingress: [{{}}]"),
    "x/b>x/a=0 c2/x/b>c2/x/a=1 c2/x/b>x/a=0", clusters=2)
add("a-clusterwide-policy-is-of-its-cluster", "A clusterwide policy of c1 says nothing of c2.", ["subjects", "clusterwide"],
    ccnp(f"{EVERY}ingress: [{{}}]"), "x/b>y/a=0 x/b>x/a=0 c2/x/b>c2/x/a=1", clusters=2)
SUBJECTS = [
    ("a-foreign-namespace-of-kubernetes-is-replaced", "{matchLabels: {'k8s:io.kubernetes.pod.namespace': y}}",
     "x/b>x/a=0 x/b>y/a=1"),
    ("a-foreign-namespace-of-any-source-is-nobody", "{matchLabels: {io.kubernetes.pod.namespace: y}}", "x/b>x/a=1 x/b>y/a=1"),
    ("the-own-namespace-of-any-source", "{matchLabels: {io.kubernetes.pod.namespace: x}}", "x/b>x/a=0 x/b>y/a=1"),
    ("a-foreign-cluster-is-nobody", "{matchLabels: {io.cilium.k8s.policy.cluster: c2}}", "x/b>x/a=1"),
    ("by-expressions", "{matchExpressions: [{key: pod, operator: NotIn, values: [b]}]}", "x/b>x/a=0 x/b>x/c=0 x/a>x/b=1"),
    ("by-service-account", "{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}", "x/b>x/c=0 x/b>x/a=1"),
    ("by-namespace-label", "{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}", "x/b>x/a=0 x/b>y/a=1"),
    ("by-a-foreign-namespace-label", "{matchLabels: {io.cilium.k8s.namespace.labels.team: blue}}", "x/b>x/a=1 x/b>y/a=1"),
    ("by-source", "{matchLabels: {'k8s:pod': a}}", "x/b>x/a=0 x/a>x/b=1"),
    ("everyone", "{}", "x/b>x/a=0 x/a>x/b=0 x/b>y/a=1"),
]
for name, selector, by_hand in SUBJECTS:
    add(f"subject-{name}", f"The subjects {selector} of a policy in x.", ["subjects"],
        cnp(f"endpointSelector: {selector}\ningress: [{{}}]"), by_hand)
for name, selector, by_hand in [
        ("a-namespace", "{matchLabels: {'k8s:io.kubernetes.pod.namespace': y}}", "x/b>y/a=0 x/b>x/a=1"),
        ("a-namespace-label", "{matchLabels: {io.cilium.k8s.namespace.labels.team: blue, pod: b}}", "x/a>y/b=0 x/b>y/a=1 y/a>x/b=1"),
        ("everyone", "{}", "x/b>x/a=0 x/b>y/a=0"),
        ("a-label", "{matchLabels: {pod: a}}", "x/b>x/a=0 x/b>y/a=0 x/a>x/b=1")]:
    add(f"subject-clusterwide-{name}", f"The subjects {selector} of a clusterwide policy.", ["subjects", "clusterwide"],
        ccnp(f"endpointSelector: {selector}\ningress: [{{}}]"), by_hand)
add("kinds-are-a-union", "Allows of all kinds of policies add up.", ["kinds"],
    [netpol("podSelector: {matchLabels: {pod: a}}\ningress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]"),
     cnp(f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{pod: c}}}}]}}]"),
     ccnp(f"{A}ingress: [{{fromEntities: [world]}}]")], "x/b>x/a=1 x/c>x/a=1 w1>x/a=1 y/b>x/a=0")
add("both-ends-must-agree", "The source's egress and the destination's ingress both decide.", ["kinds"],
    [cnp(f"{A}egress: [{{toEndpoints: [{{}}]}}]", "out"), cnp("endpointSelector: {matchLabels: {pod: c}}\ningress: [{}]", "in")],
    "x/a>x/b=1 x/a>x/c=0 x/a>y/b=0 x/b>x/c=0")
add("labels-of-a-rule-mean-nothing", "description and labels of a rule are for people.", ["kinds"],
    cnp(f"{A}description: why\nlabels: [{{key: a, value: b, source: k8s}}]\ningress: [{{}}]"), "x/b>x/a=0")
add("json-and-list", "JSON and a List are read as YAML is.", ["kinds"],
    '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": '
    '{"name": "p", "namespace": "x"}, "spec": {"endpointSelector": {"matchLabels": {"pod": "a"}}, "ingress": [{"fromEndpoints": '
    '[{"matchLabels": {"pod": "b"}}]}]}}]}', "x/b>x/a=1 x/c>x/a=0")
add("a-default-namespace", "A namespaced manifest without a namespace is of `default`.", ["kinds"],
    "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec:\n  endpointSelector: {}\n  ingress: [{}]\n",
    "x/b>x/a=1")
