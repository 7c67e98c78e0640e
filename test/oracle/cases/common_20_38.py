"""What the cases of papers 20 to 38 share: shapes and small tools."""
from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

Array = np.ndarray
Inputs = dict[str, Array]
Shapes = list[tuple[dict, dict]]


from catalogue import papers_20_38 as P
T, sdpa, causal = P.T, P.sdpa, P.causal


def sizes(names: str, *rows: tuple, params: Optional[list[dict]] = None) -> Shapes:
    """Shapes as rows of numbers under the names of their dims; params: one dict per row."""
    return [(dict(zip(names.split(), row)), params[n] if params else {}) for n, row in enumerate(rows)]


def heads_last(x: Array) -> Array:
    return np.moveaxis(x, 1, 2)


def rotate(x: Array, at: Array, base: float = 10000.0) -> Array:
    """Rotary code, halves; at has the axes of x without the last."""
    half = x.shape[-1] // 2
    out = np.zeros(np.broadcast_shapes(x.shape, at.shape + (1,)))
    for d in range(half):
        a = at * base ** (-2.0 * d / x.shape[-1])
        out[..., d] = x[..., d] * np.cos(a) - x[..., d + half] * np.sin(a)
        out[..., d + half] = x[..., d + half] * np.cos(a) + x[..., d] * np.sin(a)
    return out
