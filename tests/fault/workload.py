"""Clients that change things while faults rage, and remember what they were told.

Each object has one writer, and each of its values a number, so that the end can be judged: a value that was acknowledged
last, or one whose request never was answered, whenever it was sent."""

import json
import threading
import time

from mesh.run import CommandFailed

NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: Namespace
metadata: {name: bulk}
"""
# In every cluster alike: clients of all clusters reach its server, strangers do not.
SERVER_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: app}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from:
    - podSelector:
        matchLabels: {app: client}
        matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: Exists}]
    ports: [{port: 8080}]
"""
BULK = 20  # policies in one request


def filler(n):
    """Changes the servers' rules in many places, and the meaning for nobody who is there."""
    ports = ", ".join(f"{{port: {20000 + n % 1000 * 30 + k}}}" for k in range(25))
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: filler, namespace: app, labels: {{value: "{n}"}}}}
spec:
  podSelector: {{matchLabels: {{app: server}}}}
  ingress:
  - from: [{{ipBlock: {{cidr: 203.0.113.0/24}}}}]
    ports: [{ports}]
"""


def bulk(n):
    return "---".join(f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: bulk-{i}, namespace: bulk, labels: {{value: "{n}"}}}}
spec:
  podSelector: {{matchLabels: {{app: nobody-{i}}}}}
  ingress: [{{ports: [{{port: {1000 + n % 60000}}}]}}]
""" for i in range(BULK))


def namespace(n):
    return f"""
apiVersion: v1
kind: Namespace
metadata: {{name: changing, labels: {{value: "{n}"}}}}
"""


class Client:
    """The one writer of one object of one cluster. `make(n)`: its manifest number n."""

    def __init__(self, mesh, cluster, make, kind, ns, names):
        self.mesh, self.cluster, self.make = mesh, cluster, make
        self.kind, self.ns, self.names = kind, ns, names
        self.n = 0
        self.acknowledged = None  # the last value whose request was answered with success
        self.open = set()         # values whose requests were not answered: they may become true, early or late
        self.answered = self.unanswered = 0

    def change(self, timeout="3s"):
        self.n += 1
        n = self.n
        self.open.add(n)
        try:
            self.mesh.ctl(self.cluster, "--timeout", timeout, "apply", "-f", "-", input=self.make(n), timeout=120)
        except CommandFailed:
            self.unanswered += 1
            return False
        self.open.discard(n)
        self.acknowledged = n
        self.answered += 1
        return True

    def values(self):
        """What the cluster holds now, one number for each name."""
        scope = ["-n", self.ns] if self.ns else []
        held = []
        for name in self.names:
            text = self.mesh.ctl(self.cluster, "get", self.kind, name, *scope, "-o", "json")
            held.append(int(json.loads(text)["metadata"]["labels"]["value"]))
        return held

    def problems(self):
        """What was promised and is not so."""
        if self.acknowledged is None:
            return []
        held = set(self.values())
        what = f"{self.cluster} {self.kind} {self.names[0]}"
        if len(held) > 1:
            return [f"{what}: one request, and half of it is there: {sorted(held)}"]
        value = held.pop()
        if value != self.acknowledged and value not in self.open:
            return [f"{what}: holds {value}; acknowledged last: {self.acknowledged}, unanswered: {sorted(self.open)}"]
        return []


class Mover:
    """A pod whose labels change by its agent's socket: it is a client, or a stranger."""

    def __init__(self, mesh, ref):
        self.mesh, self.ref = mesh, ref
        self.n = self.answered = self.unanswered = 0

    def change(self):
        self.n += 1
        try:
            self.mesh.register_pod(self.mesh.host(self.ref), labels={"app": "client" if self.n % 2 else "stranger"})
        except CommandFailed:
            self.unanswered += 1
            return False
        self.answered += 1
        return True

    @property
    def is_client(self):
        return self.n % 2 == 1


class Workload:
    """All clients, each with a thread of its own, until told to end."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.clients = []
        for c in mesh.clusters:
            self.clients += [
                Client(mesh, c.name, filler, "networkpolicy", "app", ["filler"]),
                Client(mesh, c.name, bulk, "networkpolicy", "bulk", [f"bulk-{i}" for i in (0, BULK // 2, BULK - 1)]),
                Client(mesh, c.name, namespace, "namespace", "", ["changing"]),
            ]
        self.movers = [Mover(mesh, f"{c.name}/app/mover") for c in mesh.clusters]
        self._end = threading.Event()
        self._threads = []
        self.errors = []

    def _work(self, worker):
        try:
            while not self._end.is_set():
                worker.change()
                self._end.wait(0.1)
        except Exception as error:  # the judge shows it
            self.errors.append(f"{type(error).__name__}: {error}")

    def start(self):
        self._end.clear()
        self._threads = [threading.Thread(target=self._work, args=(w,)) for w in self.clients + self.movers]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def counts(self):
        everybody = self.clients + self.movers
        return sum(w.answered for w in everybody), sum(w.unanswered for w in everybody)

    def settle(self, timeout=60):
        """After the faults: every writer gets one more change through, and it is the value from then on."""
        deadline = time.monotonic() + timeout
        for worker in self.clients + self.movers:
            while not worker.change():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{timeout} s after the faults a change is still refused")
                time.sleep(0.2)
