#!/usr/bin/env python3
"""Why a packet is dropped, asked of a real mesh in every way there is: trace, an endpoint's maps, the monitor; and audit
mode, of one endpoint and of a whole node, which lets pass what policies deny and says so. Needs root. Prints each check;
exit status 77: skipped."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.mesh import ClusterSpec, wait_until  # noqa: E402
from mesh.run import sh  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from netns.harness import Scenario, main  # noqa: E402

WEB, OTHER, DB = "aws/shop/web", "aws/shop/other", "gcp/data/db"
OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: data}
"""
POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: data}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web, io.kubernetes.pod.namespace: shop, io.cilium.k8s.policy.cluster: aws}}]
    toPorts: [{ports: [{port: "5432", protocol: TCP}]}]
"""


class Reasons(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1, nodes=["n1"]), ClusterSpec("gcp", 2, "europe-west2", 2, nodes=["n1"])]

    def start(self):
        step("Starting two clusters")
        m = self.mesh
        m.start(detail)
        for cluster in ("aws", "gcp"):
            m.apply(cluster, OBJECTS)
        m.add_pods([{"ref": WEB, "node": "n1"}, {"ref": OTHER, "node": "n1"},
                    {"ref": DB, "node": "n1", "ports": [("sql", 5432, "tcp"), ("admin", 9090, "tcp")]}])
        m.apply("gcp", POLICY, "--wait")
        m.wait_in_step()
        self.expect(WEB, DB, 5432, True)
        self.expect(OTHER, DB, 5432, False)

    def says(self, what, text, *wanted):
        missing = [one for one in wanted if one not in text]
        print("\n".join(f"        | {line}" for line in text.splitlines()))
        self.checks.expect(not missing, what + (f": not said: {missing}" if missing else ""))

    def on_node(self, *argv, check=True):
        """triviumctl on the database's node."""
        return sh(self.mesh.binary("triviumctl"), *argv, "--socket", self.mesh.socket("gcp", "n1"), check=check)

    def trace(self):
        step("What the policies say: trace")
        ctl = self.mesh.ctl
        ask = ("policy", "trace", "--to", "data/db", "--dport")
        self.says("an allowed pair names the rule that allows it",
                  ctl("gcp", *ask, "5432", "--from", "shop/web@aws", check=False), "verdict:  allowed",
                  "CiliumNetworkPolicy data/db spec.ingress[0]")
        self.says("a denied pair is told what would have allowed it",
                  ctl("gcp", *ask, "5432", "--from", "shop/other@aws", check=False), "verdict:  denied",
                  "what would have allowed it", "app=web (it has other)")
        self.says("labels stand for a pod that does not exist",
                  ctl("gcp", *ask, "5432", "--from-labels", "app=web", "--from-namespace", "shop", "--from-cluster", "aws",
                      check=False), "verdict:  allowed", "a pod of aws/shop with app=web")
        self.says("an address of nobody's is the world's", ctl("gcp", *ask, "9090", "--from-ip", "192.0.2.1", check=False),
                  "verdict:  denied", "192.0.2.1 (world)")

    def maps(self):
        step("What the kernel holds: endpoint get --maps")
        self.says("desired and kernel state are the same", self.on_node("endpoint", "get", "data/db", "--maps"),
                  "no difference between desired and kernel", "CiliumNetworkPolicy/data/db spec.ingress[0]")

    def watch(self, source, port, *flags):
        """The first event that `monitor` prints while `source` tries to connect, as text and as JSON."""
        m = self.mesh
        m.host(source).tell("attempts", name="watched", protocol="tcp", ip=m.host(DB).ip(), port=port, interval=0.05,
                            timeout=0.2)
        try:
            text = m.ctl("gcp", "monitor", "-c", "1", "--to", "data/db", *flags)
            event = json.loads(m.ctl("gcp", "monitor", "-c", "1", "--to", "data/db", "-o", "json", *flags))
        finally:
            tried = m.host(source).tell("attempts-report", name="watched", stop=True)
        return text, event, tried

    def monitor(self):
        step("What is being dropped: monitor")
        text, event, tried = self.watch(OTHER, 5432, "--verdict", "dropped")
        self.says("a drop has both names, direction, reason and revision", text, "shop/other", "data/db", "ingress")
        self.checks.expect(tried["tried"] > 0 and tried["passed"] == 0, f"nothing passed meanwhile: {tried}")
        print("        | " + json.dumps(event))

    def switch(self, setting):
        return self.on_node("endpoint", "config", "data/db", f"PolicyAuditMode={setting}")

    def audit_of_one(self):
        step("Audit mode of one endpoint: what is denied passes, and is reported")
        m = self.mesh
        self.says("the answer says so", self.switch("Enabled"), "PolicyAuditMode=Enabled")
        self.expect(OTHER, DB, 5432, True)
        text, event, tried = self.watch(OTHER, 9090, "--verdict", "audited")
        self.says("an audited pass is an event with its rule", text, "AUDITED", "shop/other", "data/db")
        self.checks.expect(tried["passed"] == tried["tried"] > 0, f"all connections passed: {tried}")
        self.says("the endpoint shows it", self.on_node("endpoint", "get", "data/db"), "judged and reported, not enforced")
        wait_until("status to count the audited endpoint", lambda: any(
            agent.get("auditedEndpoints") == 1 for agent in m.mesh_status()["agents"]), 10)
        m.host(OTHER).tell("flow", name="open", protocol="tcp", ip=m.host(DB).ip(), port=5432, interval=0.02)
        m.host(WEB).tell("flow", name="allowed", protocol="tcp", ip=m.host(DB).ip(), port=5432, interval=0.02)
        wait_until("the audited flow to run", lambda: self.report(OTHER, "open")["answered"] > 5)
        self.switch("Disabled")
        before = self.report(OTHER, "open")
        wait_until("the allowed flow to go on", lambda: self.report(WEB, "allowed")["answered"] > before["answered"] + 50)
        stopped = m.host(OTHER).tell("flow-report", name="open", stop=True)
        allowed = m.host(WEB).tell("flow-report", name="allowed", stop=True)
        # What was on its way when the mode ended may still have been answered.
        self.checks.expect(stopped["answered"] <= before["answered"] + 2,
                           f"a connection that only the mode let pass stopped with it: {before} then {stopped}")
        self.checks.expect(not allowed["broken"] and allowed["longest_gap"] < 1, f"an allowed one did not notice: {allowed}")
        self.expect(OTHER, DB, 5432, False)

    def report(self, ref, name):
        return self.mesh.host(ref).tell("flow-report", name=name)

    def restart_agent(self, mode):
        """Until its maps hold that audit mode: what the control plane knows may still be the last run's."""
        self.mesh.agent("gcp", "n1").terminate()
        self.mesh.start_agent("gcp", "n1")
        wait_until(f"audit mode to be {mode}", lambda: f"Audit mode:  {mode}" in self.on_node(
            "endpoint", "get", "data/db", check=False), 30)
        self.mesh.wait_in_step()

    def audit_of_all(self):
        step("Audit mode of a whole node, by its configuration")
        path = self.mesh.made / "agent" / "gcp-n1.yaml"
        enforced = path.read_text()
        path.write_text(enforced + "policy_audit_mode: true\n")
        self.restart_agent("enabled")
        self.expect(OTHER, DB, 9090, True)
        refused = subprocess.run([self.mesh.binary("triviumctl"), "endpoint", "config", "data/db", "PolicyAuditMode=Disabled",
                                  "--socket", self.mesh.socket("gcp", "n1")], capture_output=True, text=True, check=False)
        self.says("an endpoint cannot leave it by itself", refused.stdout + refused.stderr, "policy_audit_mode")
        path.write_text(enforced)
        self.restart_agent("disabled")
        self.expect(OTHER, DB, 9090, False)
        self.expect(WEB, DB, 5432, True)

    def run(self):
        self.start()
        self.trace()
        self.maps()
        self.monitor()
        self.audit_of_one()
        self.audit_of_all()


if __name__ == "__main__":
    sys.exit(main(Reasons, __doc__))
