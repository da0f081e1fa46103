#!/usr/bin/env python3
"""A running mesh goes from the previous version to this one and back, one process at a time, under traffic: no allowed
flow breaks, no denied connection passes, and every change of policy that is made in between is enforced by old and new
together. Needs root. Exit status 77: skipped. See docs/upgrade.md."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault import judge  # noqa: E402
from mesh.mesh import ClusterSpec, Mesh  # noqa: E402
from mesh.run import clean_up  # noqa: E402
from mesh.say import Checks, detail, step  # noqa: E402

FOLDER = Path(tempfile.gettempdir()) / "trivium-upgrade"
CLUSTERS = [ClusterSpec("aws", 1, "eu-west-2", 1, control_planes=2), ClusterSpec("gcp", 2, "europe-west2", 2)]
# Closes a port that nobody needs, and opens it again: a change that packets can see at once.
GATE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: gate, namespace: app}}
spec:
  podSelector: {{matchLabels: {{app: mover}}}}
  ingress: {rules}
"""


class Upgrade:
    def __init__(self, previous, build):
        clean_up(FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
        self.previous, self.new = previous, build
        self.mesh = Mesh(FOLDER, name="tvu", build=previous, clusters=CLUSTERS)
        self.traffic = judge.Traffic(self.mesh)
        self.checks = Checks()
        self.opened = True

    def start(self):
        step("Starting two clouds with the previous version")
        self.mesh.start(detail)
        self.traffic.make()
        for c in self.mesh.clusters:
            self.mesh.host(f"{c.name}/app/mover").listen([("gate", judge.PORT, "tcp")], (4,))

    def processes(self):
        m = self.mesh
        return [f"{c.name}-cp{i}" for c in m.clusters for i in range(1, c.control_planes + 1)] + \
               [f"agent-{c}-{n}" for c, n in m.node_numbers]

    def move(self, name, build, version):
        """Ends a process and starts it from another build; then all must be in step, and a policy change arrive."""
        m = self.mesh
        status = m.processes[name].terminate()
        m.builds[name] = build
        if name.startswith("agent-"):
            _, cluster, node = name.split("-")
            m.start_agent(cluster, node)
        else:
            m.start_control_plane(name)
        m.wait_in_step()
        self.checks.expect(status == 0, f"{name} ended cleanly and runs {version}; all in step")
        self.opened = not self.opened
        for c in m.clusters:
            m.apply(c.name, GATE.format(rules="[{}]" if self.opened else "[]"), "--wait", "--timeout", "30s")
        for a in m.clusters:
            for b in m.clusters:
                source, destination = f"{a.name}/app/client", f"{b.name}/app/mover"
                passed = self.traffic.reaches(source, destination, self.opened)
                self.checks.expect(passed == self.opened,
                                   f"{source} -> {destination} is {'open' if self.opened else 'closed'}")

    def go(self, names, build, version):
        step(f"One process at a time, to {version}")
        self.traffic.start()
        for name in names:
            self.move(name, build, version)
        problems, line = self.traffic.stop()
        self.checks.expect(not problems, f"meanwhile {line}" + "".join(f"\n             {p}" for p in problems))
        for problem in judge.check_log(self.mesh) + judge.check_agents(self.mesh):
            self.checks.expect(False, problem)

    def run(self):
        self.start()
        names = self.processes()
        self.go(names, self.new, "this version")
        self.mesh.build = self.new  # triviumctl too
        self.mesh.wait_in_step()
        self.mesh.build = self.previous
        self.go(list(reversed(names)), self.previous, "the previous version again")


def main():
    parser = argparse.ArgumentParser(prog="scripts/upgrade", description=__doc__)
    parser.add_argument("--previous", type=Path, required=True, help="the build folder of the previous version")
    parser.add_argument("--build", type=Path, required=True, help="the build folder of this version")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: needs root: it makes network namespaces and loads kernel programs")
        return 77
    if not (options.previous / "nodeagent" / "trivium-agent").exists():
        print(f"SKIP: no build of the previous version in {options.previous}: scripts/upgrade makes one")
        return 77
    test = Upgrade(options.previous, options.build)
    try:
        test.run()
    except Exception as error:  # what is left to do cannot be judged; the logs say more
        test.checks.expect(False, f"{type(error).__name__}: {error}")
    if test.checks.failed:
        test.mesh.show_logs()
    test.mesh.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"{test.checks.passed} passed, {len(test.checks.failed)} failed")
    return 1 if test.checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
