"""What the cases of papers 1 to 19 share: shapes and small tools."""
from __future__ import annotations

from typing import Any, Callable

import numpy as np

Inputs = dict[str, np.ndarray]


from catalogue import papers_01_19 as A

# One query per head over a cache, queries beside keys, one length for both; the last of each is tiny.
CACHE = [({"B": 2, "H": 6, "Hkv": 3, "M": 13, "D": 5, "Dv": 3}, {}),
({"B": 3, "H": 4, "Hkv": 1, "M": 9, "D": 8, "Dv": 7}, {}),
         ({"B": 1, "H": 2, "Hkv": 2, "M": 1, "D": 1, "Dv": 1}, {})]
WIDE = [({"B": 2, "H": 6, "Hkv": 3, "N": 7, "M": 13, "D": 5, "Dv": 3}, {}),
({"B": 1, "H": 4, "Hkv": 1, "N": 11, "M": 11, "D": 8, "Dv": 7}, {}),
        ({"B": 1, "H": 2, "Hkv": 1, "N": 1, "M": 1, "D": 1, "Dv": 1}, {})]
SELF = [({"B": 2, "H": 3, "N": 13, "D": 5, "Dv": 3}, {}), ({"B": 1, "H": 4, "N": 17, "D": 8, "Dv": 7}, {}),
        ({"B": 1, "H": 2, "N": 1, "D": 1, "Dv": 1}, {})]
NONE = [({"B": 1, "H": 2, "N": 0, "D": 3, "Dv": 2}, {})]
SQUARE = [({"B": 2, "H": 3, "N": 13, "P": 2, "D": 5}, {}), ({"B": 1, "H": 2, "N": 17, "P": 3, "D": 4}, {}),
          ({"B": 1, "H": 1, "N": 1, "P": 1, "D": 1}, {})]


def with_(shapes: list, extra: list[tuple[dict, dict]]) -> list:
    """Shapes with more sizes and params, one pair for each."""
    return [({**sizes, **more}, {**params, **p}) for (sizes, params), (more, p) in zip(shapes, extra)]


def one_query(q: np.ndarray, k: np.ndarray, v: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """q (B,H,D), keep (B,H,M) -> (B,H,Dv)."""
    return A.sdpa(q[:, :, None], k, v, keep[:, :, None])[:, :, 0]


def upto(length: np.ndarray, m: int) -> np.ndarray:
    """(B,1,M): keys before each sequence's length."""
    return (np.arange(m) < length[:, None])[:, None]
