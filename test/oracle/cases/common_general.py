"""What the general cases share: the catalogue, shapes and small tools."""
from __future__ import annotations

from typing import Any, Callable

import numpy as np

from catalogue import papers_01_19 as A
from catalogue import papers_20_38 as B
from catalogue import papers_39_55 as C

Inputs = dict[str, np.ndarray]

# Shapes of the plain softmax family: odd sizes, queries fewer and more than keys, one of everything.
WIDE = [({"B": 2, "H": 6, "Hkv": 3, "N": 7, "M": 13, "D": 5, "Dv": 3}, {}),
        ({"B": 1, "H": 4, "Hkv": 1, "N": 11, "M": 9, "D": 8, "Dv": 7}, {}),
        ({"B": 1, "H": 1, "Hkv": 1, "N": 1, "M": 1, "D": 1, "Dv": 1}, {})]
SELF = [({"B": 2, "H": 6, "Hkv": 3, "N": 13, "D": 5, "Dv": 3, "R": 5}, {}),
        ({"B": 1, "H": 4, "Hkv": 2, "N": 17, "D": 8, "Dv": 7, "R": 17}, {}),
        ({"B": 1, "H": 2, "Hkv": 1, "N": 1, "D": 1, "Dv": 1, "R": 1}, {})]
