"""The world that made cases play in, and how a case is written down."""

import json


def pod(namespace, name, labels, number, cluster=1, ports=None, account=None, node=None):
    out = {"namespace": namespace, "name": name, "labels": labels}
    if account:
        out["serviceAccount"] = account
    if node:
        out["node"] = node
    out["ips"] = [f"10.{cluster}.0.{number}", f"fd00:{cluster}::{number}"]
    out["ports"] = [{"name": n, "port": p, "protocol": t} for n, p, t in (ports or STANDARD_PORTS)]
    return out


STANDARD_PORTS = [("serve-80-tcp", 80, "TCP"), ("serve-81-tcp", 81, "TCP"), ("serve-80-udp", 80, "UDP")]


def cluster(number):
    return {
        "name": f"c{number}",
        "namespaces": [{"name": "x", "labels": {"team": "red"}}, {"name": "y", "labels": {"team": "blue"}}],
        "pods": [
            pod("x", "a", {"pod": "a", "tier": "front"}, 11, number),
            pod("x", "b", {"pod": "b", "tier": "back"}, 12, number),
            pod("x", "c", {"pod": "c"}, 13, number, account="robot"),
            pod("y", "a", {"pod": "a", "tier": "back"}, 21, number),
            pod("y", "b", {"pod": "b"}, 22, number),
        ],
    }


EXTERNALS = [
    {"name": "w1", "ips": ["192.0.2.7", "2001:db8::7"], "ports": [{"port": 80, "protocol": "TCP"}]},
    {"name": "w2", "ips": ["198.51.100.9", "2001:db8:1::9"], "ports": [{"port": 80, "protocol": "TCP"}]},
]


def world(clusters=1):
    return {"clusters": [cluster(n + 1) for n in range(clusters)], "externals": EXTERNALS}


def parties(of_world):
    pods = [f"{c['name']}/{p['namespace']}/{p['name']}" for c in of_world["clusters"] for p in c["pods"]]
    return pods + [e["name"] for e in of_world["externals"]]


def probe(order, port=80, protocol="TCP", family=4, since=None):
    out = {"port": port, "protocol": protocol, "family": family, "order": order, "table": []}
    for source in order:
        row = ""
        for target in order:
            external = "/" not in source and "/" not in target
            row += "." if source == target or external else "0"
        out["table"].append(row)
    if since is not None:
        out["flow"] = "established"
        out["since"] = since
    return out


def dump(value, indent=0):
    """JSON in which short lists and maps stand on one line, and tables are squares."""
    flat = json.dumps(value, ensure_ascii=False)
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        if len(flat) < 110 and "table" not in value and "\n" not in flat:
            return flat
        rows = [f"{pad}{json.dumps(k)}: {dump(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    if isinstance(value, list):
        table = len(value) > 1 and all(isinstance(v, str) and set(v) <= set("01.") for v in value)
        if len(flat) < 110 and not table and not any(isinstance(v, dict) and "apply" in v for v in value):
            return flat
        return "[\n" + ",\n".join(pad + dump(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
    return flat
