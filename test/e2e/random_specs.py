#!/usr/bin/python3
"""Specs drawn from the grammar by a seed, compiled, run and compared: a variant is data.

    test/e2e/random_specs.py BUILD [--count 50] [--seed 1] [--first N] [--keep FOLDER]

Each draws a family (attend or recur), layouts, types, score, mask, normaliser, offset, decay, feature maps,
captured tensors and odd sizes, and runs on the CPU (both instruction sets where the machine has them) and as
PTX in the emulator. A failing spec is printed whole, with its commands. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Draw:
    """One spec; every choice is the generator's."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.tensors: dict = {}
        self.params: dict = {}
        self.depth = rng.choice([1, 3, 8, 16, 24, 33, 64])
        self.width = rng.choice([self.depth, self.depth, 5, 32, 48])
        self.type = rng.choice(["f32", "f32", "f16", "bf16"])

    def axes(self, heads: str, length: str, last: str) -> list[str]:
        return self.rng.choice([["B", heads, length, last], ["B", length, heads, last]])

    def captured(self, name: str, dims: list, **more: object) -> str:
        self.tensors.setdefault(name, {"dims": dims, "type": "f32", **more})
        return name

    def feature(self, read: str, plain: str) -> str:
        """A read, or an elementwise map of it."""
        maps = ["{x}", "{x}", "relu({x})", "{x} * 0.5", "max({x}, -1.0)", "tanh({x})", "{x} >= 0 ? {x} + 1 : exp({x})"]
        chosen = self.rng.choice(maps)
        return plain if chosen == "{x}" and self.rng.random() < 0.5 else chosen.format(x=read)

    def score(self) -> str:
        forms = ["score", "score", "2 * score", "8.0 * tanh(score / 8.0)", "score - {slope}[h] * abs(pos - kv_idx)",
                 "score + {bias}[h, kv_idx]", "score + {row}[b, h, q_idx]", "cap * tanh(score / cap)",
                 "score + (kv_idx % 3 == 0 ? 0.5 : -0.25)", "score + {table}[clampd]"]
        text = self.rng.choice(forms)
        if "cap" in text:
            self.params["cap"] = {"type": "f32", "default": 20.0}
        if "clampd" in text:
            text = text.replace("clampd", "max(0, min(pos - kv_idx, 8))")
            return text.format(table=self.captured("table", [9]))
        return text.format(slope=self.captured("slope", ["H"], range=[0.0, 0.5]) if "{slope}" in text else "",
                           bias=self.captured("bias", ["H", "M"]) if "{bias}" in text else "",
                           row=self.captured("row", ["B", "H", "N"]) if "{row}" in text else "")

    def mask_term(self) -> str:
        width = self.rng.choice([0, 1, 7, 16, 40])
        term = self.rng.choice(["causal", "causal", f"window({width}, 0)", f"window({width}, {self.rng.choice([0, 3, -1])})",
                                "kv_idx < len", f"kv_idx < {self.rng.choice([1, 4, 20])}", "(pos - kv_idx) % 3 == 0",
                                f"kv_idx // {max(width, 1)} == q_idx // {max(width, 1)}", "doc"])
        if term == "kv_idx < len":
            self.tensors["len"] = {"dims": ["B"], "type": "i32", "range": [0, "M + 1"]}
            return "kv_idx < len[b]"
        if term == "doc":
            self.tensors["dq"] = {"dims": ["B", "N"], "type": "i32", "range": [0, 3], "sorted": True}
            self.tensors["dk"] = {"dims": ["B", "M"], "type": "i32", "range": [0, 3], "sorted": True}
            return "dq[b, q_idx] == dk[b, kv_idx]"
        return term

    def mask(self) -> object:
        kind = self.rng.random()
        if kind < 0.2:
            return True
        if kind < 0.6:
            return self.mask_term()
        join = self.rng.choice([" && ", " || "])
        return f"({self.mask_term()}){join}({self.mask_term()})"

    def attend(self) -> dict:
        self.tensors["q"] = {"dims": self.axes("H", "N", "D"), "type": self.type}
        self.tensors["k"] = {"dims": self.axes("Hkv", "M", "D"), "type": self.type}
        self.tensors["v"] = {"dims": self.axes("Hkv", "M", "Dv"), "type": self.type}
        names = {"B": "b", "H": "h", "Hkv": "h_kv", "D": "d", "Dv": "e"}
        reads = {t: f"{t}[{', '.join(names.get(a, 'q_idx' if a == 'N' else 'kv_idx') for a in self.tensors[t]['dims'])}]"
                 for t in "qkv"}
        body = {"query": self.feature(reads["q"], "q"), "key": self.feature(reads["k"], "k"),
                "value": self.feature(reads["v"], "v")}
        if (score := self.score()) != "score":
            body["score"] = score
        if (mask := self.mask()) is not True:
            body["mask"] = mask
        if self.rng.random() < 0.3:
            body["offset"] = self.rng.choice(["top_left", "bottom_right", "start[b]"])
            if body["offset"] == "start[b]":
                self.tensors["start"] = {"dims": ["B"], "type": "i32", "range": [0, 20]}
        if self.rng.random() < 0.2:
            body["scale"] = self.rng.choice(["0.25", "rsqrt(D) * 0.5", "tau[h]"])
            if body["scale"] == "tau[h]":
                self.captured("tau", ["H"], range=[0.05, 0.5])
        outputs = {"out": "o"}
        normal = self.rng.choice(["softmax", "softmax", "sink", "sigmoid", "relu", "divide"])
        if normal == "sink":
            body["normalize"] = {"softmax": {"sink": self.captured("sink", ["H"]) + "[h]"}}
        elif normal == "sigmoid":
            body["normalize"] = {"map": "sigmoid(score - 2.0)"}
        elif normal == "relu":
            body["normalize"] = {"map": "relu(score) / max(M, 1)"}
        elif normal == "divide":
            body["normalize"] = {"map": "exp(min(score, 4.0))", "divide": "max(sum, 0.001)"}
        if normal in ("softmax", "sink") and self.rng.random() < 0.7:
            outputs["lse"] = "l"
        return {"attend": body, "as": outputs}

    def recur(self) -> dict:
        for name, last in (("q", "D"), ("k", "D"), ("v", "Dv")):
            self.tensors[name] = {"dims": self.axes("H", "N", last), "type": self.type}
        names = {"B": "b", "H": "h", "N": "t", "D": "d", "Dv": "e"}
        reads = {t: f"{t}[{', '.join(names[a] for a in self.tensors[t]['dims'])}]" for t in "qkv"}
        divides = self.rng.random() < 0.3
        positive = ["exp({x})", "relu({x}) + 0.1", "sigmoid({x})"]
        body: dict = {t: (self.rng.choice(positive).format(x=reads[t]) if divides else self.feature(reads[t], t)) for t in "qk"}
        body = {"query": body["q"], "key": body["k"], "value": self.feature(reads["v"], "v")}
        decay = self.rng.choice(["none", "constant", "head", "token"])
        if decay == "constant":
            body["decay"] = self.rng.choice(["0.9", "0.5", "0.99"])
        elif decay == "head":
            body["decay"] = f"exp(-{self.captured('rate', ['H'], range=[0.0, 0.5])}[h])"
        elif decay == "token":
            body["decay"] = f"{self.rng.choice(['exp', 'sigmoid'])}({self.captured('g', ['B', 'H', 'N'], range=[-0.5, 0.0])}[b, h, t])"
        if self.rng.random() < 0.5:
            self.captured("s0", ["B", "H", "D", "Dv"])
            body["initial"] = "s0[b, h, d, e]"
        outputs = {"out": "o"}
        if self.rng.random() < 0.6:
            outputs["state"] = "s1"
        if divides:
            body["divide"] = "max(sum, 0.01)"
            body.pop("initial", None)
            self.tensors.pop("s0", None)
        return {"recur": body, "as": outputs}

    def spec(self, number: int) -> dict:
        step = self.attend() if self.rng.random() < 0.7 else self.recur()
        is_attend = "attend" in step
        lengths = [1, 5, 16, 17, 33, 64, 65, 97, 130, 200]
        heads = self.rng.choice([1, 2])
        example = {"B": self.rng.choice([1, 2]), "H": heads * self.rng.choice([1, 2, 3]), "N": self.rng.choice(lengths)}
        dims: dict = {"B": "any", "H": "any", "N": "any", "D": self.depth, "Dv": self.width}
        if is_attend:
            dims.update({"Hkv": "any", "M": "any"})
            example.update({"Hkv": heads, "M": self.rng.choice(lengths)})
        kinds = {"out": self.type, "lse": "f32", "state": "f32"}
        return {"heddle": 1, "name": f"drawn_{number}", "dims": dims, **({"params": self.params} if self.params else {}),
                "tensors": self.tensors, "steps": [step],
                "results": {name: kinds[kind] for kind, name in step["as"].items()}, "example": example}


def run(tool: pathlib.Path, folder: pathlib.Path, number: int, seed: int, targets: list[str]) -> str:
    """What went wrong with spec `number`, or nothing."""
    spec = Draw(random.Random(f"{seed}:{number}")).spec(number)
    path = folder / f"{spec['name']}.json"
    path.write_text(json.dumps(spec, indent=1))
    for target in targets:
        words = ["run", str(path), "--target", target, "--seed", str(number)]
        if target == "sm_80":
            words += ["--shape", ",".join(f"{d}={min(spec['example'][d], 70)}" for d in ("N", "M") if d in spec["example"])]
        try:
            done = subprocess.run([tool, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        except subprocess.TimeoutExpired:
            return f"heddle {' '.join(words)}: took longer than 300 s\n{json.dumps(spec)}"
        if done.returncode:
            return f"heddle {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{json.dumps(spec)}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    wide = "avx512vl" in pathlib.Path("/proc/cpuinfo").read_text()
    targets = ["x86-64-v3", *(["x86-64-v4"] if wide else []), "sm_80"]
    tool = options.build.resolve() / "bin" / "heddle"
    failed = 0
    with tempfile.TemporaryDirectory() as made, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = options.keep or pathlib.Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(options.first, options.first + options.count)
        for fault in pool.map(lambda n: run(tool, folder, n, options.seed, targets), numbers):
            if fault:
                failed += 1
                print(f"FAIL: {fault}", flush=True)
    print(f"{options.count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
