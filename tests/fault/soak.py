#!/usr/bin/env python3
"""Real processes, servers and kernel maps of three clouds under faults that seeds draw: two control planes each, six
agents; after each schedule, and for packets at every moment of it, the promises must hold. Needs root. Exit status 77:
skipped. See docs/faults.md."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault import judge  # noqa: E402
from fault.inject import Injector  # noqa: E402
from fault.mesh import FaultMesh  # noqa: E402
from fault.schedule import KINDS, draw  # noqa: E402
from fault.workload import Workload  # noqa: E402
from mesh.run import clean_up  # noqa: E402
from mesh.say import detail, green, red, step  # noqa: E402

FOLDER = Path(tempfile.gettempdir()) / "trivium-fault"  # one place, so that a killed run is found and removed


def keep_logs(seed):
    kept = FOLDER.with_name("trivium-fault-logs") / str(seed)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(FOLDER / "logs", kept)
    detail(f"logs: {kept}; again: scripts/soak --schedules 1 --seed {seed}")


class Soak:
    """A mesh, and schedules that run on it one after another."""

    def __init__(self, build, met):
        clean_up(FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
        self.mesh = FaultMesh(FOLDER, "tvx", build)
        self.injector = Injector(self.mesh, met)
        self.traffic = judge.Traffic(self.mesh)

    def start(self):
        step("Starting three clouds, two control planes each")
        self.mesh.start(detail)
        self.traffic.make()

    def schedule(self, seed):
        """Runs one; the problems found."""
        faults = draw(seed, self.injector.targets())
        step(f"Schedule {seed}: {len(faults)} faults")
        m, workload = self.mesh, Workload(self.mesh)
        self.traffic.start()
        workload.start()
        try:
            self.injector.run(faults, detail)
        finally:
            workload.stop()
        mended = time.monotonic()
        m.wait_in_step(120)
        converged = time.monotonic() - mended
        answered, unanswered = workload.counts()
        problems = list(workload.errors)
        for client in workload.clients:
            problems += client.problems()
        workload.settle()
        for client in workload.clients:
            problems += client.problems()
        m.wait_in_step(60)
        found, line = self.traffic.stop()
        problems += found + judge.check_moved(self.traffic, workload)
        problems += judge.check_log(m) + judge.check_agents(m) + judge.check_processes(m)
        detail(f"{answered} changes acknowledged, {unanswered} not; in step {converged:.1f} s after the last fault; {line}")
        for problem in problems:
            detail(red(problem))
        detail(red(f"{len(problems)} promises broken") if problems else green("held"))
        return problems

    def end(self):
        self.mesh.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)

    def commits_cut(self):
        return sum(self.mesh.relays.tell("counts", name=f"sql {i}")["commits_cut"] for i in self.mesh.instances())


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--schedules", type=int, required=True, metavar="N", help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule (default 1)")
    parser.add_argument("--keep-going", action="store_true", help="go on after a schedule that failed")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: needs root: it makes network namespaces and loads kernel programs")
        return 77
    failed, done, met, cut, commits = [], 0, {}, 0, 0
    soak = None
    for seed in range(options.seed, options.seed + options.schedules):
        problems = []
        try:
            if soak is None:
                soak = Soak(options.build, met)
                soak.start()
            problems = soak.schedule(seed)
            commits = soak.commits_cut()
        except Exception as error:  # what is left of the schedule cannot be judged
            problems = [f"{type(error).__name__}: {error}"]
            detail(red(problems[0]))
        done += 1
        last = seed == options.seed + options.schedules - 1
        if problems:
            failed.append(seed)
            keep_logs(seed)
        if problems or last:
            cut += commits
            soak.end()
            soak = None
        if problems and not options.keep_going:
            break
    step("Faults met")
    for kind in KINDS:
        detail(f"{met.get(kind, 0):5d}  {kind}")
    detail(f"{cut:5d}  commits cut by a relay")
    print(f"{done} schedules, {done - len(failed)} held, {len(failed)} failed" +
          (f": seeds {', '.join(map(str, failed))}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
