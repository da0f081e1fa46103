#!/usr/bin/env python3
"""Adds up what ctest wrote (JUnit files) into one line: N passed, N failed, N skipped.

A GoogleTest program counts by its cases, any other test as one. Names each failure, and each skipped case with its
reason. Exit status 1 if anything failed or nothing ran.
"""
import argparse
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

CASE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] ([\w/]+\.[\w/<>]+)(?:,| \(|$)")
ONE_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []


def gtest_cases(output):
    """{case: (state, reason)} of a GoogleTest program's output; the reason of a skip stands above its line."""
    cases, reason, collecting = {}, [], False
    for line in output.splitlines():
        match = CASE.match(line)
        if match:
            state, name = match.groups()
            cases.setdefault(name, (state, " ".join(reason).strip()))
            reason, collecting = [], False
        elif line.startswith("[ RUN"):
            reason, collecting = [], False
        elif re.search(r": Skipped$", line):
            collecting = True
        elif collecting and line.strip():
            reason.append(line.strip())
    return cases


def add(count, where, case):
    name = f"{where}: {case.get('name')}"
    output = case.findtext("system-out") or ""
    status = case.get("status")
    if status in ("notrun", "disabled"):
        skip = case.find("skipped")
        why = skip.get("message") if skip is not None else ""
        said = [line for line in output.splitlines() if line.startswith("SKIP")]
        reason = said[-1] if said else (why or "not run")
        # A program that could not be started did not skip: it failed.
        if "SKIP" in reason or status == "disabled":
            count.skipped.append((name, reason))
        else:
            count.failed.append(f"{name} ({reason})")
        return
    inner = gtest_cases(output)
    if inner:
        broken = 0
        for test, (state, reason) in inner.items():
            if state == "OK":
                count.passed += 1
            elif state == "SKIPPED":
                count.skipped.append((f"{name}: {test}", reason or "no reason given"))
            else:
                broken += 1
                count.failed.append(f"{name}: {test}")
        if status == "fail" and not broken:
            count.failed.append(f"{name} (ended without a result: crash, time-out or sanitizer report)")
        return
    lines = [ONE_LINE.match(line.strip()) for line in output.splitlines()]
    totals = [line for line in lines if line]
    if totals:
        passed, failed, skipped = (int(x or 0) for x in totals[-1].groups())
        count.passed += passed
        count.failed += [name] * failed
        if status == "fail" and not failed:
            count.failed.append(f"{name} (ended without a result)")
        reasons = [line for line in output.splitlines() if line.startswith("SKIP")]
        for i in range(skipped):
            count.skipped.append((name, reasons[i] if i < len(reasons) else "no reason given"))
    elif status == "fail":
        count.failed.append(name)
    else:
        count.passed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failed-build", action="append", default=[])
    parser.add_argument("results", type=pathlib.Path)
    args = parser.parse_args()

    count = Count()
    for preset in args.failed_build:
        count.failed.append(f"{preset}: the build")
    for file in sorted(args.results.glob("*.xml")):
        cases = ET.parse(file).getroot().iter("testcase")
        before = count.passed + len(count.failed) + len(count.skipped)
        for case in cases:
            add(count, file.stem, case)
        if before == count.passed + len(count.failed) + len(count.skipped):
            print(f"note: {file.stem}: there is no such test")

    if count.skipped:
        print("\nskipped:")
        for name, reason in count.skipped:
            print(f"  {name}: {reason}")
    if count.failed:
        print("\nfailed:")
        for name in count.failed:
            print(f"  {name}")
    print(f"\n{count.passed} passed, {len(count.failed)} failed, {len(count.skipped)} skipped")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
