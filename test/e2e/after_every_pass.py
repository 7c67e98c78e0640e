#!/usr/bin/python3
"""After every pass up to the mapping, the IR of every spec means what the spec means, to 1e-11.

    test/e2e/after_every_pass.py BUILD

The interpreter runs the surface and each stage in double on the same seeded inputs, for a CPU and for a GPU
schedule, both forms of a recurrence, and once with the cleaning passes left out. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import shapes

sys.path.insert(0, str(shapes.ROOT / "test" / "oracle"))
import evaluate  # noqa: E402

PASSES = ["fold-scale", "drop-full-mask", "choose-schedule", "tile-attend", "tile-recur", "lower-sparsity", "split-intra-inter",
          "peel-tiles", "hoist-reads", "pipeline-tiles"]
OF_A_CPU = ["cut-products"]
UNHOISTED = {"tile-attend", "tile-recur", "lower-sparsity", "split-intra-inter", "peel-tiles"}
# Small tiles, so that small sizes have full, boundary and empty ones.
CPU = ["--target", "x86-64-v3", "--schedule", "query=16,strip=8,key=8,chunk=8"]
GPU = ["--target", "sm_80", "--schedule", "query=16,strip=8,key=8,chunk=8,columns=4,form=two_level,stages=2"]


def arguments(spec: dict, sizes: dict[str, int], surface: str) -> str:
    """Sizes of the function's arguments: inputs, results, what links of a chain hand on, open dims, run-time params."""
    inputs = evaluate.make_inputs(spec, {}, sizes)
    with np.errstate(all="ignore"):
        results = evaluate.evaluate(spec, inputs, {}, sizes)
    constants = evaluate.constants_of(spec, {}, sizes)
    shapes_of = [np.shape(x) for x in [*inputs.values(), *results.values()]]
    signature = re.search(r"func.func @\w+\((.*?)\) (?:->|\{)", surface).group(1)
    links = [kind.count("x") for kind in re.findall(r"tensor<([^>]*)>", signature)[len(shapes_of):]]
    rows = max((np.shape(x) for x in results.values()), key=len)  # rows and columns, or the rows alone
    shapes_of += [rows[:rank] for rank in links]
    words = ["x".join(map(str, shape)) or "0" for shape in shapes_of]
    fixed = {"D", "Dv"} | {d for d, size in spec["dims"].items() if isinstance(size, int)}
    words += [str(int(constants[d])) for d in spec["dims"] if d not in fixed]
    words += [str(p["default"]) for p in spec.get("params", {}).values() if isinstance(p, dict)]
    return ",".join(words)


def check(build: pathlib.Path, path: pathlib.Path, flags: list[str]) -> tuple[int, list[str]]:
    spec = shapes.load(path)
    sizes = {"B": 1, "H": 2, "Hkv": 1, "N": 37, "M": 43, "D": 6, "Dv": 5}
    sizes = {d: sizes.get(d, spec.get("example", {}).get(d, 5)) for d, size in spec["dims"].items() if size == "any"}
    depth = [word for d in ("D", "Dv") if spec["dims"].get(d) == "any" for word in ("--size", f"{d}={sizes[d]}")]
    passed, faults = 0, []
    for tensor in spec["tensors"].values():
        tensor.pop("sorted", None)  # the interpreter's inputs keep no promise
    with tempfile.TemporaryDirectory() as folder:
        free_of_promises = pathlib.Path(folder) / path.name
        free_of_promises.write_text(json.dumps(spec))

        def stop(at: str) -> str:
            text = subprocess.run([build / "bin/heddle", "compile", free_of_promises, *depth, *flags, "--stop-after", at],
                                  check=True, text=True, stdout=subprocess.PIPE).stdout
            file = f"{folder}/{at}.mlir"
            pathlib.Path(file).write_text(text)
            return file
        surface = stop("surface")
        args = arguments(spec, sizes, pathlib.Path(surface).read_text())
        for name in PASSES + (OF_A_CPU if "sm_80" not in flags else []):
            more = " unhoisted" if name in UNHOISTED else ""
            option = f"--attn-interpret=args={args} seed=1 against={surface}{more}"
            done = subprocess.run([build / "bin/heddle-opt", stop(name), option, "-o", "/dev/null"],
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                faults.append(f"{path.name} {' '.join(flags)} after {name} on {args}: {done.stdout[-600:]}")
            else:
                passed += 1
    return passed, faults


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    cases = [(path, flags) for path in shapes.tile_specs(build / "bin/heddle") for flags in (CPU, GPU, CPU + ["--no-canonicalize"])]
    passed, faults = 0, []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for good, bad in pool.map(lambda case: check(build, *case), cases):
            passed += good
            faults += bad
    for fault in faults:
        print(f"FAIL: {fault}", flush=True)
    print(f"{passed} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
