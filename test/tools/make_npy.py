"""Arrays for run-files.test: good ones, and one of each fault."""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
q = np.random.default_rng(0).standard_normal((1, 2, 9, 16)).astype(np.float32)
for name in "qkv":
    np.save(folder / f"{name}.npy", q)
np.save(folder / "f64.npy", q.astype(np.float64))
np.save(folder / "fortran.npy", np.asfortranarray(q))
np.save(folder / "big.npy", q.astype(">f4"))
np.save(folder / "half.npy", q.astype(np.float16))
np.save(folder / "rank.npy", q[0, 0])
np.save(folder / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
(folder / "cut.npy").write_bytes((folder / "q.npy").read_bytes()[:-100])
(folder / "text.npy").write_text("no array at all, but long enough to be one\n" * 9)
