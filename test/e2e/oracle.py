#!/usr/bin/python3
"""Every spec against the numpy evaluator of the language, a stranger to the compiler.

    test/e2e/oracle.py BUILD [--target host,sm_80] [SPEC.json ...]

Inputs are made here, written as .npy, run by `heddle run`, and its results compared with test/oracle/ under
the numeric contract: |got - ref64| <= r E + 2 ulp(S); E is the largest error of the definition in f32, S the
sum of |weight| |value|; r is 1 for 16-bit results, 3 for f32; lse: 4e-6 + 2e-6 |lse|. Each spec at its
example and at three odd shapes. Prints the counts of specs and of (normaliser or rule, mask, score, decay)
tuples. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np

import shapes

sys.path.insert(0, str(shapes.ROOT / "test" / "oracle"))
import evaluate  # noqa: E402


def to_brain(x: np.ndarray) -> np.ndarray:
    """Bits of the nearest bf16, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(x), 0x7FC0, rounded).astype(np.uint16)


def from_brain(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def store(x: np.ndarray, storage: str) -> tuple[np.ndarray, np.ndarray]:
    """The array as it is stored, and the values that a kernel then reads."""
    if storage == "bf16":
        bits = to_brain(x)
        return bits, from_brain(bits).astype(np.float64)
    kind = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "i8": np.int8, "bool": np.bool_}[storage]
    stored = np.asarray(x).astype(kind)
    return stored, stored.astype(np.float64) if storage in ("f32", "f16") else stored


def ulp(storage: str, x: np.ndarray) -> np.ndarray:
    mantissa, least = {"f32": (23, -126), "f16": (10, -14), "bf16": (7, -126)}[storage]
    _, exponent = np.frexp(np.where(np.isfinite(x) & (x > 0), x, 0.0))
    exponent = np.where(x > 0, exponent - 1, least)
    return np.ldexp(1.0, np.maximum(exponent, least) - mantissa)


def compare(name: str, storage: str, got: np.ndarray, ref: np.ndarray, naive: np.ndarray, size: object) -> str:
    """What is wrong with a result, or nothing."""
    if got.shape != ref.shape:
        return f"{name}: shape {got.shape}, expected {ref.shape}"
    if isinstance(size, str):
        allowed = 4e-6 + 2e-6 * np.abs(ref)
    else:
        finite = np.isfinite(ref) & np.isfinite(naive)
        error = np.abs(naive - ref)[finite].max(initial=0.0)
        allowed = (3 if storage == "f32" else 1) * error + 2 * ulp(storage, np.abs(np.asarray(size, np.float64)))
    with np.errstate(invalid="ignore"):
        equal = (got == ref) | (np.isnan(got) & np.isnan(ref)) | (np.abs(got - ref) <= allowed)
    if equal.all():
        return ""
    at = tuple(int(i) for i in np.argwhere(~equal)[0])
    return f"{name}{list(at)}: got {got[at]}, expected {ref[at]}; {(~equal).sum()} of {equal.size} are wrong"


def odd_shape(spec: dict, seed: str) -> dict[str, int]:
    rng = random.Random(seed)
    shape = shapes.random_shape(spec, rng, small=True)
    return {dim: max(1, size) if dim not in ("N", "M") else size for dim, size in shape.items()}


def run(tool: pathlib.Path, path: pathlib.Path, target: str, sizes: dict[str, int], seed: int) -> str:
    spec = shapes.load(path)
    inputs = evaluate.make_inputs(spec, {}, sizes, seed)
    with tempfile.TemporaryDirectory() as folder:
        words, values = [], {}
        for name, x in inputs.items():
            stored, values[name] = store(x, spec["tensors"][name]["type"])
            np.save(f"{folder}/{name}.npy", stored)
            words.append(f"{name}={folder}/{name}.npy")
        done = subprocess.run([tool, "run", path, *words, *shapes.words(sizes), "--target", target, "--out", folder],
                              cwd=shapes.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode:
            return f"exit {done.returncode}: {done.stdout}"
        results = {name: np.load(f"{folder}/{name}.npy") for name in spec["results"]}
    magnitude: dict = {}
    with np.errstate(all="ignore"):
        ref = evaluate.evaluate(spec, values, {}, sizes, magnitude=magnitude)
        naive = evaluate.evaluate(spec, values, {}, sizes, real=np.float32)
    faults = []
    for name, storage in spec["results"].items():
        got = from_brain(results[name]) if storage == "bf16" else results[name]
        size = magnitude.get(name, np.abs(ref[name]))
        faults.append(compare(name, storage, got.astype(np.float64), ref[name], naive[name].astype(np.float64), size))
    return "; ".join(fault for fault in faults if fault)


def tuple_of(spec: dict) -> tuple[str, str, str, str]:
    """(normaliser or rule, mask, score, decay) of a spec's first step, as written."""
    step = spec["steps"][0]
    body = step.get("attend", step.get("recur"))
    normalise = body.get("normalize", body.get("rule", "softmax" if "attend" in step else "add"))
    return str(normalise), str(body.get("mask")), str(body.get("score")), str(body.get("decay"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("specs", nargs="*", type=pathlib.Path)
    parser.add_argument("--target", default="host,sm_80")
    options = parser.parse_args()
    specs = [path.resolve() for path in options.specs] or shapes.spec_files()
    tool = options.build.resolve() / "bin" / "heddle"
    cases = []
    for path in specs:
        spec = shapes.load(path)
        for target in options.target.split(","):
            cases.append((path, target, dict(spec.get("example", {})), 1))
            for seed in (2, 3, 4):
                cases.append((path, target, odd_shape(spec, f"{path.stem}:{target}:{seed}"), seed))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (path, target, sizes, _), fault in zip(cases, pool.map(lambda case: run(tool, *case), cases)):
            if fault:
                failed += 1
                print(f"FAIL: {path.relative_to(shapes.ROOT)} {sizes} on {target}: {fault}", flush=True)
    tuples = {tuple_of(shapes.load(path)) for path in specs}
    print(f"{len(specs)} specs, {len(tuples)} different (normaliser or rule, mask, score, decay)")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
