#!/usr/bin/python3
"""Seeded random (spec, shape, layout, threads) cases through `heddle run`; every failure prints its command.

    test/e2e/random_shapes.py BUILD [--count 300] [--seed 1] [--target x86-64-v3] [--first N]

Case n of a seed is the same whatever the count. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import pathlib
import random
import shlex
import subprocess
import sys

import shapes


def case(number: int, seed: int, targets: list[str], specs: list[pathlib.Path]) -> list[str]:
    rng = random.Random(f"{seed}:{number}")
    path = rng.choice(specs)
    target = rng.choice(targets)
    spec = shapes.load(path)
    gpu = target.startswith("sm_")
    shape = shapes.random_shape(spec, rng, small=gpu)
    if number % 3 == 0:  # at least two full tiles both ways
        for dim in ("N", "M"):
            if dim in shape:
                shape[dim] = rng.choice([130, 150] if gpu else [400, 449])
        shape = {dim: (1 if dim == "B" else min(size, 64) if dim in ("D", "Dv") else size)
                 for dim, size in shape.items()}
    if any(isinstance(t.get("range", [0])[0], int) and t.get("range", [0])[0] > 0 for t in spec["tensors"].values()):
        shape = {dim: max(1, size) for dim, size in shape.items()} # a length of at least 1
    words = [str(path.relative_to(shapes.ROOT)), *shapes.words(shape), "--target", target,
             "--seed", str(rng.randrange(1000))]
    if rng.random() < 0.4:
        words += ["--strides", rng.choice(["padded", "broadcast"])]
    if not gpu:
        words += ["--threads", rng.choice(["1", "2", "3"])]
    return words


def run(tool: pathlib.Path, words: list[str]) -> tuple[list[str], bool, str]:
    try:
        done = subprocess.run([tool, "run", *words], cwd=shapes.ROOT, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return words, False, "took longer than 300 s"
    return words, done.returncode == 0, f"exit {done.returncode}\n{done.stdout}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="x86-64-v3,x86-64-v4")
    options = parser.parse_args()
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    targets = [t for t in options.target.split(",") if t != "x86-64-v4" or "avx512vl" in flags]
    tool = options.build.resolve() / "bin" / "heddle"
    specs = shapes.tile_specs(tool)
    cases = [case(n, options.seed, targets, specs) for n in range(options.first, options.first + options.count)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for words, good, said in pool.map(lambda words: run(tool, words), cases):
            if not good:
                failed += 1
                print(f"FAIL: heddle run {shlex.join(words)}\n{said}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
