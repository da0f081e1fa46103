"""Brings a schedule's faults over a running mesh, and mends each at its time."""

import heapq
import os
import signal
import time


class Injector:
    def __init__(self, mesh, met):
        """`met`: counts how often each kind of fault was begun."""
        self.mesh, self.met = mesh, met

    def targets(self):
        m = self.mesh
        return {
            "control planes": m.instances(),
            "agents": [f"{c}/{n}" for c, n in m.node_numbers],
            "NATS servers": m.nats_servers(),
            "links": sorted("|".join(sorted(link)) for link in m.links),
            "database": ["postgres"],
        }

    def run(self, faults, say):
        """Returns when the last fault is mended."""
        begun, queue = time.monotonic(), []
        for order, fault in enumerate(faults):
            heapq.heappush(queue, (fault.at, order, fault, False))
        while queue:
            at, order, fault, mend = heapq.heappop(queue)
            time.sleep(max(0.0, begun + at - time.monotonic()))
            if mend:
                self._mend(fault)
                continue
            say(str(fault))
            self.met[fault.kind] = self.met.get(fault.kind, 0) + 1
            self._begin(fault)
            if fault.length:
                heapq.heappush(queue, (fault.at + fault.length, order, fault, True))

    def _process(self, fault):
        m, target = self.mesh, fault.target
        if fault.kind.endswith("agent"):
            return m.agent(*target.split("/"))
        return m.processes[f"nats-{target}" if fault.kind.endswith("NATS server") else target]

    def _links(self, fault):
        return self.mesh.links[frozenset(fault.target.split("|"))]

    def _set(self, relays, state):
        for name in relays:
            self.mesh.relays.tell("set", name=name, state=state)

    def _begin(self, fault):
        kind = fault.kind
        if kind.startswith("kill"):
            self._process(fault).kill()
        elif kind.startswith("stop"):
            os.kill(self._process(fault).pid, signal.SIGSTOP)
        elif kind.endswith("gateways"):
            self._set(self._links(fault), "cut" if kind.startswith("cut") else "hole")
        elif kind.endswith("database connection"):
            self._set([f"sql {fault.target}"], "cut" if kind.startswith("cut") else "hole")
        elif kind.endswith("COMMIT"):
            self.mesh.relays.tell("commit", name=f"sql {fault.target}", when=kind.split()[1])
        elif kind == "restart database":
            self.mesh.postgres.crash()
        else:
            raise ValueError(kind)

    def _mend(self, fault):
        m, kind = self.mesh, fault.kind
        if kind == "kill control plane":
            m.start_control_plane(fault.target)
        elif kind == "kill agent":
            m.start_agent(*fault.target.split("/"))
        elif kind == "kill NATS server":
            m.start_nats(fault.target)
        elif kind.startswith("stop"):
            os.kill(self._process(fault).pid, signal.SIGCONT)
        elif kind.endswith("gateways"):
            self._set(self._links(fault), "up")
        elif kind.endswith("database connection"):
            self._set([f"sql {fault.target}"], "up")
        elif kind == "restart database":
            m.postgres.start()
