"""A mesh whose wires can be cut: each control plane reaches the database, and each NATS server each other cloud's, by a
relay of its own."""

import re

from mesh.mesh import ClusterSpec, Mesh
from mesh.pod import Host

CLUSTERS = [
    ClusterSpec("aws", 1, "eu-west-2", 1, control_planes=2),
    ClusterSpec("gcp", 2, "europe-west2", 2, control_planes=2),
    ClusterSpec("azure", 3, "uksouth", 3, control_planes=2),
]
SQL_RELAYS, GATEWAY_RELAYS = 15000, 16000  # first ports
NOBODY = 9  # a port where nothing listens


class Relays(Host):
    program = "relay_main.py"

    def __init__(self, mesh):
        super().__init__(mesh.run, mesh.underlay.netns, "relays", [])
        self.address = mesh.underlay.address

    def open(self, name, port, to_port, sql=None):
        self.tell("open", name=name, listen=[self.address, port], to=[self.address, to_port], sql=sql)


class FaultMesh(Mesh):
    def __init__(self, folder, name, build, clusters=None):
        super().__init__(folder, name=name, build=build, clusters=clusters or CLUSTERS)
        self.relays = None
        self.links = {}  # {frozenset of two clusters: [relay]}

    def instances(self):
        return [f"{c.name}-cp{i}" for c in self.clusters for i in range(1, c.control_planes + 1)]

    def nats_servers(self):
        return sorted(conf.stem for conf in (self.made / "nats").glob("*.conf"))

    def adapt(self):
        self.relays = Relays(self)
        self.relays.start()
        self._relay_sql()
        self._relay_gateways()

    def _relay_sql(self):
        folder = self.made / "sql"
        pair = lambda name: [str(folder / f"{name}.crt"), str(folder / f"{name}.key")]
        sql = {"server": pair("server"), "client": pair("trivium_writer"), "ca": str(folder / "ca.crt")}
        for port, instance in enumerate(self.instances(), SQL_RELAYS):
            self.relays.open(f"sql {instance}", port, self.sql_port, sql)
            path = self.made / "controlplane" / f"{instance}.yaml"
            text = path.read_text()
            direct, relayed = f"{self.underlay.address}:{self.sql_port}", f"{self.underlay.address}:{port}"
            if direct not in text:
                raise RuntimeError(f"{path} does not name the database as {direct}")
            path.write_text(text.replace(direct, relayed))

    def _relay_gateways(self):
        """Nobody learns the direct way either: what servers tell each other of their own gateways leads nowhere."""
        owner = {}  # gateway port -> cluster
        for server in self.nats_servers():
            text = (self.made / "nats" / f"{server}.conf").read_text()
            owner[int(re.search(r'advertise: "[^"]*:(\d+)"', text)[1])] = self._cluster_of(server)
        port = GATEWAY_RELAYS
        for server in self.nats_servers():
            path, cluster = self.made / "nats" / f"{server}.conf", self._cluster_of(server)
            text = re.sub(r'(advertise: "[^"]*:)\d+"', rf'\g<1>{NOBODY}"', path.read_text())
            for gateway_port, other in owner.items():
                if other == cluster:
                    continue
                name = f"gateway {server} to {gateway_port}"
                self.relays.open(name, port, gateway_port)
                self.links.setdefault(frozenset((cluster, other)), []).append(name)
                direct = f'"tls://{self.underlay.address}:{gateway_port}"'
                if direct not in text:
                    raise RuntimeError(f"{path} does not name the gateway {direct}")
                text = text.replace(direct, f'"tls://{self.underlay.address}:{port}"')
                port += 1
            path.write_text(text)

    def _cluster_of(self, server):
        return next(c.name for c in self.clusters if server.startswith(f"{c.name}-"))

    def start(self, say=lambda text: None):
        super().start(say)
        for instance in self.instances():
            self.wait_for(instance, lambda i=instance: "serving" in self.processes[i].log.read_text(errors="replace"))
