#!/usr/bin/env python3
"""Writes the Cilium cases of tests/conformance/cases: python3 -m make RUNNER, from tests/conformance.

What a case plays and a few cells of each table, worked out by hand, stand in cilium_*.py. The other cells are filled in
by the reference evaluator, which must agree with those by hand; the resolver and the kernel are then judged by the
whole. RUNNER is the built trivium-conformance."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import cilium_changes, cilium_meaning, cilium_peers, cilium_ports, cilium_refused
from .world import dump, parties, probe, world

CASES = Path(__file__).resolve().parents[1] / "cases" / "cilium"
WRONG = re.compile(r"^(?P<case>\S+): step (?P<step>\d+): (?P<source>\S+) -> (?P<target>\S+) (?P<port>\d+)/(?P<protocol>\w+) "
                   r"ipv(?P<family>\d)(?P<established> established)?: expected denied, got allowed")


def build(definition):
    of_world = definition.get("world") or world(definition.get("clusters", 1))
    order = parties(of_world)
    steps = []
    for step in definition["steps"]:
        out = {"do": [{"cluster": "c1", **action} if "cluster" not in action else action for action in step["do"]]}
        if step.get("refused"):
            out["refused"] = True
        out["probes"] = []
        for asked in step.get("probes", [{}]):
            names = [full(n) for n in asked.get("order", order)]
            out["probes"].append(probe(names, **{k: v for k, v in asked.items() if k in ("port", "protocol", "family", "since")}))
        steps.append(out)
    return {"format": 1, "name": definition["name"], "about": definition["about"], "tags": definition["tags"],
            "world": of_world, "steps": steps}


def full(name):
    """x/a -> c1/x/a; c2/x/a and w1 stay."""
    return f"c1/{name}" if name.count("/") == 1 else name


def set_cell(probe_of_step, source, target, value):
    i, j = probe_of_step["order"].index(source), probe_of_step["order"].index(target)
    row = probe_of_step["table"][i]
    probe_of_step["table"][i] = row[:j] + value + row[j + 1:]


def fill(cases, folder, runner):
    """Turns the cells that the reference evaluator allows to 1."""
    run = subprocess.run([runner, str(folder), "--judge", "reference"], capture_output=True, text=True, check=False)
    by_name = {case["name"]: case for case in cases}
    for line in run.stdout.splitlines():
        found = WRONG.match(line)
        if not found:
            if not line.startswith("cases "):
                sys.exit(f"make: {line}")
            continue
        step = by_name[found["case"]]["steps"][int(found["step"])]
        for asked in step["probes"]:
            same = (asked["port"] == int(found["port"]) and asked["protocol"] == found["protocol"].replace("ICMPV6", "ICMP")
                    and asked["family"] == int(found["family"]) and ("flow" in asked) == bool(found["established"]))
            if same:
                set_cell(asked, found["source"], found["target"], "1")


def check_by_hand(definition, case):
    for number, step in enumerate(definition["steps"]):
        for index, asked in enumerate(step.get("probes", [{}])):
            for cell in asked.get("by_hand", "").split():
                route, want = cell.split("=")
                source, target = (full(n) for n in route.split(">"))
                table = case["steps"][number]["probes"][index]
                got = table["table"][table["order"].index(source)][table["order"].index(target)]
                if got != want:
                    sys.exit(f"make: {case['name']}: step {number}: {source} > {target}: by hand {want}, by the reference {got}")


def write(cases_by_folder):
    for folder, cases in cases_by_folder.items():
        (CASES / folder).mkdir(parents=True, exist_ok=True)
        for case in cases:
            (CASES / folder / f"{case['name']}.json").write_text(dump(case) + "\n", encoding="utf-8")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shutil.rmtree(CASES, ignore_errors=True)
    definitions = {"meaning": cilium_meaning.CASES, "peers": cilium_peers.CASES, "ports": cilium_ports.CASES,
                   "changes": cilium_changes.CASES, "refused": cilium_refused.CASES}
    built = {folder: [build(d) for d in ds] for folder, ds in definitions.items()}
    everything = [case for cases in built.values() for case in cases]
    names = [case["name"] for case in everything]
    if len(set(names)) != len(names):
        sys.exit(f"make: a name is used twice: {sorted(n for n in names if names.count(n) > 1)}")
    write(built)
    fill(everything, CASES, sys.argv[1])
    for folder, ds in definitions.items():
        for definition, case in zip(ds, built[folder]):
            check_by_hand(definition, case)
    write(built)
    print(f"{len(everything)} cases")


main()
