"""The step recur (LANGUAGE.md, 4.4)."""
from __future__ import annotations

from typing import Any, Optional

import numpy as np

from attend import HEADS
from expression import Array, Expr, Names, SpecError, parse
from reductions import total
from step import Outputs, Run, Step

TIME_ROLES = {"query": {**HEADS, "N": "t", "D": "d"}, "key": {**HEADS, "N": "t", "D": "d"}, "value": {**HEADS, "N": "t", "Dv": "e", "D": "e"}}


def recur(run: Run, body: dict, path: str) -> Outputs:
    """S_t = decay S_{t-1} + update(key, value); out_t = sum_d query S_t. One step of t after the other."""
    s = Step(run, "recur", body, path, "index declare query key value decay beta rule momentum chunk read divide initial initial_sum initial_momentum reverse let")
    index = s.declare("index")
    s.declare("declare")
    ex: dict[str, Optional[Expr]] = {k: s.expr(k) for k in ("query", "key", "value", "decay", "beta", "momentum", "divide", "initial", "initial_sum", "initial_momentum")}
    ex.update({k: s.bare(ex[k], roles) for k, roles in TIME_ROLES.items()})
    order = s.infer([ex["query"]])
    rows = index or tuple(n for n in order if n not in ("d", "e"))
    s.infer(ex.values())
    s.kv_heads()
    if "t" not in rows:
        raise SpecError(path, "the time index 't' is missing: it stands alone in no read of query; give 'index'")
    rule, chunk = body.get("rule", "add"), int(s.scope(s.expr("chunk", 1), (), "integer"))
    if rule not in ("add", "delta", "momentum"):
        raise SpecError(path + ".rule", f"'{rule}' is not one of add, delta, momentum")
    state = tuple(n for n in rows if n != "t")
    depth, columns = (tuple(n for n in (x,) if n in s.scope.sizes) for x in ("d", "e"))
    for e in ex.values():
        s.known(e, rows + depth + columns)

    def over_time(key: str, default: Any, names: Names) -> Array:
        """The expression with t in front: [t, names without t...]."""
        e = ex[key] or parse(default, f"{path}.{key}")
        return np.moveaxis(s.scope.full(e, names, "float"), names.index("t"), 0)

    q, k = over_time("query", 1.0, rows + depth), over_time("key", 1.0, rows + depth)
    v = over_time("value", 1.0, rows + columns)
    a, beta, eta = (over_time(n, x, rows + depth + columns) for n, x in (("decay", 1.0), ("beta", 1.0), ("momentum", 0.0)))
    at_d = lambda x: x[..., None] if columns else x                       # [.., d] -> [.., d, e]
    at_e = lambda x: np.expand_dims(x, len(state)) if depth else x        # [.., e] -> [.., d, e]
    sum_d = lambda x: total(x, len(state)) if depth else x
    S = s.scope.full(ex["initial"], state + depth + columns, "float") if ex["initial"] else np.zeros(a.shape[1:], run.real)
    Z = s.scope.full(ex["initial_momentum"], state + depth + columns, "float") if ex["initial_momentum"] else np.zeros(a.shape[1:], run.real)
    base, z = S, None
    size = np.abs(S)                                                      # sums of |terms|, of the rule add
    if ex["divide"]:
        az = over_time("decay", 1.0, rows + depth)
        z = s.scope.full(ex["initial_sum"], state + depth, "float") if ex["initial_sum"] else np.zeros(k.shape[1:], run.real)
    steps = range(len(q))[::-1] if body.get("reverse") else range(len(q))
    out, sums = np.zeros(v.shape, run.real), np.zeros(v.shape[: 1 + len(state)], run.real)
    sizes = np.zeros(v.shape, run.real)
    for n, t in enumerate(steps):
        if body.get("read", "after") == "before":
            out[t] = sum_d(at_d(q[t]) * S)
        kt, vt = at_d(k[t]), at_e(v[t])
        if rule == "add":
            S = a[t] * S + kt * vt
            size = np.abs(a[t]) * size + np.abs(kt * vt)
            sizes[t] = sum_d(at_d(np.abs(q[t])) * size)
        elif rule == "delta":
            S = a[t] * S
            S = S + beta[t] * kt * (vt - at_e(sum_d(kt * S)))
        else:
            base = S if n % chunk == 0 else base
            Z = eta[t] * Z + beta[t] * kt * (vt - at_e(sum_d(kt * base)))
            S = a[t] * S + Z
        if body.get("read", "after") == "after":
            out[t] = sum_d(at_d(q[t]) * S)
        if z is not None:
            before = z
            z = az[t] * z + k[t]
            x = q[t] * (before if body.get("read") == "before" else z)
            sums[t] = total(x, -1) if depth else x
    at_t = rows.index("t")
    out, sums, sizes = (np.moveaxis(x, 0, at_t) for x in (out, sums, sizes))
    dims = s.dims(state + depth + columns)
    result: Outputs = {"state": (S, dims), "momentum": (Z, dims)}
    if z is not None:
        s.scope.values["sum"] = (rows, sums)
        den = s.scope.full(ex["divide"], rows, "float")
        with np.errstate(all="ignore"):
            out = out / (den[..., None] if columns else den)
            sizes = sizes / np.abs(den[..., None] if columns else den)
        result["sum"] = z, s.dims(state + depth)
    if rule == "add" and run.magnitude and body.get("read", "after") == "after":
        result["out magnitude"], result["state magnitude"] = (sizes, s.dims(rows + columns)), (size, dims)
    return {"out": (out, s.dims(rows + columns)), **result}
