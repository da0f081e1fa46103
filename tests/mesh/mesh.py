"""Three clouds on one machine: PostgreSQL, a hub and an edge NATS server per cluster, control planes, agents, pods.

Everything listens inside the infra namespace; nodes and pods are namespaces of their own. Nothing touches the
machine's own network."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .net import PREFIX, Underlay
from .pod import External, Pod
from .postgres import Postgres
from .run import Run, clean_up, sh

ROOT = Path(__file__).resolve().parents[2]
NATS_SERVER = "/usr/sbin/nats-server"


@dataclass
class ClusterSpec:
    name: str
    id: int
    region: str
    home: int
    nodes: list = field(default_factory=lambda: ["n1", "n2"])
    control_planes: int = 1
    pod_cidrs: list = field(default_factory=list)  # any of these on any node; empty: 10.<id>.<node>.0/24 and so on
    subscribers: list = field(default_factory=list)  # of its events; none: no relay runs


DEMO_CLUSTERS = [
    ClusterSpec("aws-euw2", 1, "eu-west-2-aws", 1, subscribers=["audit"]),
    ClusterSpec("gcp-euw2", 2, "eu-west-2-gcp", 2),
    ClusterSpec("azure-uks", 3, "uk-south-azure", 3),
]


def wait_until(what, condition, timeout=30, interval=0.05):
    """Asks `condition` until it is true; TimeoutError naming `what` otherwise. For a harness, not for product code."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


class Mesh:
    def __init__(self, folder, name="tvm", clusters=None, build=None, log_level="info", metrics=None):
        clean_up(folder)
        self.run = Run(folder)
        self.name = name
        self.clusters = clusters or DEMO_CLUSTERS
        self.build = Path(build or ROOT / "build/dev")
        self.log_level = log_level
        self.metrics = metrics or {"controlplane": "127.0.0.1:0", "agent": "127.0.0.1:0"}
        self.underlay = Underlay(self.run, name)
        self.made = self.run.folder / "mesh"  # what `triviumctl mesh init` wrote
        self.pin_root = Path(f"/sys/fs/bpf/trivium-{name}")
        self.sql_port = 5432
        self.node_numbers = {}
        self.processes = {}  # by name: nats, control planes, agents
        self.builds = {}  # by name of a process: its build folder, if it is not `build`
        self.pods = {}
        self.externals = {}
        self._pod_number = 0
        self._lock = threading.Lock()

    # ---- names -----------------------------------------------------------------------------------------------

    def binary(self, name, process=None):
        folder = {"triviumctl": "cli", "trivium-agent": "nodeagent", "trivium-controlplane": "controlplane",
                  "trivium-relay": "controlplane/relay"}[name]
        return self.builds.get(process, self.build) / folder / name

    def node_netns(self, cluster, node):
        return f"{self.name}-{cluster}-{node}"

    def socket(self, cluster, node):
        return self.run.folder / "agents" / f"{cluster}-{node}.sock"

    def cluster(self, name):
        return next(c for c in self.clusters if c.name == name)

    # ---- start -----------------------------------------------------------------------------------------------

    def write_spec(self):
        """mesh.yaml, the one file that `triviumctl mesh init` reads. JSON is YAML."""
        clusters = []
        for c in self.clusters:
            ports = {role: 4000 + 100 * c.id + offset for role, offset in (("hub", 0), ("edge", 10))}
            server = {
                role: [{"host": self.underlay.address, "port": port, "cluster_port": port + 1, "gateway_port": port + 2}]
                for role, port in ports.items()
            }
            nodes = []
            for index, node in enumerate(c.nodes, 1):
                number = 10 * c.id + index
                self.node_numbers[c.name, node] = number
                key = f"{c.name}-{node}"
                networks = {} if c.pod_cidrs else {
                    "pod_cidrs": [f"10.{c.id}.{index}.0/24", f"fd00:{c.id}:{index}::/64"],
                    "inner_addresses": [f"10.{c.id}.{index}.1", f"fd00:{c.id}:{index}::1"],
                }
                nodes.append({
                    "name": node, "zone": f"{c.region}-{'abc'[index % 3]}",
                    "underlay": {"device": "eth0", "addresses": [f"{PREFIX}.{number}"]}, **networks,
                    "state_dir": str(self.run.folder / "agents" / key),
                    "socket": str(self.socket(c.name, node)),
                    "pin_root": str(self.pin_root / key),
                })
            clusters.append({
                "name": c.name, "id": c.id, "region": c.region, "address_space": 0,
                "pod_cidrs": c.pod_cidrs or [f"10.{c.id}.0.0/16", f"fd00:{c.id}::/32"],
                "nats": {"hubs": server["hub"], "edges": server["edge"]},
                "control_planes": [f"{c.name}-cp{i}" for i in range(1, c.control_planes + 1)],
                "nodes": nodes, "operators": ["admin"], **self.events_of(c),
            })
        spec = {
            "mesh": self.name, "log_level": self.log_level, "metrics": self.metrics,
            "regions": [{"name": c.region, "home": c.home} for c in self.clusters],
            "sql": {"hosts": [f"{self.underlay.address}:{self.sql_port}"], "database": "trivium"},
            "clusters": clusters,
        }
        path = self.run.folder / "mesh.yaml"
        path.write_text(json.dumps(spec, indent=2))
        return path

    def events_of(self, c):
        """The server of a cluster's events for third parties, and who may read them."""
        if not c.subscribers:
            return {}
        return {"events": {
            "host": self.underlay.address, "port": 4000 + 100 * c.id + 30, "relays": [f"{c.name}-relay1"],
            "store_dir": str(self.run.folder / f"{c.name}-events"),
            "subscribers": [{"name": name} for name in c.subscribers],
        }}

    def start(self, say=lambda text: None):
        say("network namespaces")
        self.underlay.make()
        (self.run.folder / "agents").mkdir(exist_ok=True)
        spec = self.write_spec()
        for (cluster, node), number in self.node_numbers.items():
            self.underlay.plug(self.node_netns(cluster, node), number)
        say("certificates and NATS configuration")
        sh(self.binary("triviumctl"), "mesh", "init", "-f", spec, "-o", self.made)
        self.adapt()
        say("PostgreSQL; NATS: a hub and an edge in each cloud")
        self.postgres = Postgres(self.run, self.underlay.netns, self.underlay.address, self.sql_port, self.made / "sql")
        with ThreadPoolExecutor(1) as pool:
            database = pool.submit(self.postgres.start)
            for conf in sorted((self.made / "nats").glob("*.conf")):
                self.start_nats(conf.stem)
            database.result()
        say("control planes")
        for c in self.clusters:
            for i in range(1, c.control_planes + 1):
                self.start_control_plane(f"{c.name}-cp{i}")
        for c in self.clusters:
            self.wait_for(f"{c.name}-cp1", lambda c=c: self.status(c.name) is not None)
        for c in self.clusters:
            if c.subscribers:
                self.start_relay(f"{c.name}-relay1")
        say("node agents")
        self.run.add_pins(self.pin_root)
        for cluster, node in self.node_numbers:
            self.start_agent(cluster, node)
        for cluster, node in self.node_numbers:
            self.wait_for(f"agent-{cluster}-{node}", self.socket(cluster, node).exists)

    def adapt(self):
        """For harnesses that change what `mesh init` wrote before anything runs by it."""

    def wait_for(self, name, ready, timeout=60):
        """Until process `name` is ready; says what it logged last if it ends before."""
        def settled():
            return ready() or not self.processes[name].alive()
        wait_until(name, settled, timeout)
        process = self.processes[name]
        if not process.alive():
            last = process.log.read_text(errors="replace").splitlines()[-3:]
            raise RuntimeError(f"{name} ended as it started: {' | '.join(last)}")

    def _start(self, name, argv, netns, wave=0):
        old = self.processes.get(name)
        if old is not None and old.alive():
            raise RuntimeError(f"{name} runs already")
        self.processes[name] = self.run.start(name, argv, netns=netns, wave=wave)
        return self.processes[name]

    def start_nats(self, server):
        return self._start(f"nats-{server}", [NATS_SERVER, "-c", self.made / "nats" / f"{server}.conf"],
                           self.underlay.netns, wave=1)

    def start_control_plane(self, instance):
        return self._start(instance, [self.binary("trivium-controlplane", instance), "--config",
                                      self.made / "controlplane" / f"{instance}.yaml"], self.underlay.netns)

    def start_relay(self, instance):
        return self._start(instance, [self.binary("trivium-relay", instance), "--config",
                                      self.made / "relay" / f"{instance}.yaml"], self.underlay.netns)

    def start_agent(self, cluster, node):
        name = f"agent-{cluster}-{node}"
        return self._start(name, [self.binary("trivium-agent", name), "--config",
                                  self.made / "agent" / f"{cluster}-{node}.yaml"], self.node_netns(cluster, node))

    def agent(self, cluster, node):
        return self.processes[f"agent-{cluster}-{node}"]

    # ---- talking to it -----------------------------------------------------------------------------------------

    def ctl(self, cluster, *argv, check=True, input=None, timeout=60):
        """triviumctl inside the infra namespace, in the context of that cluster."""
        return sh("nsenter", f"--net=/run/netns/{self.underlay.netns}", self.binary("triviumctl"),
                  "--config", self.made / "triviumctl.yaml", "--context", cluster, *argv,
                  check=check, input=input, timeout=timeout)

    def status(self, cluster):
        """`triviumctl status -o json` of one control plane, or None if it does not answer."""
        text = self.ctl(cluster, "--timeout", "2s", "status", "-o", "json", check=False)
        try:
            status = json.loads(text)
        except ValueError:
            return None
        return None if status["unreachable"] else status

    def mesh_status(self):
        """The whole mesh as all control planes report it, or None."""
        text = sh("nsenter", f"--net=/run/netns/{self.underlay.netns}", self.binary("triviumctl"),
                  "--config", self.made / "triviumctl.yaml", "--timeout", "2s", "status", "-o", "json", check=False)
        try:
            return json.loads(text)
        except ValueError:
            return None

    def wait_in_step(self, timeout=60):
        """Until every agent that there should be enforces the newest head of every cluster."""
        def in_step():
            status = self.mesh_status()
            if status is None or not status["inStep"]:
                return False
            nodes = sum(c.get("nodes", 0) for c in status["clusters"])
            return len(status["agents"]) == nodes == len(self.node_numbers)
        try:
            wait_until("every agent to enforce every head", in_step, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {json.dumps(self.mesh_status(), indent=1)}") from None

    def agent_state(self, cluster, node, *flags):
        """What the agent itself says (`triviumctl endpoint agent`)."""
        return json.loads(sh(self.binary("triviumctl"), "endpoint", "agent", *flags, "--socket",
                             self.socket(cluster, node), check=False))

    def endpoint_list(self, cluster, node):
        """The agent's endpoints, as JSON text."""
        return sh(self.binary("triviumctl"), "endpoint", "list", "-o", "json", "--socket", self.socket(cluster, node))

    def show_logs(self, lines=25, say=print):
        """The ends of all logs but the pods'."""
        for process in self.processes.values():
            text = process.log.read_text(errors="replace").splitlines()[-lines:]
            say(f"---- {process.log.name}{'' if process.alive() else ' (ended)'}\n" + "\n".join(text))

    def apply(self, cluster, manifest, *flags):
        return self.ctl(cluster, "apply", "-f", "-", *flags, input=manifest)

    # ---- pods ------------------------------------------------------------------------------------------------

    def make_pod(self, ref, node, ports=(), families=(4, 6)):
        """A pod as a CNI plugin makes it, its listeners running, the agent not told yet. `ports`: [(name, port,
        protocol)]."""
        cluster = ref.split("/")[0]
        with self._lock:
            self._pod_number += 1
            number = self._pod_number
        spec = self.cluster(cluster)
        index = spec.nodes.index(node) + 1
        ips = [f"10.{spec.id}.{index}.{number + 10}"] if 4 in families else []
        ips += [f"fd00:{spec.id}:{index}::{number + 10:x}"] if 6 in families else []
        pod = Pod(self.run, self.node_netns(cluster, node), ref, ips, number)
        pod.node = node
        pod.make()
        pod.start()
        pod.listen(ports, families)
        self.pods[ref] = pod
        return pod

    def register_pod(self, pod, ports=(), labels=None):
        """Hands a pod to its node's agent."""
        argv = ["endpoint", "add", f"{pod.namespace}/{pod.name}", "--ifname", pod.ifname, "--pod-mac", pod.pod_mac]
        for ip in pod.ips:
            argv += ["--ip", ip]
        for key, value in (labels or {"app": pod.name}).items():
            argv += ["-l", f"{key}={value}"]
        for port_name, port, protocol in ports:
            argv += ["--port", f"{port_name}={port}/{protocol.upper()}"]
        return sh(self.binary("triviumctl"), *argv, "--socket", self.socket(pod.cluster, pod.node))

    def add_pod(self, ref, node, ports=(), labels=None, families=(4, 6)):
        pod = self.make_pod(ref, node, ports, families)
        self.register_pod(pod, ports, labels)
        return pod

    def add_pods(self, pods):
        """Several at once: a list of add_pod's arguments as dictionaries."""
        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(self.add_pod, **pod) for pod in pods]:
                future.result()

    def add_external(self, name, number, ports=()):
        """A host outside the mesh, at 192.168.60.<number>, that reaches pods through their nodes."""
        host = External(self.run, self.underlay, name, number)
        host.make([(f"10.{c.id}.{index}.0/24", f"{PREFIX}.{self.node_numbers[c.name, node]}")
                   for c in self.clusters for index, node in enumerate(c.nodes, 1)])
        host.start()
        host.listen(ports, (4,))
        self.externals[name] = host
        return host

    def host(self, ref):
        return self.pods.get(ref) or self.externals[ref]

    def remove_pod(self, ref):
        pod = self.pods.pop(ref)
        sh(self.binary("triviumctl"), "endpoint", "del", "/".join(ref.split("/")[1:]), "--socket",
           self.socket(pod.cluster, pod.node))
        pod.remove()

    def stop(self):
        self.run.stop()
