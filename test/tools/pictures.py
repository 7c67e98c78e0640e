#!/usr/bin/python3
"""The pictures of docs/ are what the commands beside them make.

    test/tools/pictures.py BUILD [--update]

Every line `heddle show ... --svg docs/pictures/X.svg` of docs/*.md is run. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    tool = options.build.resolve() / "bin" / "heddle"
    passed = failed = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        for line in page.read_text().splitlines():
            words = line.split()
            if words[:2] != ["heddle", "show"]:
                continue
            shown = ROOT / words[-1]
            with tempfile.NamedTemporaryFile(suffix=".svg") as made:
                command = [str(tool), *words[1:-1], made.name]
                done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                picture = pathlib.Path(made.name).read_bytes()
            if options.update and not done.returncode:
                shown.write_bytes(picture)
            if done.returncode or not shown.exists() or shown.read_bytes() != picture:
                failed += 1
                print(f"FAIL: {page.name}: {line}: {done.stdout if done.returncode else 'makes another picture'}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
