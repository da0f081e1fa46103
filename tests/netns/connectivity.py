#!/usr/bin/env python3
"""`triviumctl connectivity test` on three clouds: everything open, a policy that closes something, a broken node, and
nothing left behind. And what other commands say of a real mesh: rollout status, policy diff, status --wait, sysdump."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mesh.run import sh  # noqa: E402
from netns.harness import Scenario, main  # noqa: E402

CLOSED = """apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: closed}
spec:
  endpointSelector: {matchLabels: {node: n2}}
  ingress: [{fromEntities: [cluster]}]
"""


class Connectivity(Scenario):
    def ctl(self, cluster, *argv, stdin=None):
        """Exit status and what was said, together."""
        mesh = self.mesh
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{mesh.underlay.netns}", str(mesh.binary("triviumctl")), "--config",
             str(mesh.made / "triviumctl.yaml"), "--context", cluster, *map(str, argv)],
            input=stdin, capture_output=True, text=True, timeout=200)
        return done.returncode, done.stdout + done.stderr

    def test(self, *argv):
        sockets = []
        for cluster, node in self.mesh.node_numbers:
            sockets += ["--agent-socket", f"{self.mesh.socket(cluster, node)}@{self.mesh.node_netns(cluster, node)}"]
        return self.ctl("aws-euw2", "connectivity", "test", *sockets, *argv)

    def left_behind(self):
        spaces = [line for line in sh("ip", "netns").splitlines() if line.startswith("trivium-ct-")]
        pods = [self.ctl(c.name, "get", "pods", "-A", "-o", "name")[1].strip() for c in self.mesh.clusters]
        namespaces = [self.ctl(c.name, "get", "ns", "trivium-test")[0] for c in self.mesh.clusters]
        return not spaces and not any("probe-" in p for p in pods) and all(code == 1 for code in namespaces)

    def run(self):
        mesh, expect = self.mesh, self.checks.expect
        mesh.start()
        mesh.wait_in_step()
        code, said = self.ctl("aws-euw2", "status", "--wait", "--timeout", "60s")
        expect(code == 0 and "NODES-READY" in said, f"status --wait finds the mesh ready: {code} {said[-300:]}")

        code, said = self.test()
        expect(code == 0 and "60 of 60 as the policies say" in said, f"everything is open: {code}\n{said}")
        expect(said.count("open ") >= 60, "each of them is named")
        expect(self.left_behind(), "nothing is left behind")

        code, said = self.ctl("gcp-euw2", "policy", "diff", "-f", "-", stdin=CLOSED)
        # The identities of the probes that were just there are not retired yet.
        expect(code == 1 and "(0 pods, ingress)" in said and "now denied" in said,
               f"policy diff says what the policy would close, and for how many pods: {code} {said}")
        code, said = self.ctl("gcp-euw2", "apply", "-f", "-", stdin=CLOSED)
        expect(code == 0, f"the policy is taken: {said}")
        code, said = self.ctl("gcp-euw2", "rollout", "status", "closed", "--timeout", "30s")
        expect(code == 0 and "on all 2 nodes of gcp-euw2" in said, f"it is enforced: {code} {said}")
        code, said = self.test()
        denied = said.count("denied, as policies say")
        expect(code == 0 and denied == 8, f"four pods of other clouds are shut out, TCP and UDP: {code} {denied}\n{said}")

        sh("ip", "-n", mesh.node_netns("azure-uks", "n1"), "link", "set", "eth0", "down")
        mesh_cut = self.test("--timeout", "15s")
        expect(mesh_cut[0] != 0, f"a node that is cut off is no success: {mesh_cut[1]}")
        sh("ip", "-n", mesh.node_netns("azure-uks", "n1"), "link", "set", "eth0", "up")

        dump = mesh.run.folder / "dump"
        code, said = self.ctl("aws-euw2", "sysdump", "-o", dump, "--agent-socket", mesh.socket("aws-euw2", "n1"))
        expect(code == 0, f"a sysdump is made: {said}")
        keys = [p.read_text() for p in Path(mesh.made).rglob("*.key")]
        secrets = {line for key in keys for line in key.splitlines() if "-----" not in line and line}
        texts = [p.read_text() for p in dump.rglob("*") if p.is_file()]
        expect(secrets and not any(secret in text for secret in secrets for text in texts), "no key is in it")
        agent = next(iter(dump.glob("agents/*/status.json")), None)
        expect(agent is not None and json.loads(agent.read_text())["status"]["node"] == "n1", "the agent's view is")


if __name__ == "__main__":
    sys.exit(main(Connectivity, __doc__))
