#!/usr/bin/env python3
"""A whole mesh of two clusters, and what happens to lives in it: pods that start while the control plane is out of reach,
a pod that is relabelled, and nodes and clusters that die, stop, are cut off and come back. Needs root. Prints each
check; exit status 77: skipped."""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.mesh import ClusterSpec, wait_until  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from netns.harness import Scenario, main  # noqa: E402
from netns.liveness import down, seen  # noqa: E402

NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""
SERVER_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: shop}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
"""
CLIENT, SERVER, OPEN = "aws/shop/client", "aws/shop/server", "aws/shop/open"
HTTP = [("http", 8080, "tcp")]


class Lives(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1), ClusterSpec("gcp", 2, "europe-west2", 2, nodes=["n1"])]

    def start(self):
        step("Starting two clusters")
        m = self.mesh
        m.start(detail)
        m.apply("aws", NAMESPACES)
        m.add_pods([{"ref": CLIENT, "node": "n1"}, {"ref": SERVER, "node": "n1", "ports": HTTP},
                    {"ref": OPEN, "node": "n1", "ports": HTTP}])
        m.apply("aws", SERVER_POLICY, "--wait")
        m.wait_in_step()

    def endpoint(self, ref):
        """What the pod's agent says of it."""
        pod = self.mesh.host(ref)
        text = self.mesh.endpoint_list(pod.cluster, pod.node)
        name = "/".join(ref.split("/")[1:])
        return next(e for e in json.loads(text) if f"{e['namespace']}/{e['name']}" == name)

    def without_a_control_plane(self):
        step("Pods that start while the control plane is out of reach")
        m = self.mesh
        m.processes["aws-cp1"].kill()
        known = m.add_pod("aws/shop/client-2", "n1", labels={"app": "client"})
        m.add_pod("aws/shop/stranger", "n1", HTTP, labels={"app": "stranger"})
        self.expect(CLIENT, SERVER, 8080, True)
        self.expect(known.ref, SERVER, 8080, True)
        self.expect(known.ref, OPEN, 8080, True)
        self.expect(CLIENT, "aws/shop/stranger", 8080, False)
        self.expect("aws/shop/stranger", OPEN, 8080, False)
        m.start_control_plane("aws-cp1")
        for ref in (known.ref, "aws/shop/stranger"):
            wait_until(f"{ref} to be registered", lambda ref=ref: self.endpoint(ref).get("registered"), 60)
        m.wait_in_step()
        self.checks.expect(self.endpoint(known.ref)["identity"] == self.endpoint(CLIENT)["identity"],
                           "the known labels have the identity that they had")
        self.expect(CLIENT, "aws/shop/stranger", 8080, True)
        self.expect("aws/shop/stranger", OPEN, 8080, True)
        self.expect("aws/shop/stranger", SERVER, 8080, False)

    def relabelled_pod(self):
        step("A pod is relabelled while it runs")
        m = self.mesh
        pod = m.host("aws/shop/stranger")
        m.register_pod(pod, HTTP, {"app": "client"})
        m.wait_in_step()
        self.expect(pod.ref, SERVER, 8080, True)
        m.register_pod(pod, HTTP, {"app": "stranger"})
        m.wait_in_step()
        self.expect(pod.ref, SERVER, 8080, False)

    # ---- liveness ----------------------------------------------------------------------------------------------

    def node(self, how, stop, resume):
        stop()
        seen(self, "aws", "aws/n2", True)
        self.checks.expect(down(self.mesh, "gcp") == set(), f"{how}: gcp sees nothing of it")
        resume()
        seen(self, "aws", "aws/n2", False)

    def liveness(self):
        step("A node dies, and one stops")
        m = self.mesh
        self.node("killed", lambda: m.agent("aws", "n2").kill(), lambda: m.start_agent("aws", "n2"))
        self.node("stopped", lambda: os.kill(m.agent("aws", "n2").pid, signal.SIGSTOP),
                  lambda: os.kill(m.agent("aws", "n2").pid, signal.SIGCONT))
        step("A cluster dies, one stops, and one loses its servers")
        cp = m.processes["gcp-cp1"]
        os.kill(cp.pid, signal.SIGSTOP)
        seen(self, "aws", "gcp/", True)
        os.kill(cp.pid, signal.SIGCONT)
        seen(self, "aws", "gcp/", False)
        self.checks.expect(down(self.mesh, "gcp") == set(), "who stood still itself says nothing of others")
        cp.kill()
        seen(self, "aws", "gcp/", True)
        m.start_control_plane("gcp-cp1")
        seen(self, "aws", "gcp/", False)
        servers = [p for name, p in m.processes.items() if name.startswith("nats-gcp")]
        for server in servers:
            os.kill(server.pid, signal.SIGSTOP)
        seen(self, "aws", "gcp/", True)
        for server in servers:
            os.kill(server.pid, signal.SIGCONT)
        seen(self, "aws", "gcp/", False)
        m.wait_in_step()
        rows = m.postgres.sql("SELECT count(*) FROM admin_liveness WHERE NOT alive", "trivium")
        self.checks.expect(rows.strip() == "0", "SQL says that all live")
        rows = m.postgres.sql("SELECT count(*) FROM admin_liveness WHERE alive", "trivium")
        self.checks.expect(int(rows) >= 2, "and that some were down")

    def run(self):
        self.start()
        self.without_a_control_plane()
        self.relabelled_pod()
        self.liveness()
        rows = self.mesh.postgres.sql("SELECT count(*) FROM admin_identity_audit", "trivium")
        self.checks.expect(rows.strip() == "0", "identities' references are what a count finds")


if __name__ == "__main__":
    sys.exit(main(Lives, __doc__))
