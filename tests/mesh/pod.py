"""Hosts to connect from and to: pods, joined to their node by veth as a CNI plugin would do it, and hosts outside the
mesh. Each has a process inside its namespace (pod_main.py) that does what it is asked."""

import ipaddress
import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

from .run import sh

GATEWAY = {4: "169.254.1.1", 6: "fe80::1"}


class Host:
    """A namespace with a process inside."""

    program = "pod_main.py"

    def __init__(self, run, netns, ref, ips):
        self.run, self.netns, self.ref, self.ips = run, netns, ref, ips
        self._next_id = 0
        self._waiting = {}
        self._lock = threading.Lock()
        self.process = None

    def start(self):
        self.process = self.run.start(self.netns, [sys.executable, "-u", Path(__file__).parent / self.program],
                                      netns=self.netns, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.popen.stdout:
            answer = json.loads(line)
            with self._lock:
                future = self._waiting.pop(answer["id"])
            future.set_result(answer)
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(RuntimeError(f"the process in {self.ref} has ended; see {self.process.log}"))

    def ask(self, do, **arguments):
        """Sends a command; a Future of its answer."""
        future = Future()
        with self._lock:
            self._next_id += 1
            command = {"id": self._next_id, "do": do, **arguments}
            self._waiting[self._next_id] = future
            self.process.popen.stdin.write((json.dumps(command) + "\n").encode())
            self.process.popen.stdin.flush()
        return future

    def tell(self, do, **arguments):
        """Sends a command and waits for its answer."""
        answer = self.ask(do, **arguments).result(timeout=60)
        if "error" in answer:
            raise RuntimeError(f"{self.ref}: {do} {arguments}: {answer['error']}")
        return answer

    def listen(self, ports, families):
        """`ports`: [(name, port, protocol)]."""
        for _, port, protocol in ports:
            for family in families:
                self.tell("listen", protocol=protocol, family=family, port=port)

    def ip(self, family=4):
        return next(ip for ip in self.ips if ipaddress.ip_address(ip).version == family)


class External(Host):
    """A host on the underlay, outside every cluster. `routes`: [(pod network, node's underlay address)]."""

    def __init__(self, run, underlay, name, number):
        super().__init__(run, f"{underlay.netns}-{name}", name, [])
        self.underlay, self.number = underlay, number

    def make(self, routes):
        self.ips = [self.underlay.plug(self.netns, self.number)]
        sh("ip", "-n", self.netns, "-batch", "-",
           input="".join(f"route add {network} via {node}\n" for network, node in routes))


class Pod(Host):
    """`ref` is cluster/namespace/name; `ips` its addresses. The host side stays down: the agent raises it."""

    def __init__(self, run, node_netns, ref, ips, number):
        super().__init__(run, f"{node_netns}-p{number}", ref, ips)
        self.node_netns = node_netns
        self.cluster, self.namespace, self.name = ref.split("/")
        self.ifname = f"lxc{number}"

    def make(self):
        """Namespace, veth pair, addresses, routes, permanent neighbours."""
        run, node, ns = self.run, self.node_netns, self.netns
        run.add_namespace(ns)
        sh("ip", "-n", node, "link", "add", self.ifname, "type", "veth", "peer", "name", "eth0", "netns", ns)
        links = json.loads(sh("ip", "-n", node, "-j", "link", "show", self.ifname))
        self.host_mac = links[0]["address"]
        self.pod_mac = json.loads(sh("ip", "-n", ns, "-j", "link", "show", "eth0"))[0]["address"]
        commands = ["link set eth0 mtu 1450 up"]
        for ip in self.ips:
            family = ipaddress.ip_address(ip).version
            commands += [
                f"addr add {ip}/{32 if family == 4 else 128} dev eth0" + (" nodad" if family == 6 else ""),
                f"neigh replace {GATEWAY[family]} lladdr {self.host_mac} dev eth0 nud permanent",
                f"route add default via {GATEWAY[family]} dev eth0 onlink",
            ]
        sh("ip", "-n", ns, "-batch", "-", input="\n".join(commands) + "\n")

    def remove(self):
        if self.process:
            self.process.terminate(2)
        sh("ip", "-n", self.node_netns, "link", "del", self.ifname, check=False)
        self.run.del_namespace(self.netns)
