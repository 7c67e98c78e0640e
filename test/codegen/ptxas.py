#!/usr/bin/python3
"""NVIDIA's assembler takes the PTX of every spec, for every GPU target, without a spill.

    test/codegen/ptxas.py BUILD

Without ptxas all cases are skipped: the emulator has run the same text. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import shapes  # noqa: E402

TARGETS = ["sm_80", "sm_86", "sm_89", "sm_90"]
# Known to spill: the ends of the many intervals of its union stay alive through the kernel. One that no longer does
# must leave this list.
SPILLS = {"s2_full"}


def find_ptxas() -> str | None:
    home = os.environ.get("CUDA_HOME")
    folders = os.pathsep.join([os.environ["PATH"], *([home + "/bin"] if home else []), "/usr/local/cuda/bin"])
    return shutil.which("ptxas", path=folders)


def check(ptxas: str, tool: pathlib.Path, path: pathlib.Path, target: str, depth: int = 64) -> str:
    """What is wrong with a spec's PTX, or nothing."""
    spec = shapes.load(path)
    sizes = shapes.compile_sizes(spec, depth)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([tool, "compile", path, *sizes, "--target", target, "--emit=ptx", "-o", folder],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            return done.stdout
        source = f"{folder}/{spec['name']}.{target}.ptx"
        done = subprocess.run([ptxas, "-v", f"-arch={target}", source, "-o", f"{folder}/k.cubin"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        return f"ptxas: exit {done.returncode}\n{done.stdout}"
    spills = [int(n) for n in re.findall(r"(\d+) bytes spill", done.stdout)]
    if path.stem in SPILLS:
        return "" if any(spills) else "it spills no longer: take it from the list"
    return f"spills\n{done.stdout}" if any(spills) or not spills else ""


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    # Every spec for the oldest target; one of each family for the others.
    cases = [(path, "sm_80") for path in shapes.spec_files()]
    cases += [(shapes.ROOT / "specs" / name, target) for target in TARGETS[1:]
              for name in ("softmax/gqa.json", "linear/lightning.json", "map/sigmoid.json")]
    # Other depths: what ptxas unrolls by itself grows with them.
    cases += [(shapes.ROOT / "specs" / name, "sm_80", depth) for depth in (1, 100, 128, 224, 256)
              for name in ("softmax/causal.json", "linear/lightning.json")]
    ptxas = find_ptxas()
    if not ptxas:
        print(f"no ptxas\n0 passed, 0 failed, {len(cases)} skipped")
        return 0
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case, fault in zip(cases, pool.map(lambda case: check(ptxas, tool, *case), cases)):
            if fault:
                failed += 1
                print(f"FAIL: {case[0].name} for {case[1:]}: {fault}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
