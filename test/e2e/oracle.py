#!/usr/bin/python3
"""Every spec against the numpy evaluator of the language, a stranger to the compiler.

    test/e2e/oracle.py BUILD [--target x86-64-v3,x86-64-v4,sm_80] [SPEC.json ...]

Inputs are made here, written as .npy, run by `heddle run`, and its results compared with test/oracle/ under
the numeric contract: |got - ref64| <= r E + 2 ulp(S); E is the largest error of the definition in f32
(where S is not known also on inputs moved in their last place), S the sum of |weight| |value| (of a result that is
no attend's or comes from several steps: the largest element); r is 1 for 16-bit results, 3 for f32; lse: 4e-6 +
2e-6 |lse|. Each spec at its
example, at the odd shapes of its formula (test/oracle/formulas.py holds the evaluator to that) or at three of our
own, and with no batch, no query, no key. Prints the counts of specs and of (normaliser or rule, mask, score, decay)
tuples. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import random
import subprocess
import sys
import tempfile
from typing import NamedTuple

import numpy as np

import shapes

sys.path.insert(0, str(shapes.ROOT / "test" / "oracle"))
import evaluate  # noqa: E402
from formulas import CASES  # noqa: E402


class Case(NamedTuple):
    path: pathlib.Path
    target: str
    sizes: dict[str, int]
    params: dict
    seed: int


def to_brain(x: np.ndarray) -> np.ndarray:
    """Bits of the nearest bf16, ties to even."""
    bits = np.atleast_1d(np.asarray(x, np.float32)).view(np.uint32).reshape(np.shape(x))
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(x), 0x7FC0, rounded).astype(np.uint16)


def from_brain(bits: np.ndarray) -> np.ndarray:
    return (np.atleast_1d(bits).astype(np.uint32) << 16).view(np.float32).reshape(np.shape(bits))


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


def compare(name: str, storage: str, got: np.ndarray, ref: np.ndarray, naives: list, size: object) -> str:
    """What is wrong with a result, or nothing."""
    if got.shape != ref.shape:
        return f"{name}: shape {got.shape}, expected {ref.shape}"
    if storage in ("i32", "i8", "bool"):
        allowed: object = 0
    elif isinstance(size, str):
        allowed = 4e-6 + 2e-6 * np.abs(ref)
    else:
        with np.errstate(invalid="ignore"):
            errors = np.stack([np.abs(naive - ref) for naive in naives])
        error = errors[np.isfinite(errors)].max(initial=0.0)
        allowed = (3 if storage == "f32" else 1) * error + 2 * ulp(storage, np.abs(np.asarray(size, np.float64)))
    with np.errstate(invalid="ignore"):
        flushed = (got == 0) & (np.abs(ref) < np.finfo(np.float32).tiny)
        equal = (got == ref) | flushed | (np.isnan(got) & np.isnan(ref)) | (np.abs(got - ref) <= allowed)
    if equal.all():
        return ""
    at = tuple(int(i) for i in np.argwhere(~equal)[0])
    return f"{name}{list(at)}: got {got[at]}, expected {ref[at]}; {(~equal).sum()} of {equal.size} are wrong"


def moved(spec: dict, values: dict, number: int) -> dict:
    """Float inputs moved in the last place of f32, but for number 0: what a chain of steps makes of a rounding."""
    rng = np.random.default_rng(number)
    out = dict(values)
    for name, x in values.items() if number else ():
        if spec["tensors"][name]["type"] in ("f32", "f16", "bf16"):
            out[name] = x * (1 + rng.uniform(-1, 1, np.shape(x)) * 2.0**-23)
    return out


def odd_shape(spec: dict, seed: str) -> dict[str, int]:
    rng = random.Random(seed)
    shape = shapes.random_shape(spec, rng, small=True)
    return {dim: max(1, size) if dim not in ("N", "M") else size for dim, size in shape.items()}


def run(tool: pathlib.Path, case: Case) -> str:
    spec, sizes, params = shapes.load(case.path), case.sizes, case.params
    inputs = evaluate.make_inputs(spec, params, sizes, case.seed)
    with tempfile.TemporaryDirectory() as folder:
        words, values = [], {}
        for name, x in inputs.items():
            stored, values[name] = store(x, spec["tensors"][name]["type"])
            np.save(f"{folder}/{name}.npy", stored)
            words.append(f"{name}={folder}/{name}.npy")
        for name, value in params.items():
            words += ["--param", f"{name}={str(value).lower()}"]
        path = case.path
        if any(isinstance(spec["dims"][dim], int) for dim in sizes): # the formula's shapes are not the spec's own
            path = pathlib.Path(folder) / case.path.name
            path.write_text(json.dumps({**spec, "dims": {**spec["dims"], **sizes}}))
        command = [tool, "run", path, *words, *shapes.words(sizes), "--target", case.target, "--out", folder]
        done = subprocess.run(command, cwd=shapes.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode:
            return f"exit {done.returncode}: {done.stdout}"
        results = {name: np.load(f"{folder}/{name}.npy") for name in spec["results"]}
    return compare_all(spec, values, results, sizes, params)


def compare_all(spec: dict, values: dict, results: dict, sizes: dict, params: dict) -> str:
    magnitude: dict = {}
    with np.errstate(all="ignore"):
        ref = evaluate.evaluate(spec, values, params, sizes, magnitude=magnitude)
    few = sum(x.size for x in results.values()) < 4096 # the largest of few errors says little: try more often
    naives: list = []
    for n in range(9 if few else 3):
        with np.errstate(all="ignore"):
            naives.append(evaluate.evaluate(spec, moved(spec, values, n), params, sizes, real=np.float32))
        fault = compare_results(spec, results, ref, naives, magnitude)
        if not fault: # what is allowed only grows by more tries
            break
    return fault


def compare_results(spec: dict, results: dict, ref: dict, naives: list, magnitude: dict) -> str:
    faults = []
    for name, storage in spec["results"].items():
        got = from_brain(results[name]) if storage == "bf16" else results[name]
        size = magnitude.get(name)
        known = isinstance(size, np.ndarray) and len(spec["steps"]) == 1
        if not known and not isinstance(size, str): # nobody hands out the terms: the largest element
            largest = np.abs(ref[name][np.isfinite(ref[name])]).max(initial=0.0)
            size = np.maximum(largest, 0.0 if size is None else size) * np.ones(np.shape(ref[name]))
        naive = [one[name].astype(np.float64) for one in naives[: 1 if known else None]]
        faults.append(compare(name, storage, got.astype(np.float64), ref[name], naive, size))
    return "; ".join(fault for fault in faults if fault)


def cases_of(path: pathlib.Path, target: str, odd: int) -> list[Case]:
    """The example; the shapes of its formula, where there is one, else odd ones; with no queries, with no keys."""
    spec, cases = shapes.load(path), []
    example = dict(spec.get("example", {}))
    cases.append(Case(path, target, example, {}, 1))
    if path.stem in CASES:
        for n, (sizes, params) in enumerate(CASES[path.stem][0][:odd]): # they may name dims of their formula only
            own = {dim: size for dim, size in sizes.items() if dim in spec["dims"]}
            cases.append(Case(path, target, own, params, 2 + n))
    while len(cases) < 1 + odd:
        seed = 1 + len(cases)
        sizes = odd_shape(spec, f"{path.stem}:{target}:{seed}")
        if holds(spec, sizes, {}):
            cases.append(Case(path, target, sizes, {}, seed))
    empty = () if not odd or target == "x86-64-v4" else ("N", "M") if target.startswith("sm") else ("B", "N", "M")
    for dim in empty: # what a wider register changes is not this
        if spec["dims"].get(dim) == "any" and holds(spec, {**example, dim: 0}, {}):
            cases.append(Case(path, target, {**example, dim: 0}, {}, 1))
    return cases


def holds(spec: dict, sizes: dict, params: dict) -> bool:
    """Does the spec take these sizes?"""
    try:
        evaluate.evaluate(spec, evaluate.make_inputs(spec, params, sizes), params, sizes)
        return True
    except evaluate.SpecError:
        return False


def tuple_of(spec: dict) -> tuple[str, str, str, str]:
    """(normaliser or rule, mask, score, decay) of a spec's first attend or recur, as written."""
    step = next((step for step in spec["steps"] if "attend" in step or "recur" in step), spec["steps"][0])
    body = next(step[kind] for kind in ("attend", "recur", "compute", "scan", "select") if kind in step)
    normalise = body.get("normalize", body.get("rule", "softmax" if "attend" in step else "add"))
    return str(normalise), str(body.get("mask")), str(body.get("score")), str(body.get("decay"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("specs", nargs="*", type=pathlib.Path)
    wide = ["x86-64-v4"] if "avx512vl" in pathlib.Path("/proc/cpuinfo").read_text() else []
    parser.add_argument("--target", default=",".join(["x86-64-v3", *wide, "sm_80"]))
    parser.add_argument("--odd", type=int, default=3, help="odd shapes of each spec, beside its example")
    options = parser.parse_intermixed_args() # specs may stand behind options
    specs = [path.resolve() for path in options.specs] or shapes.spec_files()
    tool = options.build.resolve() / "bin" / "heddle"
    cases = [case for path in specs for target in options.target.split(",") for case in cases_of(path, target, options.odd)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case, fault in zip(cases, pool.map(lambda case: run(tool, case), cases)):
            if fault:
                failed += 1
                print(f"FAIL: {case.path.relative_to(shapes.ROOT)} {case.sizes} {case.params} on {case.target}: {fault}", flush=True)
    tuples = {tuple_of(shapes.load(path)) for path in specs}
    print(f"{len(specs)} specs, {len(tuples)} different (normaliser or rule, mask, score, decay)")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
