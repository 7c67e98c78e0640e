"""The step attend (LANGUAGE.md, 4.3)."""
from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from expression import Array, Names, SpecError, lift, parse
from reductions import REDUCTIONS, check_with, log_sum_exp, reduce, total
from step import Outputs, Run, Step, check_keys

ATTEND_KEYS = "index over declare query key value pair scale score mask offset normalize stats weight gate sources let"


def attend(run: Run, body: dict, path: str) -> Outputs:
    """score = score(scale * sum_d pair), p = normalize(score where mask), out = gate * sum_keys weight(p) * value."""
    sources = body.get("sources", [{}])
    inner = [{**{k: v for k, v in body.items() if k != "sources"}, **src} for src in sources]
    for n, src in enumerate(sources):
        check_keys(f"{path}.sources[{n}]", src, "over declare query key value pair scale score mask let".split())
    parts = [Source(run, b, path if "sources" not in body else f"{path}.sources[{n}]", n) for n, b in enumerate(inner)]
    rows, first = parts[0].rows, parts[0]
    for p in parts:
        if p.rows != rows:
            raise SpecError(p.path, "all sources need the same rows; give 'index'")
        p.set_pos(first)
    scores = [p.scores() for p in parts]                                  # each (score, keep): [rows..., keys]
    score, keep = (np.concatenate([x[i] for x in scores], -1) for i in (0, 1))
    cuts = np.cumsum([p.count for p in parts])[:-1]
    weight, lse = normalise(parts, body.get("normalize", "softmax"), score, keep, cuts, path)
    out: Outputs = {} if lse is None else {"lse": (lse, first.dims(rows))}
    split = lambda x: np.split(x, cuts, -1)
    for p, sc, w in zip(parts, split(score), split(weight)):
        p.bind("score", sc), p.bind("weight", w)
    for name, stat in body.get("stats", {}).items():
        out[name] = statistic(parts, name, stat, split(keep), f"{path}.stats.{name}")
    if "weight" in body:
        e = first.expr("weight")
        weight = np.concatenate([np.where(k, p.flat(p.scope.full(e, rows + p.over, "float")), 0.0) for p, k in zip(parts, split(keep))], -1)
    if len(parts) == 1:
        shape, dims = weight.shape[:-1] + tuple(first.scope.sizes[n] for n in first.over), first.dims(rows + first.over)
        out["weights"], out["scores"] = (weight.reshape(shape), dims), (np.where(keep, score, -np.inf).reshape(shape), dims)
    if "value" in inner[0]:
        columns = first.dims(rows + first.columns)
        gate = first.scope(first.expr("gate", 1.0), rows + first.columns, "float")
        gated = lambda size: np.where(gate == 0, 0.0, (np.abs(gate) if size else gate) * sum(
            p.times_value(w, k, size) for p, w, k in zip(parts, split(weight), split(keep))))
        out["out"] = gated(False), columns
        if run.magnitude:
            out["out magnitude"] = gated(True), columns
    return out


class Source(Step):
    """One key source of an attend step. rows: row index names; over: key index names; columns: ('e',) or ()."""

    def __init__(self, run: Run, body: dict, path: str, number: int):
        super().__init__(run, "attend", body, path, ATTEND_KEYS)
        index, self.over = self.declare("index"), self.declare("over")
        self.declare("declare")
        self.query, self.key, self.value = (self.bare(self.expr(n), ROLES[n]) for n in ("query", "key", "value"))
        order = self.infer([self.query])
        self.rows = index or tuple(n for n in order if n != "d" and n not in self.over)
        self.infer([self.key, self.value, *(self.expr(k) for k in ("pair", "score", "mask", "weight", "gate"))])
        self.kv_heads()
        if not self.over:
            if "kv_idx" not in self.scope.sizes:
                raise SpecError(path, "the key range is unknown: kv_idx stands alone in no read of key or value; give 'over'")
            self.over = ("kv_idx",)
        self.depth = ("d",) if "d" in self.scope.sizes else ()
        self.columns = ("e",) if "e" in self.scope.sizes else ()
        for e in (self.query, self.key, self.value):
            self.known(e, self.rows + self.over + ("d", "e"))
        self.count = math.prod(self.scope.sizes[n] for n in self.over)
        self.scope.values["source"] = ((), np.asarray(number))

    def set_pos(self, first: "Source") -> None:
        """pos = q_idx + offset; bottom_right = (keys of the first source) - (queries)."""
        sizes, offset = self.scope.sizes, self.body.get("offset", "bottom_right")
        if "q_idx" not in self.rows or (offset == "bottom_right" and first.over != ("kv_idx",)):
            return
        if offset in ("bottom_right", "top_left"):
            offset = first.scope.sizes["kv_idx"] - sizes["q_idx"] if offset == "bottom_right" else 0
        names = tuple(n for n in self.rows if n != "q_idx")
        at = self.scope.full(parse(offset, self.path + ".offset"), names, "integer")
        self.scope.values["pos"] = (self.rows, lift(at, names, self.rows) + lift(np.arange(sizes["q_idx"]), ("q_idx",), self.rows))

    def flat(self, x: Array) -> Array:
        return x.reshape(x.shape[: len(self.rows)] + (self.count,))

    def bind(self, name: str, x: Array) -> None:
        shape = x.shape[:-1] + tuple(self.scope.sizes[n] for n in self.over)
        self.scope.values[name] = (self.rows + self.over, x.reshape(shape))

    def scores(self) -> tuple[Array, Array]:
        """(score, keep), each [rows..., keys]."""
        s, pairs = self.scope, self.rows + self.over
        for name, e in (("query", self.query), ("key", self.key)):
            if e:
                x = s(e, pairs + self.depth, "float")
                s.values[name] = (pairs + self.depth, x)
                s.vectors[name] = (pairs, x if self.depth else x[..., None])
        if "pair" not in self.body and self.query and self.key and self.depth:
            query, key = s.values["query"][1], s.values["key"][1]
            query = np.broadcast_to(query, query.shape[:-1] + (s.sizes["d"],))  # the sum has range(d) terms, whoever mentions d
            raw = np.broadcast_to(product(query, key), tuple(s.sizes[n] for n in pairs))
        elif "pair" in self.body or (self.query and self.key):
            raw = s.full(self.expr("pair", "query * key"), pairs + self.depth, "float")
            with np.errstate(invalid="ignore"):                           # a pair the mask drops may be inf - inf
                raw = total(raw, -1) if self.depth else raw
        elif self.query or self.key:
            raise SpecError(self.path, "'query' and 'key' come together, unless 'pair' says what to do")
        else:
            raw = np.zeros(tuple(s.sizes[n] for n in pairs), s.real)
        for name in ("query", "key"):
            s.values.pop(name, None)
        scale = self.expr("scale", f"rsqrt({s.sizes['d']})" if self.depth and (self.query or "pair" in self.body) else 1.0)
        self.bind("score", self.flat(s(scale, pairs, "float") * raw))
        score = s.full(self.expr("score", "score"), pairs, "float")
        keep = s.full(self.expr("mask", True), pairs, "bool")
        return self.flat(score), self.flat(keep)

    def times_value(self, w: Array, keep: Array, magnitude: bool = False) -> Array:
        """sum over kept keys of w * value: [rows..., e]. A value no row keeps is not looked at. `magnitude`: of |w| |value|."""
        v = self.scope(self.value, self.rows + self.over + self.columns, "float")
        if magnitude:
            w, v = np.abs(w), np.abs(v)
        if len(self.over) == 1 and self.columns and np.isfinite(v).all():
            axes = tuple(self.scope.sizes[n] for n in self.rows + self.columns)
            w = np.where(keep, w, 0.0).astype(v.dtype)
            return np.broadcast_to(product(np.expand_dims(w, -2), np.swapaxes(v, -1, -2)), axes)
        v = np.broadcast_to(v, tuple(self.scope.sizes[n] for n in self.rows + self.over + self.columns))
        v = v.reshape(v.shape[: len(self.rows)] + (self.count,) + v.shape[len(self.rows + self.over):])
        with np.errstate(all="ignore"):
            if not self.columns:
                return total(np.where(keep, w * v, 0.0), -1)
            return total(np.where(keep[..., None], w[..., None] * v, 0.0), -2)


def product(a: Array, b: Array) -> Array:
    """sum over the last axis of a * b, axes broadcast; in float32 in index order."""
    with np.errstate(all="ignore"):
        if a.dtype != np.float32:
            return np.einsum("...d,...d->...", a, b)
        out = np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1], a.dtype)
        a, b = np.broadcast_arrays(a, b)
        for d in range(a.shape[-1]):
            out += a[..., d] * b[..., d]
    return out


HEADS = {"B": "b", "H": "h", "Hkv": "h_kv"}
ROLES = {"query": {**HEADS, "N": "q_idx", "D": "d"}, "key": {**HEADS, "M": "kv_idx", "N": "kv_idx", "D": "d"},
         "value": {**HEADS, "M": "kv_idx", "N": "kv_idx", "Dv": "e", "D": "e"}}


def softmax(x: Array, keep: Array, sink: Optional[Array] = None) -> tuple[Array, Array]:
    """(weights, log of the denominator) over the last axis; nothing kept: zeros and -inf."""
    x = np.where(keep, x, -np.inf)
    z = log_sum_exp(x if sink is None else np.concatenate([x, sink[..., None]], -1))
    with np.errstate(all="ignore"):
        return np.where(keep & (z != -np.inf)[..., None], np.exp(x - z[..., None]), 0.0), z


def normalise(parts: list[Source], how: Any, score: Array, keep: Array, cuts: Array, path: str) -> tuple[Array, Optional[Array]]:
    """Weights [rows..., keys] and lse [rows...] (None where it has no meaning)."""
    rows, path = parts[0].rows, path + ".normalize"
    shape = score.shape[:-1]
    split = lambda x: np.split(x, cuts, -1)
    for p, sc in zip(parts, split(score)):
        p.bind("score", sc)
    over_keys = lambda value, key, want: np.concatenate([p.flat(p.scope.full(parse(value, f"{path}.{key}"), rows + p.over, want)) for p in parts], -1)
    if how == "softmax":
        return softmax(score, keep)
    if not isinstance(how, dict):
        raise SpecError(path, '"softmax" or an object with one of softmax, map, given, nested')
    check_keys(path, how, "softmax map divide given nested".split())
    if "softmax" in how:
        sink = parts[0].scope.full(parse(how["softmax"]["sink"], path + ".softmax.sink"), rows, "float")
        return softmax(score, keep, sink)
    if "map" in how:
        w = np.where(keep, over_keys(how["map"], "map", "float"), 0.0)
        if "divide" in how:
            parts[0].scope.values["sum"] = (rows, total(w, -1))
            den = parts[0].scope.full(parse(how["divide"], path + ".divide"), rows, "float")
            with np.errstate(all="ignore"):
                w = np.where(keep, w / den[..., None], 0.0)
        return w, None
    if "given" in how:
        given = over_keys(how["given"], "given", "float")
        with np.errstate(all="ignore"):
            return np.where(keep & (given != -np.inf), np.exp(score - given), 0.0), None
    group = over_keys(how["nested"]["group"], "nested.group", "integer")
    leader = over_keys(how["nested"]["leader"], "nested.leader", "bool") & (group >= 0)
    outer, lse = softmax(score, keep & (leader | (group < 0)))
    weight = np.where(group < 0, outer, 0.0)
    for g in np.unique(group[group >= 0]):
        inside, _ = softmax(score, keep & (group == g) & ~leader)
        weight = weight + inside * np.where(leader & (group == g), outer, 0.0).sum(-1, keepdims=True)
    return weight, lse


def statistic(parts: list[Source], name: str, stat: dict, keep: list[Array], path: str) -> tuple[Array, list[str]]:
    """Reduction of an expression of score and weight over kept pairs; over the keys (default) or other indices."""
    check_keys(path, stat, "over with value index".split())
    first, op, e = parts[0], stat.get("with", "sum"), parse(stat["value"], path + ".value")
    over = tuple(stat.get("over", first.over))
    extra: Names = ()
    if "index" in stat:
        for p in parts:
            p.body = {**p.body, "stat index": stat["index"]}
            extra = p.declare("stat index")
    pieces, masks = [], []
    for p, k in zip(parts, keep):
        names = p.rows + extra + p.over
        x = p.scope.full(e, names)
        k = np.broadcast_to(lift(k.reshape(k.shape[:-1] + tuple(p.scope.sizes[n] for n in p.over)), p.rows + p.over, names), x.shape)
        if over == first.over:
            x, k = (y.reshape(y.shape[: len(p.rows + extra)] + (p.count,)) for y in (x, k))
        elif len(parts) > 1:
            raise SpecError(path, "with several sources a statistic is over the keys")
        pieces.append(x), masks.append(k)
    check_with(path, op, pieces[0], REDUCTIONS)
    if over == first.over:
        out = reduce(op, np.concatenate(pieces, -1), np.concatenate(masks, -1), (len(first.rows + extra),))
        if not extra:
            first.new_name(name, path)
            for p in parts:
                p.scope.values[name] = (first.rows, out)
        return out, first.dims(first.rows + extra)
    names = first.rows + extra + first.over
    if not set(over) <= set(names):
        raise SpecError(path + ".over", f"names indices of this step: {', '.join(names)}")
    return reduce(op, pieces[0], masks[0], tuple(names.index(n) for n in over)), first.dims(tuple(n for n in names if n not in over))
