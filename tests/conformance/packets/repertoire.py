"""Cases as their files say them (the C++ reader has judged the format), and which of them share a mesh."""

import ipaddress
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

MAX_CLUSTERS = 4  # of one mesh: each has its servers
MAX_NODES = 5  # of one cluster, unless cases name more
UNDERLAY = [ipaddress.ip_network(text) for text in ("192.168.60.0/24", "fd60::/64")]
PLACEMENTS = ("one node", "nodes apart")


@dataclass
class Case:
    path: Path
    name: str
    tags: list
    world: dict
    steps: list

    def world_key(self):
        return json.dumps(self.world, sort_keys=True)

    def clusters(self):
        return [cluster["name"] for cluster in self.world["clusters"]]

    def pods(self):
        """Every (cluster, pod) that there is at some time."""
        for cluster in self.world["clusters"]:
            for pod in cluster.get("pods", []):
                yield cluster["name"], pod
        for step in self.steps:
            for action in step.get("do", []):
                if "createPod" in action:
                    yield action["cluster"], action["createPod"]

    def externals(self):
        return {host["name"]: host["ips"] for host in self.world.get("externals", [])}

    def probes(self):
        return any(step.get("probes") for step in self.steps)


def load(path):
    text = json.loads(path.read_text())
    return Case(path, text["name"], text.get("tags", []), text["world"], text["steps"])


def spread(cases, count):
    """Some of the cases: in turn from every folder, and there in turn from every set of tags."""
    folders = defaultdict(lambda: defaultdict(list))
    for case in cases:
        folders[case.path.parent][tuple(case.tags)].append(case)

    def in_turn(queues):
        queues = [iter(queue) for queue in queues]
        while queues:
            for queue in list(queues):
                try:
                    yield next(queue)
                except StopIteration:
                    queues.remove(queue)
    everything = in_turn([in_turn(tags.values()) for tags in folders.values()])
    return [case for _, case in zip(range(count), everything)]


def networks_of(ips):
    """The pod networks of a cluster: a /24 or /64 around each address."""
    return {ipaddress.ip_network(f"{ip}/{24 if ':' not in ip else 64}", strict=False) for ip in ips}


@dataclass
class Troupe:
    """Cases that one mesh can play."""
    clusters: dict = field(default_factory=dict)  # name: (nodes, pod networks as text)
    cases: list = field(default_factory=list)
    layouts: dict = field(default_factory=dict)  # cluster: nodes for pods that are bound to none
    _networks: dict = field(default_factory=lambda: defaultdict(set))
    _outside: set = field(default_factory=set)
    _nodes: dict = field(default_factory=lambda: defaultdict(list))

    def takes(self, case):
        """Adds the case if it fits beside the others."""
        networks = {name: set(have) for name, have in self._networks.items()}
        for cluster, pod in case.pods():
            networks.setdefault(cluster, set()).update(networks_of(pod["ips"]))
        outside = self._outside | {ipaddress.ip_address(ip) for ips in case.externals().values() for ip in ips}
        if len(set(self._networks) | set(case.clusters())) > MAX_CLUSTERS or clash(networks, outside):
            return False
        for name in case.clusters():
            self._networks[name] |= networks.get(name, set())
        self._outside = outside
        for cluster, pod in case.pods():
            node = pod.get("node")
            if node and node not in self._nodes[cluster]:
                self._nodes[cluster].append(node)
        self.cases.append(case)
        return True

    def settle(self):
        for name, networks in self._networks.items():
            crowd = max(sum(1 for cluster, pod in case.pods() if cluster == name) for case in self.cases)
            nodes = list(self._nodes[name])
            while len(nodes) < min(max(crowd, 1), MAX_NODES):
                nodes.append(f"any{len(nodes) + 1}")
            self.layouts[name] = nodes
            # A cluster has some network, if only for pods that it never has.
            texts = sorted(str(network) for network in networks) or [f"100.65.{len(self.clusters)}.0/24"]
            self.clusters[name] = (nodes, texts)

    def order(self):
        """(case, placement): those with the same world follow one another, so that it is built once."""
        worlds = defaultdict(list)
        for case in self.cases:
            worlds[case.world_key()].append(case)
        for cases in worlds.values():
            for placement in PLACEMENTS:
                for case in sorted(cases, key=changes_the_world):
                    free = [pod for _, pod in case.pods() if not pod.get("node")]
                    if placement == PLACEMENTS[0] or (case.probes() and len(free) > 1):
                        yield case, placement


def changes_the_world(case):
    from conformance.packets.play import is_policy_alone
    return not all(is_policy_alone(action) for step in case.steps for action in step.get("do", []))


def clash(networks, outside):
    """Why these cannot be of one mesh; empty: they can."""
    taken = [(name, network) for name, have in networks.items() for network in have]
    for i, (name, network) in enumerate(taken):
        for other, theirs in taken[:i]:
            if name != other and network.version == theirs.version and network.overlaps(theirs):
                return f"pods of {name} and {other} share the network {network}: address spaces are not played"
        for ip in outside:
            if ip in network:
                return f"the host outside at {ip} lies in the pod network {network} of {name}"
        for under in UNDERLAY:
            if network.version == under.version and network.overlaps(under):
                return f"the pod network {network} is the one that nodes have here"
    for ip in outside:
        if any(ip in under for under in UNDERLAY):
            return f"the host outside at {ip} lies in the network that nodes have here"
        if ip.is_multicast or ip.is_loopback or ip.is_link_local or ip.is_unspecified:
            return f"no host can have the address {ip}"
    return ""


def plan(cases):
    """Troupes, and why the others cannot be played: {name: reason}."""
    troupes, skipped = [], {}
    for case in cases:
        if any(troupe.takes(case) for troupe in troupes):
            continue
        troupe = Troupe()
        if troupe.takes(case):
            troupes.append(troupe)
            continue
        networks = defaultdict(set)
        for cluster, pod in case.pods():
            networks[cluster] |= networks_of(pod["ips"])
        outside = {ipaddress.ip_address(ip) for ips in case.externals().values() for ip in ips}
        skipped[case.name] = clash(networks, outside) or f"more than {MAX_CLUSTERS} clusters"
    for troupe in troupes:
        troupe.settle()
    return troupes, skipped
