#!/usr/bin/python3
"""Runs every test of a build folder and prints the counts.

    test/run.py BUILD [--only lit|unit|scripts]

Unit tests are the executables bin/test_*, the lit suite is test/, scripts are the entries of SCRIPTS:
programs that print `N passed, N failed` as their last line. The last line here has the same form.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIT = "/usr/lib/llvm-22/bin/lit"
# (what is counted, command); {build} is the build folder.
SCRIPTS: list[tuple[str, list[str]]] = [
    ("bad specs", ["test/specs/bad_specs.py", "{build}"]),
    ("schema", ["test/specs/schema_agrees.py", "{build}"]),
    ("table of specs", ["test/specs/table.py", "{build}"]),
    ("pictures", ["test/tools/pictures.py", "{build}"]),
    ("after every pass", ["test/e2e/after_every_pass.py", "{build}"]),
    ("disassembly", ["test/codegen/disassembly.py", "{build}"]),
    ("ptxas", ["test/codegen/ptxas.py", "{build}"]),
    ("formulas", ["test/oracle/formulas.py"]),
    ("numpy oracle", ["test/e2e/oracle.py", "{build}"]),
    ("poison", ["test/e2e/poison.py", "{build}"]),
    ("random shapes, CPU", ["test/e2e/random_shapes.py", "{build}", "--count", "300"]),
    ("random specs", ["test/e2e/random_specs.py", "{build}", "--count", "50"]),
    ("random shapes, PTX", ["test/e2e/random_shapes.py", "{build}", "--count", "60", "--target", "sm_80"]),
    ("random programs", ["test/e2e/random_programs.py", "{build}", "--count", "1000", "--pairs"]),
    ("documents", ["test/docs.py", "{build}"]),
]
# Hours, not minutes: tools/check --full.
FULL: list[tuple[str, list[str]]] = [
    ("fuzz", ["test/fuzz/run.py", "{build}", "--seconds", "60"]),
    ("mutants", ["test/mutants.py"]),
    ("random programs, many", ["test/e2e/random_programs.py", "{build}", "--count", "20000", "--seed", "2"]),
]


class Counts:
    """What passed and failed, by suite; a suite without a test is a failure of its own."""

    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.lines: list[str] = []

    def add(self, suite: str, passed: int, failed: int, skipped: int, seconds: float) -> None:
        if passed + failed + skipped == 0:
            failed = 1
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        note = f", {skipped} skipped" if skipped else ""
        self.lines.append(f"{suite}: {passed} passed, {failed} failed{note} ({seconds:.0f} s)")
        print(self.lines[-1], flush=True)


def run_unit(build: pathlib.Path, counts: Counts) -> None:
    for program in sorted((build / "bin").glob("test_*")):
        start = time.time()
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            done = subprocess.run([program, "--gtest_brief=1", f"--gtest_output=json:{report.name}"], cwd=build)
            try:
                result = json.load(open(report.name))
                failed, total = result["failures"], result["tests"]
            except (ValueError, KeyError):
                failed, total = 1, 1  # it died before it could say
        if done.returncode and not failed:
            failed = 1
        counts.add(f"unit {program.name[5:]}", total - failed, failed, 0, time.time() - start)


def run_lit(build: pathlib.Path, counts: Counts) -> None:
    start = time.time()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(["/usr/bin/python3", LIT, "-sv", "-j2", "-o", report.name, build / "test"])
        try:
            codes = [test["code"] for test in json.load(open(report.name))["tests"]]
        except (ValueError, KeyError):
            codes = ["FAIL"]
    skipped = sum(code in ("UNSUPPORTED", "EXCLUDED") for code in codes)
    passed = sum(code in ("PASS", "XFAIL") for code in codes)
    counts.add("lit", passed, len(codes) - passed - skipped, skipped, time.time() - start)


def run_scripts(build: pathlib.Path, counts: Counts, scripts: list[tuple[str, list[str]]]) -> None:
    for suite, command in scripts:
        start = time.time()
        words = ["/usr/bin/python3"] + [word.format(build=build, root=ROOT) for word in command]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        sys.stdout.write(done.stdout)
        counts.lines += re.findall(r"^\d+ specs, .*$", done.stdout, re.M)
        match = re.search(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", done.stdout)
        passed, failed, skipped = (int(x or 0) for x in match.groups()) if match else (0, 1, 0)
        if done.returncode and not failed:
            failed = 1
        counts.add(suite, passed, failed, skipped, time.time() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", choices=["lit", "unit", "scripts"])
    parser.add_argument("--full", action="store_true", help="what takes long, too")
    options = parser.parse_args()
    build = options.build.resolve()
    os.environ["PATH"] = f"{build / 'bin'}:{os.environ['PATH']}"
    counts = Counts()
    for kind, runner in (("unit", run_unit), ("lit", run_lit)):
        if options.only in (None, kind):
            runner(build, counts)
    if options.only in (None, "scripts"):
        run_scripts(build, counts, SCRIPTS + (FULL if options.full else []))
    print("\n" + "\n".join(counts.lines) + "\n")
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    print(f"{counts.passed} passed, {counts.failed} failed{skipped}")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
