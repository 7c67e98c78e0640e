#!/usr/bin/env python3
"""Reference evaluator of the Heddle spec language (LANGUAGE.md), in float64.

Every step is computed as its formula reads, over its whole index space at once, by broadcasting.
Nothing is tiled, fused or skipped, so use small sizes only.

    python3 evaluate.py SPEC.json --size N=7,M=9 --param W=3 --seed 0
"""
from __future__ import annotations

import argparse
import json
import re
import zlib
from typing import Optional

import numpy as np

from attend import attend
from expression import CONSTANTS, FUNCTIONS, MACROS, Array, Scope, SpecError, parse, type_of, walk
from glue import compute, scan, select
from recur import recur
from step import Run, check_keys, plain

STEPS = {"compute": compute, "scan": scan, "attend": attend, "recur": recur, "select": select}
STORAGE = ("f32", "f16", "bf16", "i8", "e4m3", "e5m2", "i32", "bool")
RESERVED = {*CONSTANTS, *MACROS, *FUNCTIONS, *"pos q_idx kv_idx h_kv source score weight sum query key".split()}
TOP = "heddle name about source dims params require tensors steps results example".split()


def constants_of(spec: dict, params: dict, sizes: dict) -> dict[str, Array]:
    """Values of params and dims; derived dims are evaluated once everything they mention is known."""
    out: dict[str, Array] = {}
    for name in (*spec.get("params", {}), *spec.get("dims", {})):
        if not re.fullmatch(r"[A-Za-z_]\w{0,62}", name) or name in RESERVED:
            raise SpecError(f"dims or params.{name}", "is reserved or no name")
    for name, p in spec.get("params", {}).items():
        value = params.get(name, p["default"] if isinstance(p, dict) else p)
        is_float = isinstance(p, float) or (isinstance(p, dict) and p["type"] == "f32")
        out[name] = np.float64(value) if is_float else np.bool_(value) if isinstance(value, bool) else np.int64(value)
    todo = dict(spec.get("dims", {}))
    while todo:
        for name, d in list(todo.items()):
            if d == "any" or isinstance(d, int):
                value = sizes.get(name, spec.get("example", {}).get(name) if d == "any" else d)
                if value is None:
                    raise SpecError(f"dims.{name}", "is known at run time only: give a size")
                out[name] = np.int64(value)
            else:
                e = parse(d, f"dims.{name}")
                if any(n.kind == "name" and n.op in todo for n in walk(e.node)):
                    continue
                out[name] = np.int64(Scope({}, out)(e, (), "integer"))
            if out[name] < 0:
                raise SpecError(f"dims.{name}", f"is negative: {out[name]}")
            del todo[name]
            break
        else:
            raise SpecError("dims", f"{', '.join(todo)} depend on each other")
    return out


def shape_of(spec: dict, name: str, constants: dict[str, Array]) -> tuple[int, ...]:
    dims = spec["tensors"][name]["dims"]
    shape = tuple(int(Scope({}, constants)(parse(d, f"tensors.{name}.dims"), (), "integer")) for d in dims)
    if min(shape, default=0) < 0:
        raise SpecError(f"tensors.{name}.dims", f"a size is negative: {list(shape)}")
    return shape


def make_inputs(spec: dict, params: dict, sizes: dict, seed: int = 0) -> dict[str, Array]:
    """Deterministic test data: normal floats (uniform where a range stands), fair bools, uniform integers."""
    constants, out = constants_of(spec, params, sizes), {}
    for name, t in spec["tensors"].items():
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        shape = shape_of(spec, name, constants)
        limits = [float(Scope({}, constants)(parse(x, f"tensors.{name}.range"), (), "float")) for x in t.get("range", [])]
        if t["type"] == "bool":
            x: Array = rng.random(shape) < 0.5
        elif t["type"] in ("i32", "i8"):
            if not limits:
                raise SpecError(f"tensors.{name}", "an integer tensor needs 'range': [first, end]")
            x = rng.integers(int(limits[0]), max(int(limits[1]), int(limits[0]) + 1), shape)
            if t.get("distinct") and x.size:
                pool = np.arange(int(limits[0]), int(limits[1]))
                if len(pool) < shape[-1]:
                    raise SpecError(f"tensors.{name}.distinct", "the range holds fewer values than the last axis")
                rows = np.broadcast_to(pool, (*shape[:-1], len(pool)))
                x = rng.permuted(rows, axis=-1)[..., : shape[-1]]
        else:
            x = rng.uniform(*limits, shape) if limits else rng.standard_normal(shape)
        out[name] = np.sort(x, -1) if t.get("sorted") else x
    return out


def evaluate(spec: dict, inputs: dict[str, Array], params: Optional[dict] = None, sizes: Optional[dict] = None,
             real: type = np.float64, magnitude: Optional[dict] = None) -> dict[str, Array]:
    """Results of a spec by name, in float64 (integers and bools as they are).

    A dim that stands alone as an axis of an input has that axis's size; `sizes` gives the others. `real` is the type
    every float is computed in. `magnitude` is filled: result -> sum of |weight| |value| of every element, or the
    word "lse"; a result of another kind has no entry."""
    check_keys("spec", spec, TOP)
    for key in ("heddle", "name", "tensors", "steps", "results"):
        if key not in spec:
            raise SpecError("spec", f"'{key}' is missing")
    if spec.get("heddle") != 1:
        raise SpecError("heddle", "this evaluator knows format 1")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", spec.get("name", "")):
        raise SpecError("name", "must match [a-z][a-z0-9_]{0,62}")
    seen = {d: n for name, t in spec["tensors"].items() for d, n in zip(t["dims"], np.shape(inputs[name])) if d in spec.get("dims", {})}
    constants = constants_of(spec, params or {}, {**seen, **(sizes or {})})
    for n, text in enumerate(spec.get("require", [])):
        if not Scope({}, constants)(parse(text, f"require[{n}]"), (), "bool"):
            raise SpecError(f"require[{n}]", f"'{text}' does not hold")
    run = Run(constants, {}, {}, real, magnitude is not None)
    for name, t in spec["tensors"].items():
        check_keys(f"tensors.{name}", t, "dims type range sorted distinct about".split())
        if t["type"] not in STORAGE:
            raise SpecError(f"tensors.{name}.type", f"'{t['type']}' is not one of {', '.join(STORAGE)}")
        x = np.asarray(inputs[name])
        if x.shape != shape_of(spec, name, constants):
            raise SpecError(f"tensors.{name}", f"has shape {x.shape}, expected {shape_of(spec, name, constants)}")
        kind = bool if t["type"] == "bool" else np.int64 if t["type"] in ("i32", "i8") else real
        run.tensors[name], run.dims[name] = x.astype(kind), [plain(d) for d in t["dims"]]
    for n, step in enumerate(spec["steps"]):
        kinds = [k for k in step if k in STEPS]
        if len(kinds) != 1:
            raise SpecError(f"steps[{n}]", f"needs exactly one of {', '.join(STEPS)}")
        check_keys(f"steps[{n}]", step, (kinds[0], "as", "about"))
        if "as" not in step:
            raise SpecError(f"steps[{n}]", "'as' is missing")
        path = f"steps[{n}].{kinds[0]}"
        got = STEPS[kinds[0]](run, step[kinds[0]], path)
        names = step["as"] if isinstance(step["as"], dict) else {"list" if kinds[0] == "select" else "out": step["as"]}
        for output, name in names.items():
            if output not in got:
                raise SpecError(f"steps[{n}].as", f"'{output}' is not an output here; there are {', '.join(got)}")
            if name in run.tensors:
                raise SpecError(f"steps[{n}].as", f"the tensor '{name}' exists already")
            run.tensors[name], run.dims[name] = np.asarray(got[output][0]), got[output][1]
            if magnitude is not None and output == "lse":
                magnitude[name] = "lse"
            elif magnitude is not None and f"{output} magnitude" in got:
                magnitude[name] = got[f"{output} magnitude"][0]
    for name, storage in spec["results"].items():
        if name not in run.tensors or name in spec["tensors"]:
            raise SpecError(f"results.{name}", "no step makes it")
        kind = type_of(run.tensors[name])
        if storage not in STORAGE or kind != {"bool": "bool", "i32": "integer", "i8": "integer"}.get(storage, "float"):
            raise SpecError(f"results.{name}", f"a {kind} result cannot be stored as {storage}")
    return {name: run.tensors[name] for name in spec["results"]}


def main() -> None:
    ap = argparse.ArgumentParser(description="Evaluate a spec on deterministic random inputs.")
    ap.add_argument("spec")
    ap.add_argument("--size", default="", help="N=7,M=9")
    ap.add_argument("--param", default="", help="W=3,cap=20.0")
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    pairs = lambda text: {k: json.loads(v) for k, v in (x.split("=") for x in text.split(",") if x)}
    spec, sizes, params = json.load(open(args.spec)), pairs(args.size), pairs(args.param)
    try:
        results = evaluate(spec, make_inputs(spec, params, sizes, args.seed), params, sizes)
    except SpecError as error:
        raise SystemExit(f"{args.spec}: {error}")
    for name, x in results.items():
        finite = x[np.isfinite(x)].astype(float)
        print(f"{name} {list(x.shape)} sum {finite.sum():.12g} abs {np.abs(finite).sum():.12g} not finite {x.size - finite.size}")


if __name__ == "__main__":
    main()
