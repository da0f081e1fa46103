#!/usr/bin/env python3
"""test_summary counts cases, names skips with their reasons, and never takes a broken run for a good one."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SUMMARY = pathlib.Path(__file__).parent / "test_summary.py"

GTEST = """<testcase name="a" status="{status}"><system-out>[ RUN      ] A.b
/x/y.cc:3: Skipped
needs a kernel
[  SKIPPED ] A.b (0 ms)
[ RUN      ] A.c
[       OK ] A.c (0 ms)
{more}</system-out></testcase>"""


def summary(*cases, flags=()):
    with tempfile.TemporaryDirectory() as folder:
        if cases:
            (pathlib.Path(folder) / "dev-unit.xml").write_text(f"<testsuite>{''.join(cases)}</testsuite>")
        done = subprocess.run([sys.executable, SUMMARY, *flags, folder], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stdout.splitlines()[-1]


class TestSummary(unittest.TestCase):
    def test_counts_the_cases_of_a_program_and_names_what_it_skipped(self):
        code, out, last = summary(GTEST.format(status="run", more=""))
        self.assertEqual((code, last), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("dev-unit: a: A.b: needs a kernel", out)

    def test_a_failed_case_fails_the_run(self):
        code, out, last = summary(GTEST.format(status="fail", more="[  FAILED  ] P/A.d/0, where x = 3 (0 ms)\n"))
        self.assertEqual((code, last), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("dev-unit: a: P/A.d/0", out)

    def test_a_crash_without_a_failed_case_is_a_failure(self):
        self.assertEqual(summary(GTEST.format(status="fail", more=""))[2], "1 passed, 1 failed, 1 skipped")

    def test_a_script_counts_as_it_says_itself_or_as_one(self):
        said = '<testcase name="n" status="run"><system-out>x\n12 passed, 0 failed</system-out></testcase>'
        silent = '<testcase name="m" status="run"><system-out>fine</system-out></testcase>'
        self.assertEqual(summary(said, silent)[2], "13 passed, 0 failed, 0 skipped")
        self.assertEqual(summary(said.replace('"run"', '"fail"'))[2], "12 passed, 1 failed, 0 skipped")

    def test_a_script_that_says_skip_is_skipped_one_that_is_missing_is_not(self):
        skipped = ('<testcase name="s" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
                   "<system-out>SKIP: needs root</system-out></testcase>")
        missing = '<testcase name="m" status="notrun"><skipped message="Unable to find executable"/></testcase>'
        code, out, last = summary(skipped, missing)
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 1 skipped"))
        self.assertIn("SKIP: needs root", out)

    def test_nothing_run_and_a_failed_build_are_failures(self):
        self.assertEqual(summary()[0], 1)
        self.assertEqual(summary(GTEST.format(status="run", more=""), flags=["--failed-build", "dev"])[0], 1)


if __name__ == "__main__":
    unittest.main()
