#!/usr/bin/python3
"""Every block of docs/ is run: a page that lies turns red.

    test/docs.py BUILD [--update]

A block ```console holds commands (lines that begin with `$ `, run from the root of the house with the tools of BUILD
on the path) and what they print; ```json is a spec that `heddle check` takes. A block of another kind is a fault. --update
writes what the commands print now. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def run_console(text: str, env: dict) -> tuple[str, bool]:
    """The block with what its commands print, and whether all of them ended well."""
    made, good = [], True
    for line in text.splitlines():
        if not line.startswith("$ "):
            continue
        made.append(line)
        done = subprocess.run(["bash", "-c", "set -o pipefail; " + line[2:]], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        good &= done.returncode in (0, 141)  # a reader that has seen enough closes the pipe
        made += [out.rstrip() for out in done.stdout.splitlines()]
    return "\n".join(made) + "\n", good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "PATH": f"{build / 'bin'}:/usr/lib/llvm-22/bin:{os.environ['PATH']}", "SCRATCH": scratch, "BUILD": str(build)}
        for page in sorted((ROOT / "docs").glob("*.md")):
            text = made = page.read_text()
            for kind, body in BLOCK.findall(text):
                fault = ""
                if kind == "console":
                    now, good = run_console(body, env)
                    if not good:
                        fault = f"a command failed:\n{now}"
                    elif options.update:
                        made = made.replace(f"```console\n{body}```", f"```console\n{now}```")
                    elif now != body:
                        fault = f"it prints now:\n{now}"
                elif kind == "json":
                    done = subprocess.run([build / "bin" / "heddle", "check", "-"], input=body, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    fault = done.stdout if done.returncode else ""
                elif not (page.name == "Masks.md" and body.startswith("heddle show")):  # test/tools/pictures.py runs those
                    fault = "no block that is run"
                passed, failed = passed + (not fault), failed + bool(fault)
                if fault:
                    print(f"FAIL: {page.name}: block '{body.splitlines()[0] if body else ''}': {fault}")
            if options.update:
                page.write_text(made)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
