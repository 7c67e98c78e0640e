#!/usr/bin/python3
"""The whole compiler under address and undefined-behaviour sanitizers.

    test/e2e/sanitized_tool.py BUILD-ASAN

Every spec is compiled for both instruction sets and a GPU, every faulty one refused, some run on the CPU; the
exit code must be what it always is. MLIR and LLVM are Debian's and not instrumented, so what an
instrumented half of their containers and allocators would say is switched off. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import shapes

OPTIONS = "detect_leaks=0:detect_container_overflow=0:allow_user_poisoning=0"
RUNS = ["softmax/gqa.json", "linear/gated.json", "map/sigmoid.json", "sparse/document.json"]


def check(tool: pathlib.Path, words: list[str], expected: int) -> str:
    done = subprocess.run([tool, *words], cwd=shapes.ROOT, text=True, env={**os.environ, "ASAN_OPTIONS": OPTIONS},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    reported = "Sanitizer" in done.stdout or "runtime error" in done.stdout
    if done.returncode == expected and not reported:
        return ""
    return f"heddle {' '.join(words)}: exit {done.returncode}, expected {expected}\n{done.stdout[:4000]}"


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    cases = []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path in shapes.spec_files():
            sizes = shapes.compile_sizes(shapes.load(path), 20)
            cases.append((["compile", str(path), *sizes, "--target", "portable,sm_80", "--emit=obj,ptx,header,manifest",
                           "-o", f"{folder}/{path.stem}"], 0))
        cases += [(["check", str(path)], 1) for path in sorted((shapes.ROOT / "test/specs/bad").glob("*.json"))]
        cases += [(["run", f"specs/{name}", "--shape", "N=40", "--strides", "padded"], 0) for name in RUNS]
        faults = [fault for fault in pool.map(lambda case: check(tool, *case), cases) if fault]
    for fault in faults:
        print(f"FAIL: {fault}")
    print(f"{len(cases) - len(faults)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
