#!/usr/bin/python3
"""The evaluator of the language against the published formulas: a stranger against a stranger, in float64.

    test/oracle/formulas.py [SPEC_NAME ...]

An entry of CASES gives the shapes to try, as (sizes, params), and a function that computes the results from the
inputs by the catalogue's code, which shares no line with evaluate.py. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import importlib
import json
import pathlib
import sys
from typing import Any, Callable

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from evaluate import constants_of, evaluate, make_inputs  # noqa: E402
from expression import SpecError  # noqa: E402

TOLERANCE = 1e-10
SPECS = {path.stem: path for path in (HERE.parent.parent / "specs").glob("*/*.json")}
CASES: dict[str, tuple[list, Callable]] = {}
for file in sorted((HERE / "cases").glob("cases_*.py")):
    CASES.update(importlib.import_module(f"cases.{file.stem}").CASES)


def difference(got: np.ndarray, want: np.ndarray) -> float:
    """Largest |got - want| / max(1, |want|); equal infinities count as 0, anything else not finite as inf."""
    if got.shape != want.shape:
        return np.inf
    same = got == want
    with np.errstate(invalid="ignore"):
        d = np.where(same, 0.0, np.abs(got - want) / np.maximum(1.0, np.abs(want)))
    return float(np.where(np.isnan(d), np.inf, d).max(initial=0.0))


def check(name: str) -> str:
    """Nothing when every shape agrees; otherwise what went wrong."""
    spec = json.loads(SPECS[name].read_text())
    shapes, oracle = CASES[name]
    for seed, (sizes, params) in enumerate(shapes):
        constants: dict[str, Any] = {k: v.item() for k, v in constants_of(spec, params, sizes).items()}
        inputs = make_inputs(spec, params, sizes, seed)
        try:
            got = evaluate(spec, inputs, params, sizes)
        except SpecError as error:
            return str(error)
        for key, want in oracle(inputs, constants).items():
            worst = difference(got[key].astype(float), np.asarray(want, float))
            if worst > TOLERANCE:
                return f"{key} differs by {worst:.3g} at {sizes} {params}"
    return ""


def main() -> int:
    names = sys.argv[1:] or sorted(CASES)
    failed = 0
    for name in names:
        problem = check(name) if name in SPECS else "specs/ has no spec of this name"
        if problem:
            failed += 1
            print(f"FAIL: {name}: {problem}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
