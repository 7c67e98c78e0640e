"""The steps compute, scan and select (LANGUAGE.md, 4.1, 4.2, 4.5)."""
from __future__ import annotations

import numpy as np

from expression import Array, parse
from reductions import IDENTITY, REDUCTIONS, check_with, identity, reduce
from step import Outputs, Run, Step, SpecError, plain


def compute(run: Run, body: dict, path: str) -> Outputs:
    """out[index] = with over `over` (where `where`) of value; without `over` a map."""
    s = Step(run, "compute", body, path, "index over with where value let")
    index, over = s.declare("index"), s.declare("over")
    x = s.scope.full(s.need("value"), index + over)
    if not over:
        for key in ("with", "where"):
            if key in body:
                raise SpecError(f"{path}.{key}", "needs 'over'")
        return {"out": (x, s.dims(index))}
    op = body.get("with", "sum")
    check_with(path, op, x, REDUCTIONS)
    if op in ("argmax", "argmin") and len(over) != 1:
        raise SpecError(path, f"'{op}' needs exactly one index in 'over'")
    keep = s.scope.full(s.expr("where", True), index + over, "bool")
    return {"out": (reduce(op, x, keep, tuple(range(len(index), len(index + over)))), s.dims(index))}


def scan(run: Run, body: dict, path: str) -> Outputs:
    """out[.., t, ..] = with over t' <= t (exclusive: <, reverse: >=) of value at t'."""
    s = Step(run, "scan", body, path, "index along with value exclusive reverse let")
    index, op = s.declare("index"), body.get("with", "sum")
    if body.get("along") not in index:
        raise SpecError(path + ".along", f"must be one of {', '.join(index)}")
    x = np.moveaxis(s.scope.full(s.need("value"), index), index.index(body["along"]), 0)
    check_with(path, op, x, tuple(IDENTITY))
    x = x.astype(float) if op == "logsumexp" else x
    x = x[::-1] if body.get("reverse") else x
    if body.get("exclusive"):
        x = np.concatenate([np.full_like(x[:1], identity(op, x)), x[:-1]])
    f = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "any": np.logical_or,
         "all": np.logical_and, "logsumexp": np.logaddexp}[op]
    y = f.accumulate(x, axis=0) if len(x) else x
    y = y[::-1] if body.get("reverse") else y
    return {"out": (np.moveaxis(y, 0, index.index(body["along"])), s.dims(index))}


def select(run: Run, body: dict, path: str) -> Outputs:
    """Per row of `index`: the `count` best of `over` by value; ties to the lower index."""
    s = Step(run, "select", body, path, "index over value where always count above order search let")
    index, over = s.declare("index"), s.declare("over")
    if len(over) != 1:
        raise SpecError(path + ".over", "select takes exactly one index")
    value = s.scope.full(s.expr("value", 0.0), index + over, "float")
    where = s.scope.full(s.expr("where", True), index + over, "bool")
    always = s.scope.full(s.expr("always", False), index + over, "bool")
    above = s.scope.full(s.expr("above", "-inf"), index, "float")
    count = s.expr("count")
    size = value.shape[-1]
    k = size if count is None else max(0, int(s.scope(count, (), "integer").reshape(())))
    tree = body.get("search", {}).get("tree")
    if tree:
        first, number = (s.scope.full(parse(tree[n], f"{path}.search.tree.{n}"), index, "integer") for n in ("first", "number"))
    lists = np.full(value.shape[:-1] + (k,), -1)
    for row in np.ndindex(*value.shape[:-1]):
        if tree:
            best = tree_search(value[row], int(first[row]), int(number[row]), k, tree.get("pick", "center"))
            best = best[where[row][best]]
        else:
            forced = np.flatnonzero(where[row] & always[row])
            rest = np.flatnonzero(where[row] & ~always[row] & (value[row] >= above[row]))
            best = np.concatenate([forced, rest[np.argsort(-value[row][rest], kind="stable")]])[:k]
        if body.get("order", "index") == "index":
            best = np.sort(best)
        lists[row][: len(best)] = best
    rank = np.full(value.shape, -1)
    for row in np.ndindex(*lists.shape):
        if lists[row] >= 0:
            rank[row[:-1]][lists[row]] = row[-1]
    rows, all_ = s.dims(index), s.dims(index + over)
    width = all_[-1] if count is None else plain(count.text)
    return {"list": (lists, rows + [width]), "keep": (rank >= 0, all_), "rank": (rank, all_), "count": ((lists >= 0).sum(-1), rows)}


def tree_search(value: Array, first: int, number: int, k: int, pick: str) -> Array:
    """k groups of the candidates; halve each, keep the k halves whose representative scores best, until single."""
    if number <= k:
        return np.arange(first, first + max(number, 0))
    edge = first + np.arange(k + 1) * number // k
    start, size = edge[:-1], np.diff(edge)
    while size.max() > 1:
        half = size // 2
        start, size = np.stack([start, start + half], 1).ravel(), np.stack([half, size - half], 1).ravel()
        start, size = start[size > 0], size[size > 0]
        rep = np.clip(start + (size // 2 if pick == "center" else 0), 0, len(value) - 1)
        best = np.sort(np.argsort(-value[rep], kind="stable")[:k])
        start, size = start[best], size[best]
    return start
