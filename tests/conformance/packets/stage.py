"""The mesh that cases are played on: clusters of a few nodes, started once; on its nodes, places for pods, and on the
underlay, hosts outside, made when they are first needed and used again by every case."""

import ipaddress
import json
from concurrent.futures import ThreadPoolExecutor

from mesh.mesh import ClusterSpec, Mesh
from mesh.net import PREFIX, PREFIX6
from mesh.pod import GATEWAY
from mesh.run import sh

from conformance.packets.wire import Station, Wire


def family_of(ip):
    return ipaddress.ip_address(ip).version


def first_of_each_family(ips):
    """What is probed of a pod's addresses, and all that an agent takes."""
    chosen = {}
    for ip in ips:
        chosen.setdefault(family_of(ip), ip)
    return list(chosen.values())


def host_routes(ips):
    return [(ip, f"{ip}/{32 if family_of(ip) == 4 else 128}") for ip in ips]


class Place:
    """A namespace with an eth0 and a station; `ips` while somebody lives there."""

    def __init__(self, netns):
        self.netns, self.ips, self.station = netns, [], None

    def batch(self, netns, commands):
        if commands:
            sh("ip", "-n", netns, "-force", "-batch", "-", input="\n".join(commands) + "\n", check=False)


class PodPlace(Place):
    def __init__(self, run, node_netns, number):
        super().__init__(f"{node_netns}-p{number}")
        self.node_netns, self.ifname = node_netns, f"lxc{number}"
        run.add_namespace(self.netns)
        sh("ip", "-n", node_netns, "link", "add", self.ifname, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        self.host_mac = json.loads(sh("ip", "-n", node_netns, "-j", "link", "show", self.ifname))[0]["address"]
        self.pod_mac = json.loads(sh("ip", "-n", self.netns, "-j", "link", "show", "eth0"))[0]["address"]
        sh("ip", "-n", self.netns, "link", "set", "eth0", "mtu", "1450", "up")
        self.station = Station(self.netns)

    def move_in(self, ips):
        """As a CNI plugin makes a pod; the agent raises the link."""
        self.ips = ips
        commands = []
        for ip, route in host_routes(ips):
            gateway = GATEWAY[family_of(ip)]
            commands += [f"addr add {route} dev eth0" + (" nodad" if family_of(ip) == 6 else ""),
                         f"neigh replace {gateway} lladdr {self.host_mac} dev eth0 nud permanent",
                         f"route replace default via {gateway} dev eth0 onlink"]
        sh("ip", "-n", self.netns, "-batch", "-", input="\n".join(commands) + "\n")

    def move_out(self):
        self.station.reset()
        self.batch(self.netns, [f"addr del {route} dev eth0" for _, route in host_routes(self.ips)])
        self.batch(self.node_netns, [f"link set {self.ifname} down"])
        self.ips = []


class OutsidePlace(Place):
    """A host on the underlay. Nodes have a route to its address, it has one to each pod's, by way of the pod's node."""

    def __init__(self, stage, number):
        super().__init__(f"{stage.mesh.underlay.netns}-w{number}")
        stage.mesh.underlay.plug(self.netns, number)
        # The underlay's own address goes: what this host sends is from the address that the case gives it.
        sh("ip", "-n", self.netns, "addr", "flush", "dev", "eth0", "scope", "global")
        self.stage = stage
        self.mac = json.loads(sh("ip", "-n", self.netns, "-j", "link", "show", "eth0"))[0]["address"]
        self.station = Station(self.netns)

    def move_in(self, ips):
        self.ips = ips
        sh("ip", "-n", self.netns, "-batch", "-", input="".join(
            f"addr add {route} dev eth0" + (" nodad\n" if family_of(ip) == 6 else "\n") for ip, route in host_routes(ips)))
        for node in self.stage.node_namespaces():
            sh("ip", "-n", node, "-batch", "-", input="".join(
                f"route replace {route} dev eth0\nneigh replace {ip} lladdr {self.mac} dev eth0 nud permanent\n"
                for ip, route in host_routes(ips)))

    def move_out(self):
        self.station.reset()
        for node in self.stage.node_namespaces():
            self.batch(node, [f"route del {route} dev eth0" for _, route in host_routes(self.ips)])
        self.batch(self.netns, [f"addr del {route} dev eth0" for _, route in host_routes(self.ips)])
        self.ips = []

    def reach(self, pods):
        """Routes to pods: [(address, node's number)]."""
        commands = []
        for ip, number in pods:
            family = family_of(ip)
            node, length = (f"{PREFIX}.{number}", 32) if family == 4 else (f"{PREFIX6}{number:x}", 128)
            if any(family_of(own) == family for own in self.ips):
                commands.append(f"route replace {ip}/{length} via {node} dev eth0 onlink")
        if commands:
            sh("ip", "-n", self.netns, "-batch", "-", input="\n".join(commands) + "\n")


class Stage:
    FIRST_OUTSIDE = 200  # of the underlay's addresses: nodes have those below

    def __init__(self, folder, build, clusters):
        """`clusters`: {name: (nodes, pod networks)}."""
        specs = [ClusterSpec(name, number, f"region-{number}", number, nodes=nodes, pod_cidrs=networks)
                 for number, (name, (nodes, networks)) in enumerate(clusters.items(), 1)]
        self.mesh = Mesh(folder, name="tvq", clusters=specs, build=build, log_level="warn")
        self.wire = Wire()
        self.pods = {}  # (cluster, namespace, name): place
        self.nodes = {}  # the same: node
        self.outside = {}  # by name
        self._free = {}  # by node's namespace; None: outside
        self._made = 0

    def start(self, say):
        self.mesh.start(say)
        for spec in self.mesh.clusters:
            self.mesh.apply(spec.name, '{apiVersion: v1, kind: Namespace, metadata: {name: default}}')
        self.mesh.wait_in_step()

    def stop(self):
        self.mesh.stop()

    def node_namespaces(self):
        return [self.mesh.node_netns(*node) for node in self.mesh.node_numbers]

    def _place(self, key, make):
        free = self._free.setdefault(key, [])
        if free:
            return free.pop()
        self._made += 1
        place = make(self._made)
        self.wire.add(place.station)
        return place

    # ---- pods -------------------------------------------------------------------------------------------------

    def socket(self, cluster, node):
        return self.mesh.socket(cluster, node)

    def register(self, cluster, pod, place, node):
        """Hands a pod to its node's agent, or tells it of other labels."""
        argv = ["endpoint", "add", f"{pod['namespace']}/{pod['name']}", "--ifname", place.ifname, "--pod-mac", place.pod_mac]
        for ip in place.ips:
            argv += ["--ip", ip]
        for key, value in pod.get("labels", {}).items():
            argv += ["-l", f"{key}={value}"]
        for port in pod.get("ports", []):
            if port.get("name"):
                argv += ["--port", f"{port['name']}={port['port']}/{port.get('protocol', 'TCP')}"]
        argv += ["--service-account", pod.get("serviceAccount", "default"), "--socket", self.socket(cluster, node)]
        sh(self.mesh.binary("triviumctl"), *argv)

    def add_pods(self, pods):
        """[(cluster, pod as the case has it, node)]"""
        places = []
        for cluster, pod, node in pods:
            netns = self.mesh.node_netns(cluster, node)
            place = self._place(netns, lambda number, netns=netns: PodPlace(self.mesh.run, netns, number))
            place.move_in(first_of_each_family(pod["ips"]))
            places.append(place)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda each: self.register(each[0][0], each[0][1], each[1], each[0][2]), zip(pods, places)))
        for (cluster, pod, node), place in zip(pods, places):
            self.pods[cluster, pod["namespace"], pod["name"]] = place
            self.nodes[cluster, pod["namespace"], pod["name"]] = node
        self.reach(pods)

    def reach(self, pods):
        for host in self.outside.values():
            host.reach([(ip, self.mesh.node_numbers[cluster, node])
                        for cluster, pod, node in pods for ip in first_of_each_family(pod["ips"])])

    def remove_pods(self, keys):
        def remove(key):
            cluster, namespace, name = key
            sh(self.mesh.binary("triviumctl"), "endpoint", "del", f"{namespace}/{name}", "--socket",
               self.socket(cluster, self.nodes[key]))
        keys = list(keys)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(remove, keys))
        for key in keys:
            place = self.pods.pop(key)
            self._free[self.mesh.node_netns(key[0], self.nodes.pop(key))].append(place)
            place.move_out()

    # ---- hosts outside ----------------------------------------------------------------------------------------

    def set_outside(self, externals):
        """{name: addresses}; returns at once if they are there already."""
        if {name: host.ips for name, host in self.outside.items()} == externals:
            return
        for host in self.outside.values():
            host.move_out()
            self._free[None].append(host)
        self.outside = {}
        for name, ips in externals.items():
            host = self._place(None, lambda _: OutsidePlace(self, self.FIRST_OUTSIDE + len(self.outside)))
            host.move_in(ips)
            self.outside[name] = host
