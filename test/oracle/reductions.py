"""Reductions over axes, with the values of empty ones (LANGUAGE.md, 4.1)."""
from __future__ import annotations

from typing import Any, Iterable

import numpy as np

from expression import Array, SpecError, type_of

REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin", "logsumexp")
IDENTITY = {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf, "any": False, "all": True, "logsumexp": -np.inf}
INTEGER_LIMITS = {"max": -2 ** 31, "min": 2 ** 31 - 1}


def identity(op: str, x: Array) -> Any:
    return INTEGER_LIMITS.get(op, IDENTITY[op]) if type_of(x) == "integer" else IDENTITY[op]


def total(x: Array, axis: Any) -> Array:
    """Sum over an axis (or axes); in float32 one after the other, in index order, as the naive evaluation wants it."""
    if x.dtype != np.float32:
        return x.sum(axis=axis)
    for a in sorted(np.atleast_1d(axis) % x.ndim, reverse=True):
        x = np.cumsum(x, axis=a).take(-1, axis=a) if x.shape[a] else x.sum(axis=a)
    return x


def log_sum_exp(x: Array, axis: Any = -1) -> Array:
    """Of an empty set, or of -inf only: -inf. NaN and +inf stay."""
    with np.errstate(all="ignore"):
        m = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        m = np.where(m == -np.inf, 0.0, m)
        return np.log(total(np.exp(x - m), axis)) + np.squeeze(m, axis)


def reduce(op: str, x: Array, keep: Array, axes: tuple[int, ...]) -> Array:
    """Reduce `x` over `axes`, where `keep`. Nothing kept: the identity; mean 0; argmax and argmin -1."""
    if op == "mean":
        count = keep.sum(axis=axes)
        return total(np.where(keep, x, 0.0), axes) / np.where(count == 0, 1, count)
    if op in ("argmax", "argmin"):
        y = np.where(keep, -x if op == "argmin" else x, -np.inf)
        got = np.argmax(y, axis=axes[0]) if y.shape[axes[0]] else np.zeros(np.delete(y.shape, axes[0]), int)
        return np.where(keep.any(axis=axes), got, -1)
    start = identity(op, x)
    x = np.where(keep, x, start)
    if op == "logsumexp":
        return log_sum_exp(x, axes)
    if op == "sum" and type_of(x) == "float":
        return total(x, axes)
    f = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "any": np.logical_or, "all": np.logical_and}[op]
    return f.reduce(x, axis=axes, initial=start)


def check_with(path: str, op: str, x: Array, allowed: Iterable[str]) -> None:
    if op not in allowed:
        raise SpecError(path + ".with", f"'{op}' is not one of {', '.join(allowed)}")
    if (op in ("any", "all")) != (type_of(x) == "bool"):
        raise SpecError(path, f"'with': '{op}' does not take {type_of(x)} values")
