#!/usr/bin/env python3
"""Writes the outputs of docs/sql.md anew: every example's query is run by the psql given, as trivium_reader.

    scripts/demo --keep; tests/db/sql_page.py /tmp/trivium-demo/bin/psql

What the page says beside the outputs stays. tests/db/sql_page_test.cc checks the result."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/sql.md"
FIRST, MORE = "trivium=> ", "trivium-> "


def output(psql, sql):
    done = subprocess.run([*psql, "-X", "-c", sql], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"sql_page.py: {sql}\n{done.stderr}")
    return [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]


def rewritten(lines, psql):
    inside = False
    query = []
    for line in lines:
        if line == "```":
            if inside:
                yield from output(psql, "\n".join(query))
            inside, query = not inside, []
        elif inside:
            if not line.startswith((FIRST, MORE)):
                continue  # the old output
            query.append(line[len(FIRST):])
        yield line


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if len(sys.argv) > 1 else 2
    lines = PAGE.read_text().rstrip("\n").split("\n")
    PAGE.write_text("\n".join(rewritten(lines, sys.argv[1:])) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
