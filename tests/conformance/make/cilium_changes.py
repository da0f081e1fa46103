"""What changes while the system runs: policies, groups, labels, pods, and connections that are open meanwhile."""

from .policies import A, ccnp, cnp, group, netpol
from .world import pod

CASES = []


def add(name, about, tags, steps, clusters=1):
    CASES.append({"name": name, "about": about, "tags": ["cilium", "changes"] + tags, "clusters": clusters,
                  "steps": [{"do": do, "probes": probes} for do, probes in steps]})


def apply(*texts):
    return {"apply": "---\n".join(texts)}


def delete(kind, name, namespace="x"):
    out = {"kind": kind, "name": name}
    if namespace:
        out["namespace"] = namespace
    return {"delete": out}


def see(by_hand, **asked):
    return [{"by_hand": by_hand, **asked}]


FROM_B = f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]"
FROM_C = f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{pod: c}}}}]}}]"
ALL = "x/b>x/a=1 x/c>x/a=1 w1>x/a=1"

add("change-apply-replace-delete", "A policy comes, is replaced, and goes.", [], [
    ([apply(cnp(FROM_B))], see("x/b>x/a=1 x/c>x/a=0")),
    ([apply(cnp(FROM_C))], see("x/b>x/a=0 x/c>x/a=1")),
    ([delete("CiliumNetworkPolicy", "p")], see(ALL))])
add("change-clusterwide-comes-and-goes", "A clusterwide policy comes and goes.", ["clusterwide"], [
    ([apply(ccnp(f"{A}ingress: [{{}}]"))], see("x/b>x/a=0 x/b>y/a=0")),
    ([delete("CiliumClusterwideNetworkPolicy", "p", None)], see("x/b>x/a=1 x/b>y/a=1"))])
add("change-same-name-of-other-kinds", "Kinds have names of their own.", [], [
    ([apply(cnp(FROM_B), netpol("podSelector: {matchLabels: {pod: a}}\ningress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]", "p"),
            ccnp(f"{A}ingress: [{{fromEntities: [world]}}]"))], see(ALL + " y/b>x/a=0")),
    ([delete("CiliumNetworkPolicy", "p")], see("x/b>x/a=0 x/c>x/a=1 w1>x/a=1")),
    ([delete("NetworkPolicy", "p")], see("x/b>x/a=0 x/c>x/a=0 w1>x/a=1")),
    ([delete("CiliumClusterwideNetworkPolicy", "p", None)], see(ALL + " y/b>x/a=1"))])
add("change-deny-lifted", "An allow counts again when the deny is gone.", ["deny"], [
    ([apply(cnp(FROM_B, "allow"), cnp(f"{A}ingressDeny: [{{fromEntities: [all]}}]", "deny"))], see("x/b>x/a=0")),
    ([delete("CiliumNetworkPolicy", "deny")], see("x/b>x/a=1 x/c>x/a=0")),
    ([apply(cnp(f"{A}ingressDeny: [{{fromEndpoints: [{{}}]}}]", "deny"))], see("x/b>x/a=0 x/c>x/a=0"))])
USES_G = cnp(f"{A}ingress: [{{fromCIDRSet: [{{cidrGroupRef: g}}]}}]")
add("change-group-grows-and-shrinks", "A policy follows its group.", ["cidr", "groups"], [
    ([apply(group("[192.0.2.0/24]"), USES_G)], see("w1>x/a=1 w2>x/a=0")),
    ([apply(group("[192.0.2.0/24, 198.51.100.0/24]"))], see("w1>x/a=1 w2>x/a=1")),
    ([apply(group("[198.51.100.0/24]"))], see("w1>x/a=0 w2>x/a=1")),
    ([apply(group("[]"))], see("w1>x/a=0 w2>x/a=0")),
    ([apply(group("[0.0.0.0/0]"))], see("w1>x/a=1 w2>x/a=1 x/b>x/a=0"))])
add("change-group-comes-later", "A group may come after the policy that names it, and go before it.", ["cidr", "groups"], [
    ([apply(USES_G)], see("w1>x/a=0 x/b>x/a=0")),
    ([apply(group("[192.0.2.0/24]"))], see("w1>x/a=1 w2>x/a=0")),
    ([delete("CiliumCIDRGroup", "g", None)], see("w1>x/a=0"))])
add("change-group-labels", "A group that loses its label is selected no more.", ["cidr", "groups"], [
    ([apply(group("[192.0.2.0/24]", "g", "{kind: partner}"),
            cnp(f"{A}ingress: [{{fromCIDRSet: [{{cidrGroupSelector: {{matchLabels: {{kind: partner}}}}}}]}}]"))],
     see("w1>x/a=1 w2>x/a=0")),
    ([apply(group("[198.51.100.0/24]", "h", "{kind: partner}"))], see("w1>x/a=1 w2>x/a=1")),
    ([apply(group("[192.0.2.0/24]", "g", "{kind: stranger}"))], see("w1>x/a=0 w2>x/a=1"))])
add("change-group-denied", "A deny by group follows it too.", ["cidr", "groups", "deny"], [
    ([apply(group("[192.0.2.0/24]"), cnp(f"{A}ingress: [{{fromEntities: [all]}}]\ningressDeny: [{{fromCIDRSet: [{{cidrGroupRef: g}}]}}]"))],
     see("w1>x/a=0 w2>x/a=1 x/b>x/a=1")),
    ([apply(group("[198.51.100.9/32]"))], see("w1>x/a=1 w2>x/a=0"))])
add("change-groups-are-of-their-cluster", "A group of c2 is none of c1.", ["groups"], [
    ([{"cluster": "c2", **apply(group("[192.0.2.0/24]"))}, apply(USES_G)], see("w1>x/a=0")),
    ([apply(group("[198.51.100.0/24]"))], see("w1>x/a=0 w2>x/a=1"))], clusters=2)
add("change-pod-labels", "A pod that changes its labels changes sides, as peer and as subject.", ["labels"], [
    ([apply(cnp(FROM_B))], see("x/b>x/a=1 x/c>x/a=0")),
    ([{"labelPod": {"namespace": "x", "name": "c", "labels": {"pod": "b"}}}], see("x/b>x/a=1 x/c>x/a=1")),
    ([{"labelPod": {"namespace": "x", "name": "b", "labels": {"pod": "a"}}}], see("x/b>x/a=0 x/c>x/a=1 x/a>x/b=0 x/c>x/b=1"))])
add("change-namespace-labels", "Namespace labels are judged as they are now.", ["labels"], [
    ([apply(cnp(f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.namespace.labels.team: blue}}}}]}}]"))],
     see("y/a>x/a=1 x/b>x/a=0")),
    ([{"labelNamespace": {"name": "y", "labels": {"team": "green"}}}], see("y/a>x/a=0 x/b>x/a=0")),
    ([{"labelNamespace": {"name": "x", "labels": {"team": "blue"}}}], see("y/a>x/a=0 x/b>x/a=1"))])
add("change-another-clusters-namespace-labels", "And those of another cluster.", ["labels"], [
    ([apply(cnp(f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{io.cilium.k8s.namespace.labels.team: blue, "
                "io.cilium.k8s.policy.cluster: c2}}]}]"))], see("c2/y/a>x/a=1 c2/x/a>x/a=0 y/a>x/a=0")),
    ([{"cluster": "c2", "labelNamespace": {"name": "x", "labels": {"team": "blue"}}}], see("c2/y/a>x/a=1 c2/x/a>x/a=1"))], clusters=2)
NEW = pod("x", "d", {"pod": "b"}, 31)
add("change-pods-come-and-go", "A pod that comes is judged at once; its address may go to another.", ["pods"], [
    ([apply(cnp(FROM_B))], see("x/b>x/a=1")),
    ([{"createPod": NEW}], see("x/d>x/a=1 x/a>x/d=1", order=["x/a", "x/b", "x/d", "w1"])),
    ([{"deletePod": {"namespace": "x", "name": "d"}}, {"createPod": pod("x", "e", {"pod": "e"}, 31)}],
     see("x/e>x/a=0 x/a>x/e=1", order=["x/a", "x/b", "x/e", "w1"]))])
add("change-a-pod-of-another-cluster", "Pods of another cluster come and go.", ["pods"], [
    ([apply(cnp(f"{A}ingress: [{{fromEndpoints: [{{matchLabels: {{pod: z, io.cilium.k8s.policy.cluster: c2}}}}]}}]"))],
     see("c2/x/b>x/a=0")),
    ([{"cluster": "c2", "createPod": pod("x", "z", {"pod": "z"}, 31, 2)}], see("c2/x/z>x/a=1", order=["x/a", "c2/x/b", "c2/x/z"])),
    ([{"cluster": "c2", "labelPod": {"namespace": "x", "name": "z", "labels": {}}}],
     see("c2/x/z>x/a=0", order=["x/a", "c2/x/b", "c2/x/z"]))], clusters=2)
add("change-namespace-deleted", "A namespace goes with its pods and policies; a new one of its name begins afresh.", ["namespaces"], [
    ([apply(cnp("endpointSelector: {}\ningress: [{}]", namespace="y"))], see("x/a>y/a=0")),
    ([{"deleteNamespace": {"name": "y"}}], see("x/a>x/b=1", order=["x/a", "x/b", "w1"])),
    ([{"createNamespace": {"name": "y", "labels": {}}}, {"createPod": pod("y", "a", {"pod": "a"}, 21)}],
     see("x/a>y/a=1", order=["x/a", "x/b", "y/a", "w1"]))])
add("change-policy-before-namespace-label", "Policy, label, pod, in another order.", ["order"], [
    ([{"createNamespace": {"name": "z", "labels": {}}}, apply(cnp("endpointSelector: {matchLabels: {pod: q}}\n"
      "ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}]}]", namespace="z"))], see("x/a>x/b=1")),
    ([{"createPod": pod("z", "q", {"pod": "q"}, 41)}], see("x/a>z/q=1 y/a>z/q=0", order=["x/a", "y/a", "z/q", "w1"])),
    ([{"labelNamespace": {"name": "x", "labels": {}}}], see("x/a>z/q=0 y/a>z/q=0", order=["x/a", "y/a", "z/q", "w1"]))])

# ---- connections that are open while policies change
HELD = {"since": 0}
FLOWS = [
    ("closed-by-default-deny", [apply(cnp(f"{A}ingress: [{{}}]"))], "x/b>x/a=0 w1>x/a=0 x/a>x/b=1 x/a>w1=1"),
    ("closed-by-deny", [apply(cnp(f"{A}ingressDeny: [{{fromEndpoints: [{{matchLabels: {{pod: b}}}}]}}]\nenableDefaultDeny: {{ingress: false}}"))],
     "x/b>x/a=0 x/c>x/a=1 x/a>x/b=1"),
    ("closed-by-egress-deny", [apply(cnp(f"{A}egressDeny: [{{toEntities: [world]}}]\nenableDefaultDeny: {{egress: false}}"))],
     "x/a>w1=0 x/a>x/b=1 w1>x/a=1"),
    ("still-allowed", [apply(cnp(FROM_B))], "x/b>x/a=1 x/c>x/a=0 x/a>x/c=1"),
    ("closed-by-port", [apply(cnp(f"{A}ingress: [{{toPorts: [{{ports: [{{port: '81'}}]}}]}}]"))], "x/b>x/a=0 x/a>x/b=1"),
    ("closed-by-clusterwide", [apply(ccnp("endpointSelector: {}\ningressDeny: [{fromEntities: [world]}]\nenableDefaultDeny: {ingress: false}"))],
     "w1>x/a=0 w1>y/b=0 x/b>x/a=1"),
]
for name, do, by_hand in FLOWS:
    add(f"established-{name}", "The next packet of an open connection is judged by today's policy, in the direction of its opening.",
        ["established"], [([], see(ALL)), (do, [{"by_hand": by_hand, **HELD}, {"by_hand": by_hand}])])
add("established-closed-and-opened-again", "A connection that was closed passes again when it is allowed again.", ["established"], [
    ([], see(ALL)),
    ([apply(cnp(f"{A}ingress: [{{}}]"))], see("x/b>x/a=0", **HELD)),
    ([apply(cnp(FROM_B))], see("x/b>x/a=1 x/c>x/a=0", **HELD)),
    ([delete("CiliumNetworkPolicy", "p")], see("x/b>x/a=1 x/c>x/a=1", **HELD))])
add("established-group-shrinks", "An open connection follows its CIDR group.", ["established", "groups"], [
    ([apply(group("[192.0.2.0/24, 198.51.100.0/24]"), USES_G)], [{"order": ["x/a", "w1", "w2"], "by_hand": "w1>x/a=1 w2>x/a=1"}]),
    ([apply(group("[192.0.2.0/24]"))], [{"order": ["x/a", "w1", "w2"], "by_hand": "w1>x/a=1 w2>x/a=0", **HELD}])])
add("established-label-change", "An open connection follows its peer's labels.", ["established", "labels"], [
    ([apply(cnp(FROM_B))], [{"order": ["x/a", "x/b"], "by_hand": "x/b>x/a=1"}]),
    ([{"labelPod": {"namespace": "x", "name": "b", "labels": {"pod": "q"}}}], [{"order": ["x/a", "x/b"], "by_hand": "x/b>x/a=0 x/a>x/b=1", **HELD}])])
