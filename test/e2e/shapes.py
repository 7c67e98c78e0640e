"""Shapes that find faults: 0, 1, primes, a tile less one, a tile, a tile and one, N > M, odd depths."""
from __future__ import annotations

import json
import pathlib
import random
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LENGTHS = [0, 1, 2, 7, 16, 17, 31, 33, 47, 48, 49, 61, 97, 127, 128, 129, 191, 192, 193, 211, 257, 389, 400]
DEPTHS = [1, 5, 16, 32, 48, 60, 64, 80, 100, 128]
LARGE_DEPTHS = [192, 256]


def spec_files() -> list[pathlib.Path]:
    return sorted(path for path in (ROOT / "specs").glob("*/*.json") if path.parent.name != "reader")


def tile_specs(tool: pathlib.Path) -> list[pathlib.Path]:
    """Specs of one step that is tiles, of the usual dims: what speaks of tiles, passes and their edges runs on these."""
    usual = {"B", "H", "Hkv", "N", "M", "D", "Dv"}
    found = []
    for path in spec_files():
        spec = load(path)
        size_dims = {dim for dim, size in spec["dims"].items() if size == "any"}
        derived = any(isinstance(size, str) and size != "any" for size in spec["dims"].values())
        if len(spec["steps"]) > 1 or derived or "require" in spec or not (size_dims <= usual or path.parent.name in ("softmax", "sparse")):
            continue
        words = [tool, "check", path, "--target", "x86-64-v3", "--size", ",".join(f"{d}=8" for d in ("D", "Dv") if d in size_dims), "--json"]
        done = subprocess.run([word for word in words if word], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode == 0 and json.loads(done.stdout)["variants"][-1]["schedule"]:
            found.append(path)
    return found


def load(path: pathlib.Path) -> dict:
    return json.loads(path.read_text())


def random_shape(spec: dict, rng: random.Random, small: bool = False) -> dict[str, int]:
    """Sizes of every "any" dim of a spec. `small`: for slow machines such as an emulator."""
    lengths = [n for n in LENGTHS if n <= 129] if small else LENGTHS
    depths = [d for d in DEPTHS if d <= 80] if small else DEPTHS + LARGE_DEPTHS
    shape: dict[str, int] = {}
    heads_kv = rng.choice([1, 1, 2, 3])
    for dim, size in spec["dims"].items():
        if size != "any":
            continue
        if dim == "B":
            shape[dim] = rng.choice([1, 1, 2, 3, 0] if rng.random() < 0.3 else [1, 2])
        elif dim == "Hkv":
            shape[dim] = heads_kv
        elif dim == "H":
            shape[dim] = heads_kv * rng.choice([1, 2, 3])
        elif dim in ("D", "Dv"):
            shape[dim] = rng.choice(depths)
        elif dim in ("N", "M"):
            shape[dim] = rng.choice(lengths)
        else:
            shape[dim] = rng.choice([1, 2, 5, 16, 33, 65])
    return shape


def compile_sizes(spec: dict, depth: int) -> list[str]:
    """--size of what must be compiled in; where depths have other names, or follow from D, all as in the example."""
    fixed = {dim: depth for dim in ("D", "Dv") if spec["dims"].get(dim) == "any"}
    if set(spec["dims"]) - set("B H Hkv N M D Dv".split()):
        fixed = {dim: size for dim, size in spec.get("example", {}).items() if spec["dims"][dim] == "any"}
    return ["--size", ",".join(f"{dim}={size}" for dim, size in fixed.items())] if fixed else []


def words(shape: dict[str, int]) -> list[str]:
    return ["--shape", ",".join(f"{dim}={size}" for dim, size in shape.items())] if shape else []
