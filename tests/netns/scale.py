#!/usr/bin/env python3
"""Does the scale harness run, and does it print what it promises? A few seconds; says nothing of speed. Needs root.
Exit status 77: skipped."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
COLUMNS = {"name", "offered", "achieved", "p50_ms", "p99_ms", "p999_ms", "floor_p50_ms", "cpu_s_per_1000_changes_cp",
           "cpu_s_per_1000_changes_agent", "rss_mib_cp", "rss_mib_agent", "bytes_per_change"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("Skipped: PostgreSQL is run as its own user, which needs root")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        done = subprocess.run([sys.executable, "-B", "-m", "mesh.scale", "--quick", "--agents", "2",
                               "--build", args.build, "--json", str(out)],
                              env={**os.environ, "PYTHONPATH": str(TESTS)}, check=False)
        rows = json.loads(out.read_text())["rows"] if out.exists() else []
    checks = {
        "the harness ended well": done.returncode == 0,
        "a row for each rate": len(rows) == 2,
        "every column is there, and no other": all(set(row) == COLUMNS for row in rows),
        "every change came to every agent": all(row["achieved"] > 0.5 * row["offered"] for row in rows),
        "times are in order": all(0 < row["p50_ms"] <= row["p99_ms"] <= row["p999_ms"] for row in rows),
        "floor, cost and memory were measured": all(
            row["floor_p50_ms"] > 0 and row["rss_mib_cp"] > 0 and row["rss_mib_agent"] > 0 and row["bytes_per_change"] > 0
            for row in rows),
    }
    for what, ok in checks.items():
        print(f"{'ok  ' if ok else 'FAIL'} {what}")
    passed = sum(checks.values())
    print(f"{passed} passed, {len(checks) - passed} failed")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
