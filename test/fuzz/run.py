#!/usr/bin/python3
"""Fuzzes the reader: each fuzzer for a while, from the specs of the house, the faulty ones and the kept seeds.

    test/fuzz/run.py BUILD [--seconds 60]

A crash is written to BUILD/fuzz/ and printed; put it into test/fuzz/seeds/ with its cure. Last line:
`N passed, N failed`.
"""
from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    failed = 0
    for name in ("FuzzSpec", "FuzzExpr"):
        folder = options.build.resolve() / "fuzz" / name
        folder.mkdir(parents=True, exist_ok=True)
        seeds = list((ROOT / "test/fuzz/seeds").iterdir())
        if name == "FuzzSpec":
            seeds += [*(ROOT / "specs").glob("*/*.json"), *(ROOT / "test/specs/bad").glob("*.json")]
        for seed in seeds:
            shutil.copy(seed, folder / f"{seed.parent.name}_{seed.name}")
        command = [options.build / "bin" / name, f"-max_total_time={options.seconds}", "-timeout=10", "-detect_leaks=0",
                   "-max_len=8192", f"-artifact_prefix={folder.parent}/", folder]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        runs = re.findall(r"Done (\d+) runs", done.stdout)
        if done.returncode or not runs:
            failed += 1
            print(f"FAIL: {name}: {done.stdout[-3000:]}")
        else:
            print(f"{name}: {runs[-1]} inputs, no crash")
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
