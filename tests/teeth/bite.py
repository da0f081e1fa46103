#!/usr/bin/env python3
"""Takes each guard out of a copy of the sources in turn, builds, and shows that its test fails without it. The working
tree is not touched. Exit status 0 only if every test passes with its guard and fails without it."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.say import detail, green, red, step  # noqa: E402
from teeth.guards import GUARDS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600  # seconds: a test that hangs without its guard has noticed too


def run(*argv, cwd, timeout=None):
    return subprocess.run([str(a) for a in argv], cwd=cwd, capture_output=True, text=True, timeout=timeout)


def copy_sources(to):
    """What git knows, as it stands in the working tree; files that did not change keep their times, so that a second run
    builds little."""
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    if listed.returncode != 0:
        raise SystemExit(f"scripts/teeth: needs a git checkout: {listed.stderr.strip()}")
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, to / name
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copy(source, target)


class DoesNotBuild(Exception):
    pass


class Copy:
    def __init__(self, folder):
        self.folder, self.build = folder, folder / "build" / "dev"

    def configure(self):
        done = run("cmake", "--preset", "dev", cwd=self.folder)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)

    def make(self, targets):
        done = run("cmake", "--build", "--preset", "dev", "--target", *sorted(targets), cwd=self.folder)
        if done.returncode != 0:
            raise DoesNotBuild(done.stdout[-3000:] + done.stderr)

    def failures(self, guard):
        """Names of the guard's tests that fail; None if none ran."""
        program = next(p for p in self.build.rglob(guard.program) if p.is_file() and os.access(p, os.X_OK))
        try:
            done = run(program, f"--gtest_filter={guard.tests}", cwd=self.folder, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return ["(hangs)"]
        if "[  PASSED  ] 0 tests" in done.stdout and "FAILED" not in done.stdout:
            return None
        failed = {line.split("]")[1].split(",")[0].split("(")[0].strip() for line in done.stdout.splitlines()
                  if line.startswith("[  FAILED  ]") and "." in line}
        if done.returncode != 0 and not failed:
            failed = {f"(ends with {done.returncode})"}
        return sorted(failed)

    def without(self, guard):
        """The failing tests without the guard; the source is put back."""
        path = self.folder / guard.file
        text = path.read_text()
        if text.count(guard.cut) != 1:
            raise SystemExit(f"tests/teeth/guards.py: {guard.name}: its text stands {text.count(guard.cut)} times in "
                             f"{guard.file}, want 1")
        path.write_text(text.replace(guard.cut, guard.without))
        try:
            self.make({guard.program})
            return self.failures(guard)
        finally:
            path.write_text(text)


def main():
    parser = argparse.ArgumentParser(prog="scripts/teeth", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="guards whose name holds this")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "teeth", help="of the copy (default build/teeth)")
    options = parser.parse_args()
    guards = [g for g in GUARDS if options.only in g.name]
    copy = Copy(options.folder)
    step("Copying the sources, building the tests with every guard in its place")
    copy_sources(copy.folder)
    copy.configure()
    copy.make({g.program for g in guards})
    rows, bad = [], 0
    for guard in guards:
        began = time.monotonic()
        with_it, without, broken = copy.failures(guard), None, None
        try:
            without = copy.without(guard) if with_it == [] else None
        except DoesNotBuild as error:
            broken = str(error)
            print(broken)
        copy.make({guard.program})
        if broken is not None:
            verdict, bites = "does not build without it: its text in tests/teeth/guards.py", False
        elif with_it is None:
            verdict, bites = f"no test by the name {guard.tests}", False
        elif with_it:
            verdict, bites = f"fails with the guard in its place: {', '.join(with_it)}", False
        elif not without:
            verdict, bites = "no test notices", False
        else:
            verdict, bites = ", ".join(without[:2]) + (f" and {len(without) - 2} more" if len(without) > 2 else ""), True
        bad += not bites
        rows.append((guard.name, guard.file, verdict))
        detail(f"{green('bites') if bites else red('BLUNT')}  {guard.name}: {verdict}  ({time.monotonic() - began:.0f} s)")
    step("Guard, where, what fails without it")
    width = [max(len(r[i]) for r in rows) for i in (0, 1)]
    for name, file, verdict in rows:
        print(f"{name.ljust(width[0])}  {file.ljust(width[1])}  {verdict}")
    print(f"{len(rows)} guards, {len(rows) - bad} with teeth, {bad} without")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
