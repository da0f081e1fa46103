#!/usr/bin/env python3
"""The gateways between two clouds go silent, and each cloud sees the other one down, none of its own nodes; healed, both
are up again. Needs root. Exit status 77: skipped. See docs/liveness.md."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault.mesh import FaultMesh  # noqa: E402
from mesh.mesh import ClusterSpec  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from netns.harness import Scenario, arguments, run  # noqa: E402
from netns.liveness import down, seen  # noqa: E402


class CutLink(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1, nodes=["n1"]),
                ClusterSpec("gcp", 2, "europe-west2", 2, nodes=["n1"])]
    mesh_type = FaultMesh

    def set_links(self, state):
        for relays in self.mesh.links.values():
            for name in relays:
                self.mesh.relays.tell("set", name=name, state=state)

    def views(self):
        """{(observer, what, alive)} of whole clusters, as SQL shows them."""
        rows = self.mesh.postgres.sql("SELECT observer, cluster, alive FROM admin_liveness WHERE node = ''", "trivium")
        return {tuple(row.split("|")) for row in rows.splitlines()}

    def cut(self, how):
        step(f"The link between aws and gcp: {how}")
        self.set_links(how)
        began = time.monotonic()
        seen(self, "aws", "gcp/", True, began)
        seen(self, "gcp", "aws/", True, began)
        for observer in ("aws", "gcp"):
            others = down(self.mesh, observer)
            self.checks.expect(len(others) == 1, f"{observer} sees nothing else down: {others}")
        self.checks.expect(self.views() == {("aws", "gcp", "f"), ("gcp", "aws", "f")}, f"the view: {self.views()}")
        self.set_links("up")
        seen(self, "aws", "gcp/", False)
        seen(self, "gcp", "aws/", False)
        self.mesh.wait_in_step()

    def run(self):
        step("Starting two clouds")
        self.mesh.start(detail)
        self.mesh.wait_in_step()
        self.cut("hole")
        self.cut("cut")


if __name__ == "__main__":
    sys.exit(run(CutLink, arguments(__doc__).parse_args(), "trivium-cut-link"))
