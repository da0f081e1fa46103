#!/usr/bin/env python3
"""Runs docs/tour.md: every command of its `console` blocks, in order, in the checkout, and compares what it prints with what
the page shows. Needs root; exit status 77: skipped.

A command begins with `$ `; a here-document belongs to it up to its end mark; `# exit N` at its end says that it is to fail.
The lines below a command must be found in its output in their order, blanks counting as one; `…` stands for anything."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.demo import FOLDER  # noqa: E402
from mesh.mesh import ROOT  # noqa: E402

PAGE = ROOT / "docs/tour.md"
HERE = re.compile(r"<<'(\w+)'")
EXIT = re.compile(r"\s+# exit (\d+)$")
PATIENCE = 400  # seconds; of one command
PYTHON = "/tmp/trivium-demo/python/bin/"


class Step:
    def __init__(self, line, command):
        self.line = line
        self.command = command
        self.exit = 0
        self.expected = []


def steps_of(text):
    steps, inside, end = [], False, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside, end = line == "```console", None
        elif not inside:
            continue
        elif end is not None:
            steps[-1].command += "\n" + line
            end = None if line == end else end
        elif line.startswith("$ "):
            step = Step(number, EXIT.sub("", line[2:]))
            failing = EXIT.search(line)
            step.exit = int(failing.group(1)) if failing else 0
            here = HERE.search(line)
            end = here.group(1) if here else None
            steps.append(step)
        elif steps and line.strip():
            steps[-1].expected.append(line)
    return steps


def pattern_of(line):
    words = " ".join(line.split())
    return re.compile(".*".join(re.escape(part.strip()) for part in words.split("…")).replace(r"\ ", " *") + r"\s*$")


def missing(expected, output):
    """The first expected line that the output does not have after those before it."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for wanted in expected:
        pattern = pattern_of(wanted)
        if not any(pattern.match(line) for line in lines):
            return wanted
    return None


def run(step, environment):
    print(f"$ {step.command}", flush=True)
    # To a file: what a command leaves running in the background keeps no pipe open.
    with open(FOLDER.with_name("trivium-tour.out"), "w+") as out:
        done = subprocess.run(["bash", "-c", step.command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        out.seek(0)
        output = out.read()
    print(output, flush=True)
    problems = []
    if done.returncode != step.exit:
        problems.append(f"exit status {done.returncode}, want {step.exit}")
    lost = missing(step.expected, output)
    if lost is not None:
        problems.append(f"not printed, or not in this order: {lost!r}")
    return [f"docs/tour.md:{step.line}: $ {step.command.splitlines()[0]}: {problem}" for problem in problems]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build/dev", help=argparse.SUPPRESS)  # as all scenarios take it
    parser.add_argument("--all", action="store_true", help="go on after a command that did not do what the page says")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: needs root")
        return 77
    steps = steps_of(PAGE.read_text())
    assert len(steps) > 10, f"{len(steps)} commands found in {PAGE}"
    environment = dict(os.environ, PATH=f"{FOLDER}/bin:{os.environ['PATH']}")
    problems = []
    without_python = False  # nats-py could not be installed here
    try:
        for step in steps:
            if without_python and PYTHON in step.command:
                print(f"skipped: $ {step.command.splitlines()[0]}")
                continue
            found = run(step, environment)
            if found and "tests/events/python_env" in step.command and "exit status 77" in found[0]:
                without_python, found = True, []
            problems += found
            if problems and not options.all:
                break
    finally:
        subprocess.run([ROOT / "scripts/demo", "--stop"], stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
        FOLDER.with_name("trivium-tour.out").unlink(missing_ok=True)
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(steps)} commands, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
