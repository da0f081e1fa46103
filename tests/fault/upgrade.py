#!/usr/bin/env python3
"""A running mesh goes from the previous version to this one and back, one process at a time, under traffic: no allowed
flow breaks, no denied connection passes, and every change of policy that is made in between is enforced by old and new
together. Needs root. Exit status 77: skipped. See docs/upgrade.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault import judge  # noqa: E402
from mesh.mesh import ClusterSpec  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from netns.harness import Scenario, arguments, run  # noqa: E402

# Closes a port that nobody needs, and opens it again: a change that packets can see at once.
GATE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: gate, namespace: app}}
spec:
  podSelector: {{matchLabels: {{app: mover}}}}
  ingress: {rules}
"""


class Upgrade(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1, control_planes=2), ClusterSpec("gcp", 2, "europe-west2", 2)]
    previous = None  # a build folder

    def __init__(self, mesh):
        super().__init__(mesh)
        # triviumctl is this version's all along: it comes first, and says what the servers permit.
        mesh.builds = dict.fromkeys(self.processes(), self.previous)
        self.traffic = judge.Traffic(mesh)
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
               [f"agent-{c.name}-{n}" for c in m.clusters for n in c.nodes]

    def move(self, name, build, version):
        """Ends a process and starts it from another build; then all must be in step, and a policy change arrive."""
        m = self.mesh
        status = m.processes[name].terminate()
        of_this_version = m.builds[name] != self.previous  # how the other one ends cannot be mended here
        m.builds[name] = build
        if name.startswith("agent-"):
            _, cluster, node = name.split("-")
            m.start_agent(cluster, node)
        else:
            m.start_control_plane(name)
        m.wait_in_step()
        ended = "ended cleanly" if status == 0 else f"ended with {status}"
        self.checks.expect(status == 0 or not of_this_version, f"{name} {ended} and runs {version}; all in step")
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
        self.go(names, self.mesh.build, "this version")
        self.go(list(reversed(names)), self.previous, "the previous version again")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--previous", type=Path, required=True, help="the build folder of the previous version")
    options = parser.parse_args()
    if not (options.previous / "nodeagent" / "trivium-agent").exists():
        print(f"SKIP: no build of the previous version in {options.previous}: scripts/upgrade makes one")
        return 77
    Upgrade.previous = options.previous
    return run(Upgrade, options, "trivium-upgrade")


if __name__ == "__main__":
    sys.exit(main())
