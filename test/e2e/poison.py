#!/usr/bin/python3
"""What a mask hides cannot leak: NaN and infinity there leave every bit as it was.

    test/e2e/poison.py BUILD

Keys, values and biases that no query keeps are poisoned; results must be those of zeros, bit for bit, on the CPU
and as PTX. A NaN at a kept position must show. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from oracle import from_brain, to_brain

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGETS = ["x86-64-v3", "x86-64-v4", "sm_80"]


def run(tool: pathlib.Path, spec: str, target: str, inputs: dict[str, np.ndarray], codes: tuple = (0,)) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for name, array in inputs.items():
            np.save(f"{folder}/{name}.npy", array)
            words.append(f"{name}={folder}/{name}.npy")
        done = subprocess.run([tool, "run", ROOT / "specs" / spec, *words, "--target", target, "--out", folder + "/out"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode not in codes:
            raise SystemExit(f"FAIL: {spec} on {target}: exit {done.returncode}\n{done.stdout}\n0 passed, 1 failed")
        return {path.stem: np.load(path) for path in pathlib.Path(folder, "out").glob("*.npy")}


def bits(array: np.ndarray, value: float) -> object:
    """A value for an array whose uint16 are bits of a bf16."""
    return to_brain(np.array(value))[()] if array.dtype == np.uint16 else value


def real(array: np.ndarray) -> np.ndarray:
    return (from_brain(array) if array.dtype == np.uint16 else array).astype(np.float64)


def cases() -> list[tuple[str, dict[str, np.ndarray], tuple, tuple]]:
    """Spec, inputs, the part of keys and values that no query keeps, and an element of a value that one keeps."""
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    every = slice(None)
    lengths = {"q": draw(2, 4, 3, 64), "k": draw(2, 2, 200, 64), "v": draw(2, 2, 200, 64)}
    lengths = {name: to_brain(x) for name, x in lengths.items()} | {"len": np.array([130, 130], np.int32)}
    early = {"q": draw(2, 4, 40, 20), "k": draw(2, 2, 200, 20), "v": draw(2, 2, 200, 20)}
    early = {name: x.astype(np.float16) for name, x in early.items()}
    window = {"q": draw(1, 60, 4, 20), "k": draw(1, 200, 4, 20), "v": draw(1, 200, 4, 20)}
    window = {name: x.astype(np.float16) for name, x in window.items()} | {"slope": np.full(4, 0.3, np.float32)}
    gaps = {"q": draw(1, 2, 40, 20), "k": draw(1, 2, 70, 20), "v": draw(1, 2, 70, 20)}
    return [("../test/e2e/poison.gaps.json", gaps, (every, every, slice(1, None, 3)), (0, 0, 5, 3)),
            ("softmax/cache_lengths.json", lengths, (every, every, slice(130, None)), (0, 0, 5, 3)),
            ("softmax/causal_top_left.json", early, (every, every, slice(40, None)), (0, 0, 5, 3)),
            ("map/sigmoid_alibi.json", window, (every, slice(0, 100)), (0, 190, 0, 3))]


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    wide = "avx512vl" in pathlib.Path("/proc/cpuinfo").read_text()
    passed = failed = 0
    for spec, inputs, hidden, kept in cases():
        for target in TARGETS:
            if target == "x86-64-v4" and not wide:
                continue
            results = []
            for poison in (0.0, np.nan, np.inf):
                changed = {name: x.copy() for name, x in inputs.items()}
                for name in "kv":
                    changed[name][hidden] = bits(changed[name], poison)
                results.append(run(tool, spec, target, changed))
            same = all(np.array_equal(r[name].view(np.uint8), results[0][name].view(np.uint8)) for r in results for name in r)
            finite = all(np.isfinite(real(x)).all() for x in results[0].values())
            shown = {name: x.copy() for name, x in inputs.items()}
            shown["v"][kept] = bits(shown["v"], np.nan)
            # It may reach other rows of its tile (design, semantics): a mismatch of those is allowed.
            seen = any(np.isnan(real(x)).any() for x in run(tool, spec, target, shown, (0, 3)).values())
            good = same and finite and seen
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAIL: {spec} on {target}: same bits {same}, finite {finite}, a kept NaN shows {seen}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
