#!/usr/bin/python3
"""Programs drawn from the whole grammar: evaluator, interpreter, CPU and PTX in the emulator agree.

    test/e2e/random_programs.py BUILD [--count 1000] [--first 0] [--seed 1] [--pairs]

Each is run by `heddle run`, which compares with the interpreter, and its results are compared with the numpy
evaluator (oracle.py). A failing one is made smaller while it fails, and printed with the one command that shows
it. --pairs: every pair of the 16 features of draw.py must have been met 3 times. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import copy
import itertools
import json
import pathlib
import sys
import tempfile

import oracle
from draw import FEATURES, draw

TARGETS = ("host", "sm_80")


def fault_of(tool: pathlib.Path, folder: pathlib.Path, spec: dict, target: str) -> str:
    path = folder / f"{spec['name']}_{target}.json"
    path.write_text(json.dumps(spec))
    try:
        return oracle.run(tool, oracle.Case(path, target, dict(spec["example"]), {}, 1))
    except oracle.evaluate.SpecError as error:
        return f"the evaluator refuses it: {error}"


def smaller(spec: dict) -> list[dict]:
    """Specs with one thing less."""
    tries = []
    for result in list(spec["results"]) if len(spec["results"]) > 1 else ():
        less = copy.deepcopy(spec)
        del less["results"][result]
        tries.append(less)
    for n, step in enumerate(spec["steps"]):
        if len(spec["steps"]) > 1:
            less = copy.deepcopy(spec)
            gone = set(less["steps"].pop(n)["as"].values())
            less["results"] = {k: v for k, v in less["results"].items() if k not in gone}
            tries.append(less)
        kind = next(k for k in step if k != "as")
        for key in step[kind]:
            if key not in ("index", "over", "value", "query", "key", "declare", "along", "sources"):
                less = copy.deepcopy(spec)
                del less["steps"][n][kind][key]
                tries.append(less)
    for dim, size in spec["example"].items():
        if size > 1:
            less = copy.deepcopy(spec)
            less["example"][dim] = 1
            tries.append(less)
    return [less for less in tries if less["results"]]


def minimise(tool: pathlib.Path, folder: pathlib.Path, spec: dict, target: str, fault: str) -> tuple[dict, str]:
    kind = fault[:12]
    for _ in range(30):
        for less in smaller(spec):
            try:
                new = fault_of(tool, folder, less, target)
            except Exception:  # noqa: BLE001 - what is cut too far is no spec
                continue
            if new and new[:12] == kind and "exit 1:" not in new and "refuses" not in new:
                spec, fault = less, new
                break
        else:
            break
    used = json.dumps(spec["steps"])
    spec["tensors"] = {name: tensor for name, tensor in spec["tensors"].items() if f"{name}[" in used}
    return spec, fault


def run(tool: pathlib.Path, folder: pathlib.Path, seed: int, number: int) -> tuple[str, set[str]]:
    """What went wrong with program `number`, or nothing; the features it has."""
    spec, features = draw(f"{seed}:{number}", f"program_{number}")
    for target in TARGETS:
        fault = fault_of(tool, folder, spec, target)
        while "definition takes too long" in fault and max(spec["example"].values()) > 1:  # nested loops over 35 keys do
            largest = max(spec["example"], key=spec["example"].get)
            spec["example"][largest] //= 2
            fault = fault_of(tool, folder, spec, target)
        if fault:
            least, words = minimise(tool, folder, spec, target, fault)
            command = f"echo '{json.dumps(least)}' | heddle run - --target {target}"
            return f"program {number} on {target}: {words}\n  {command}", features
    return "", features


def missing_pairs(met: dict) -> list[str]:
    return [f"{a} with {b}: {met.get((a, b), 0)}" for a, b in itertools.combinations(FEATURES, 2) if met.get((a, b), 0) < 3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", action="store_true")
    options = parser.parse_args()
    tool = options.build.resolve() / "bin" / "heddle"
    failed, met = 0, {}
    with tempfile.TemporaryDirectory() as made, concurrent.futures.ThreadPoolExecutor(2) as pool:
        numbers = range(options.first, options.first + options.count)
        for fault, features in pool.map(lambda n: run(tool, pathlib.Path(made), options.seed, n), numbers):
            for pair in itertools.combinations([f for f in FEATURES if f in features], 2):
                met[pair] = met.get(pair, 0) + 1
            if fault:
                failed += 1
                print(f"FAIL: {fault}", flush=True)
    passed = options.count - failed
    if options.pairs:
        short = missing_pairs(met)
        print(f"pairs of features: {len(FEATURES) * (len(FEATURES) - 1) // 2}, the rarest met {min(met.values())} times")
        for line in short:
            print(f"FAIL: {line} times")
        failed += len(short)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
