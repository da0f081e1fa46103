"""The demo: a shop over three clouds, before and after its policies, measured, and under fire. See scripts/demo."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from .matrix import OPEN_TIMEOUT, measure, show, wrong
from .mesh import ROOT, Mesh
from .run import clean_up, sh
from .say import Checks, bold, detail, dim, green, red, step
from .shop.workloads import ALLOWED, EXTERNALS, WORKLOADS

FOLDER = Path("/tmp/trivium-demo")  # short: socket paths have 107 bytes
SHOP = Path(__file__).parent / "shop"


class Demo:
    def __init__(self, build):
        self.mesh = Mesh(FOLDER, name="tvm", build=build)
        self.checks = Checks()

    def start(self):
        step("Starting three clouds on this machine")
        self.mesh.start(detail)
        for c in self.mesh.clusters:
            namespaces = [d for d in self.documents(c.name) if "kind: Namespace" in d]
            self.mesh.apply(c.name, "---\n".join(namespaces))
        step(f"Starting {len(WORKLOADS)} workloads and {len(EXTERNALS)} hosts outside the mesh")
        self.mesh.add_pods([{"ref": ref, "node": node, "ports": ports} for ref, node, ports in WORKLOADS])
        for name, number, ports in EXTERNALS:
            self.mesh.add_external(name, number, ports)
        self.mesh.wait_in_step()

    def documents(self, cluster):
        return [d for d in (SHOP / f"{cluster}.yaml").read_text().split("---\n") if "kind:" in d]

    # ---- reachability ------------------------------------------------------------------------------------------

    def matrix(self, title, expected):
        step(title)
        sources = [self.mesh.host(ref) for ref, _, _ in WORKLOADS] + [self.mesh.host(n) for n, _, _ in EXTERNALS]
        destinations = [(self.mesh.host(ref), port, protocol) for ref, _, ports in WORKLOADS
                        for _, port, protocol in ports]
        destinations += [(self.mesh.host(n), port, protocol) for n, _, ports in EXTERNALS for _, port, protocol in ports]
        cells = measure(sources, destinations, expected)
        show(cells, sources, destinations, detail)
        bad = wrong(cells)
        self.checks.expect(not bad, f"{len(cells)} cells measured, {len(bad)} not as the policies say"
                           + "".join(f"\n             {s} -> {d}:{p}" for s, d, p in bad[:10]))

    def policies(self):
        step("Applying the shop's policies, waiting until every node enforces them")
        for c in self.mesh.clusters:
            out = self.mesh.ctl(c.name, "apply", "-f", SHOP / f"{c.name}.yaml", "--wait", "--timeout", "30s")
            lines = out.strip().splitlines()
            detail(f"{c.name}: {lines[-1] if lines else ''}")
        self.mesh.wait_in_step()

    # ---- time ------------------------------------------------------------------------------------------------

    def latency(self, changes):
        step(f"From request to written map, over {changes} endpoint and policy changes")
        m = self.mesh
        out = sh("nsenter", f"--net=/run/netns/{m.underlay.netns}", m.build / "bench" / "trivium-latency",
                 "--mesh", m.made, "--cluster", "aws-euw2", "--changes", changes, timeout=120)
        result = json.loads(out)
        for row in result["rows"]:
            detail(f"{row['name']:<46} p50 {row['p50_ms']:7.2f} ms   p99 {row['p99_ms']:7.2f} ms")
        detail(dim(f"ratio of medians to the floor: {result['ratio']:.2f}"))
        self.checks.expect(result["changes"] == changes, f"all {changes} changes reached all {len(m.node_numbers)} agents")

    # ---- under fire --------------------------------------------------------------------------------------------

    def fire(self):
        step("Killing one control plane, one NATS server and one agent while connections run")
        m = self.mesh
        port = {ref: ports[0] for ref, _, ports in WORKLOADS}
        flows = [(a, b) for a, b in sorted(ALLOWED) if b in port]
        everybody = [ref for ref, _, _ in WORKLOADS] + [name for name, _, _ in EXTERNALS]
        closed = [(a, b) for a in everybody for b in port if a != b and (a, b) not in ALLOWED]
        denied = closed[::3]  # a third of them, spread over all sources and destinations
        for a, b in flows:
            _, number, protocol = port[b]
            m.host(a).tell("flow", name=f"flow {b}", protocol=protocol, ip=m.host(b).ip(), port=number, interval=0.05)
            m.host(a).tell("attempts", name=f"new {b}", protocol=protocol, ip=m.host(b).ip(), port=number, interval=0.1,
                           timeout=OPEN_TIMEOUT)
        for a, b in denied:
            _, number, protocol = port[b]
            m.host(a).tell("attempts", name=f"denied {b}", protocol=protocol, ip=m.host(b).ip(), port=number,
                           interval=0.2, timeout=0.3)
        time.sleep(1)  # traffic on a steady system first, so that there is something to break
        for what, process, restart in [
            ("control plane gcp-euw2-cp1", m.processes["gcp-euw2-cp1"], lambda: m.start_control_plane("gcp-euw2-cp1")),
            ("NATS edge of aws-euw2", m.processes["nats-aws-euw2-edge1"], lambda: m.start_nats("aws-euw2-edge1")),
            ("agent aws-euw2/n1", m.agent("aws-euw2", "n1"), lambda: m.start_agent("aws-euw2", "n1")),
        ]:
            process.kill()
            detail(f"killed (SIGKILL) {what}")
            time.sleep(1)  # the fault lasts; flows are watched all along
            restart()
            self.mesh.wait_in_step()
            detail(f"restarted {what}; every agent is in step again")
        lost, late = [], 0.0
        for a, b in flows:
            report = m.host(a).tell("flow-report", name=f"flow {b}", stop=True)
            late = max(late, report["longest_gap"])
            if report["broken"] or report["longest_gap"] > 1.0:
                lost.append(f"{a} -> {b}: {report}")
        self.checks.expect(not lost, f"{len(flows)} allowed flows ran on; the longest silence was {late * 1000:.0f} ms"
                           + "".join(f"\n             {x}" for x in lost))
        refused, tried = [], 0
        for a, b in flows:
            report = m.host(a).tell("attempts-report", name=f"new {b}", stop=True)
            tried += report["tried"]
            if report["passed"] < report["tried"]:
                refused.append(f"{a} -> {b}: {report}")
        self.checks.expect(not refused, f"{tried} new allowed connections meanwhile, all opened"
                           + "".join(f"\n             {x}" for x in refused))
        passed, tried = [], 0
        for a, b in denied:
            report = m.host(a).tell("attempts-report", name=f"denied {b}", stop=True)
            tried += report["tried"]
            if report["passed"]:
                passed.append(f"{a} -> {b}: {report}")
        self.checks.expect(not passed, f"{tried} denied connections tried, none passed"
                           + "".join(f"\n             {x}" for x in passed))

    # ---- the end ----------------------------------------------------------------------------------------------

    def keep(self):
        m = self.mesh
        bin_folder = FOLDER / "bin"
        bin_folder.mkdir(exist_ok=True)
        enter = f"exec nsenter --net=/run/netns/{m.underlay.netns}"
        sql = m.made / "sql"
        scripts = {
            "triviumctl": f'{enter} "{m.binary("triviumctl")}" --config "{m.made}/triviumctl.yaml" "$@"',
            # By its path: this folder may come first in PATH.
            "psql": f'{enter} {shutil.which("psql", path="/usr/bin")} "host={m.underlay.address} port={m.sql_port} dbname=trivium user=trivium_reader '
                    f'sslmode=verify-full sslrootcert={m.made}/ca.crt sslcert={sql}/trivium_reader.crt '
                    f'sslkey={sql}/trivium_reader.key" "$@"',
        }
        for name, line in scripts.items():
            (bin_folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (bin_folder / name).chmod(0o755)
        for c in m.clusters:  # who may talk to whom, for SQL
            m.ctl(c.name, "reachability", "refresh")
        step("It runs on. Talk to it:")
        detail(f"{bin_folder}/triviumctl --context aws-euw2 status")
        detail(f"{bin_folder}/triviumctl --context azure-uks get netpol -A")
        detail(f"{bin_folder}/psql -c 'SELECT * FROM admin_agents'")
        detail(f"ip netns exec {m.pods['aws-euw2/shop/frontend'].netns} bash      # inside a pod")
        detail(f"{ROOT}/scripts/demo --stop                     # end it")


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Three clouds on one machine, a shop over them, "
                                     "policies that decide packets across clouds, and what faults do to it: nothing.")
    parser.add_argument("--keep", action="store_true", help="leave it running and say how to talk to it")
    parser.add_argument("--stop", action="store_true", help="end what an earlier --keep (or a killed run) left")
    parser.add_argument("--changes", type=int, default=300, help="changes in the latency measurement (default 300)")
    parser.add_argument("--build", default=ROOT / "build/dev", help=argparse.SUPPRESS)
    options = parser.parse_args()
    clean_up(FOLDER)
    if options.stop:
        shutil.rmtree(FOLDER, ignore_errors=True)
        print("stopped; nothing of it is left")
        return 0
    shutil.rmtree(FOLDER, ignore_errors=True)
    demo = Demo(options.build)
    finished = False
    try:
        demo.start()
        demo.matrix("Before any policy: everybody reaches everybody", lambda a, b: True)
        demo.policies()
        demo.matrix("After: only what the shop needs", lambda a, b: (a, b) in ALLOWED)
        demo.latency(options.changes)
        demo.fire()
        demo.matrix("And after the faults: the same", lambda a, b: (a, b) in ALLOWED)
        finished = True
    except Exception as error:  # the reader wants the reason and where the logs are, then the clean-up
        print(red(f"        FAIL {error}"), flush=True)
        demo.checks.failed.append(str(error))
    if options.keep and finished:
        demo.keep()
    elif demo.checks.failed:
        kept = FOLDER.with_name("trivium-demo-logs")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(FOLDER / "logs", kept)
        demo.mesh.stop()
        print(f"        logs: {kept}")
    else:
        demo.mesh.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)
    if demo.checks.failed:
        print(red(f"{len(demo.checks.failed)} of the demo's checks failed"))
        return 1
    print(green(bold("Everything matched.")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
