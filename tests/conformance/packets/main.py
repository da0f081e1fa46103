#!/usr/bin/env python3
"""The judge `packets`: real connections between namespaces under running agents. scripts/conformance calls it; see its
--help, and tests/conformance/README.md."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conformance.packets.play import Play, Unplayable  # noqa: E402
from conformance.packets.repertoire import load, plan, spread  # noqa: E402
from conformance.packets.stage import Stage  # noqa: E402
from mesh.run import clean_up  # noqa: E402


class Tally:
    """What came out, by case: each cell counts once, however many times it was tried."""

    def __init__(self):
        self.cells, self.wrong, self.skipped, self.failed = {}, defaultdict(dict), {}, set()

    def add(self, case, cells, wrong):
        self.cells[case.name] = max(self.cells.get(case.name, 0), cells)
        self.wrong[case.name].update(wrong)

    def summary(self):
        wrong = sum(len(cells) for cells in self.wrong.values()) + len(self.failed)
        return len(self.cells), sum(self.cells.values()), wrong


def perform(troupe, options, folder, tally, say):
    """One mesh and all the cases that fit it."""
    clean_up(folder)
    shutil.rmtree(folder, ignore_errors=True)
    stage = Stage(folder, options.build, troupe.clusters)
    finished = False
    try:
        stage.start(lambda text: None)
        say(f"mesh of {sum(len(c.nodes) for c in stage.mesh.clusters)} nodes in {len(stage.mesh.clusters)} clusters is up")
        play = Play(stage, troupe.layouts)
        for case, placement in troupe.order():
            if case.name in tally.skipped or case.name in tally.failed:
                continue
            began = time.monotonic()
            try:
                cells, wrong = play.run(case, placement)
            except Unplayable as why:
                tally.skipped[case.name] = str(why)
                print(f"{case.name}: skipped: {why}", flush=True)
            except Exception as error:  # the case is wrong, the others go on
                tally.failed.add(case.name)
                tally.cells.setdefault(case.name, 0)
                print(f"{case.name}: {placement}: {type(error).__name__}: {error}", flush=True)
                play.forget()
            else:
                for text in wrong.values():
                    print(f"{case.name}: {placement}: {text}", flush=True)
                tally.add(case, cells, wrong)
                if options.verbose:
                    say(f"{case.name} {placement} {time.monotonic() - began:.2f} s")
        finished = True
    finally:
        if not finished or (tally.failed and options.verbose):
            stage.mesh.show_logs()
        stage.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--build", type=Path, required=True, help="the build folder")
    parser.add_argument("--filter", default="*", help="only cases whose name matches this glob")
    parser.add_argument("--sample", type=int, help="only so many cases, spread over folders and tags")
    parser.add_argument("--expect-wrong", type=int, help="for the judge's own test: exit 0 if so many cells are wrong")
    parser.add_argument("--verbose", action="store_true", help="say how long each case takes; at the end, logs of what failed")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: needs root: it makes network namespaces and loads kernel programs")
        return 77
    reader = options.build / "tests/conformance/trivium-conformance"
    listed = subprocess.run([reader, options.folder, "--filter", options.filter, "--list"], capture_output=True, text=True)
    sys.stdout.write(listed.stderr)
    cases = [load(Path(path)) for path in listed.stdout.splitlines()]
    if listed.returncode == 2 or not cases:
        print(f"conformance: no cases in {options.folder}")
        return 2
    unread = len(listed.stderr.splitlines())
    if options.sample:
        cases = spread(cases, options.sample)
    tally = Tally()
    troupes, skipped = plan(cases)
    for name, why in skipped.items():
        tally.skipped[name] = why
        print(f"{name}: skipped: {why}")
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:7.1f} s {text}", file=sys.stderr, flush=True)
    # One place, so that what a killed run left is found and removed.
    folder = Path(tempfile.gettempdir()) / "trivium-conformance-packets"
    for troupe in troupes:
        perform(troupe, options, folder, tally, say)
    ran, cells, wrong = tally.summary()
    say("done")
    print(f"cases {ran + unread} cells {cells} wrong {wrong + unread} skipped {len(tally.skipped)}")
    if options.expect_wrong is not None:
        return 0 if wrong == options.expect_wrong else 1
    return 0 if wrong + unread == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
