#!/usr/bin/env python3
"""A whole mesh of two clusters: a policy applied in one decides packets from the other, and an agent that is killed
while policies change loses nothing and lets nothing through. Needs root. Prints each check; exit status 77: skipped."""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.mesh import ClusterSpec  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from netns.harness import Scenario, main  # noqa: E402

CLIENT, OTHER, SERVER = "aws/shop/client", "aws/shop/other", "gcp/shop/server"
NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: vault}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: vault}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
"""
SERVER_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: shop}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client, io.cilium.k8s.policy.cluster: aws}}}]
    ports: [{port: http}]
"""


def filler(i):
    """Changes the server's rules in a hundred places each time, and the meaning for nobody who is there."""
    ports = ", ".join(f"{{port: {20000 + i * 500 + 2 * k}}}" for k in range(100))
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: filler, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: server}}}}
  ingress:
  - from: [{{ipBlock: {{cidr: 203.0.113.0/24}}}}]
    ports: [{ports}]
"""


class FirstPath(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1), ClusterSpec("gcp", 2, "europe-west2", 2, nodes=["n1"])]

    def start(self):
        step("Starting two clusters")
        m = self.mesh
        m.start(detail)
        for cluster in ("aws", "gcp"):
            m.apply(cluster, NAMESPACES)
        m.add_pods([
            {"ref": CLIENT, "node": "n1"}, {"ref": OTHER, "node": "n2"},
            {"ref": SERVER, "node": "n1", "ports": [("http", 8080, "tcp"), ("admin", 9090, "tcp")]},
        ])
        m.wait_in_step()

    def policy_across_clusters(self):
        step("A policy of gcp decides packets from aws")
        for source in (CLIENT, OTHER):
            self.expect(source, SERVER, 8080, True)
        self.mesh.apply("gcp", SERVER_POLICY, "--wait")
        self.expect(CLIENT, SERVER, 8080, True)
        self.expect(CLIENT, SERVER, 9090, False)
        self.expect(OTHER, SERVER, 8080, False)
        # The same manifest with everything open, in aws: its subjects are the pods of aws alone.
        self.mesh.apply("aws", SERVER_POLICY.replace("    ports: [{port: http}]\n", ""), "--wait")
        self.expect(OTHER, SERVER, 8080, False)

    def killed_agent(self, share):
        """`share`: where the kill falls, between the start of a change (0) and its acknowledgement (1)."""
        step(f"SIGKILL for gcp's agent, {share * 100:.0f} % into a change")
        m = self.mesh
        address = m.host(SERVER).ip()
        m.host(CLIENT).tell("flow", name="flow", protocol="tcp", ip=address, port=8080, interval=0.01)
        m.host(OTHER).tell("attempts", name="denied", protocol="tcp", ip=address, port=8080, interval=0.01, timeout=0.1)
        m.apply("gcp", filler(0))
        started = time.monotonic()
        m.apply("gcp", filler(1))
        duration = time.monotonic() - started
        change = threading.Thread(target=m.apply, args=("gcp", filler(2)))
        change.start()
        time.sleep(duration * share)  # waits for nothing: it says where in the change the kill falls
        m.agent("gcp", "n1").kill()
        change.join()
        behind = m.apply("gcp", filler(3))
        m.start_agent("gcp", "n1")
        m.wait_in_step()
        flow = m.host(CLIENT).tell("flow-report", name="flow", stop=True)
        denied = m.host(OTHER).tell("attempts-report", name="denied", stop=True)
        self.checks.expect("configured" in behind, "a change was applied while the agent was dead")
        self.checks.expect(not flow["broken"] and flow["answered"] > 10 and flow["longest_gap"] < 1.0,
                           f"the allowed flow ran on: {flow}")
        self.checks.expect(denied["tried"] > 0 and denied["passed"] == 0, f"no denied connection passed: {denied}")
        audit = m.agent_state("gcp", "n1", "--audit")
        self.checks.expect(not audit.get("audit"), f"the restarted agent's maps are what they should be "
                                                   f"{audit.get('audit', '')}")

    def closed_from_the_first_instant(self):
        step("A pod under default deny is closed before, while and after it starts")
        m = self.mesh
        pod = m.make_pod("gcp/vault/safe", "n1", [("http", 80, "tcp")])
        m.host(CLIENT).tell("attempts", name="early", protocol="tcp", ip=pod.ip(), port=80, interval=0.002, timeout=0.03)
        m.register_pod(pod, [("http", 80, "tcp")])
        m.wait_in_step()
        early = m.host(CLIENT).tell("attempts-report", name="early", stop=True)
        self.checks.expect(early["tried"] > 0 and early["passed"] == 0, f"no connection passed: {early}")
        self.expect(CLIENT, "gcp/vault/safe", 80, False)

    def run(self):
        self.start()
        self.policy_across_clusters()
        for share in (0.6, 0.8, 0.9, 1.0):
            self.killed_agent(share)
        self.closed_from_the_first_instant()


if __name__ == "__main__":
    sys.exit(main(FirstPath, __doc__))
