"""What the cases of papers 39 to 55 share: shapes and small tools."""
from __future__ import annotations

import itertools
import math
from typing import Any, Callable

import numpy as np

Array = np.ndarray
Inputs = dict[str, Array]


from catalogue import papers_39_55 as P


def shapes(names: str, *rows: tuple) -> list[tuple[dict, dict]]:
    """Shapes as rows of numbers under the names of their dims; a dict at the end of a row holds params."""
    out = []
    for row in rows:
        params = row[-1] if isinstance(row[-1], dict) else {}
        out.append((dict(zip(names.split(), row)), params))
    return out


CROSS = shapes("B H Hkv N M D Dv", (2, 6, 3, 7, 13, 5, 3), (1, 4, 1, 11, 9, 8, 7), (1, 1, 1, 1, 1, 1, 1))
PLAIN = shapes("B H N M D Dv", (2, 3, 7, 13, 5, 3), (1, 4, 11, 9, 8, 7), (1, 1, 1, 1, 1, 1))
SELF = shapes("B H N D Dv", (2, 3, 13, 5, 3), (1, 2, 17, 8, 7), (1, 1, 1, 1, 1))


def longer(q: Array, n: int) -> Array:
    """Queries with others put before them, so that there are n: an oracle for self-attention then serves decode."""
    more = np.zeros(q.shape[:2] + (n - q.shape[2], q.shape[3]))
    return np.concatenate([more, q], 2)
