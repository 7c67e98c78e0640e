"""The cases of `bench/run --suite=language`: what people need fast beyond plain attention.

A case is (name, spec, shape, gates (AVX2, AVX-512), base, factor, options of heddle bench). Without a base its figure
is the useful part of the FMA peak. With one it is how much longer a call takes than the base's work would: its time
over `factor` x the base's time, both in units of the peak around their slices, and the gate is the most allowed. Cases
without gates are measured for others, or to be seen: how flat recurrences are in pages of 2 MB. What a loop without any
kernel loses in pages of 4 KB bench/memory.cpp shows; what a long prefix scan waits for memory, short ones with as many
tokens.
"""
from __future__ import annotations

import copy
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def load(name: str) -> dict:
    return json.loads((ROOT / "specs" / name).read_text())


def changed(spec: dict, storage: str = "f32", tensors: dict | None = None, **keys: object) -> dict:
    """A copy with float tensors of one type, and other keys in its first attend."""
    out = copy.deepcopy(spec)
    for tensor in out["tensors"].values():
        if tensor["type"] in ("f16", "bf16", "f32"):
            tensor["type"] = storage
    out["tensors"].update(tensors or {})
    out["results"] = {name: storage if kind in ("f16", "bf16", "f32") else kind for name, kind in out["results"].items()}
    if keys:
        out["steps"][0]["attend"].update(keys)
    return out


CAUSAL, FULL = changed(load("softmax/causal.json")), changed(load("softmax/full.json"))
HEAD = "B=1,H=1,Hkv=1,N=2048,M=2048,D=64"
HEADS = "B=1,H=4,Hkv=4,N=2048,M=2048,D=64"
TOKENS = "B=1,H=4,N=1024,D=64,Dv=64"  # a head is an item, and a slice at most 0.6 ms
MANY_TOKENS = "B=1,H=1,N=65536,D=64,Dv=64"


def window(keys: int) -> dict:
    return changed(CAUSAL, mask=f"window({keys - 1}, 0)")


def mapped(expression: str) -> dict:
    spec = changed(CAUSAL, normalize={"map": expression})
    spec["results"], spec["steps"][0]["as"] = {"o": "f32"}, "o"
    return spec


def recur(**keys: object) -> dict:
    body = {"query": "q", "key": "k", "value": "v", **keys}
    tensors = {name: {"dims": ["B", "H", "N", last], "type": "f32"} for name, last in (("q", "D"), ("k", "D"), ("v", "Dv"))}
    tensors.update({"g": {"dims": ["B", "H", "N"], "type": "f32", "range": [-0.1, 0.0]},
                    "c": {"dims": ["B", "H", "N", "D"], "type": "f32", "range": [-0.1, 0.0]},
                    "beta": {"dims": ["B", "H", "N"], "type": "f32", "range": [0.0, 1.0]}})
    used = json.dumps(body)
    return {"heddle": 1, "name": "recur_case", "dims": {"B": "any", "H": "any", "N": "any", "D": 64, "Dv": 64},
            "tensors": {n: t for n, t in tensors.items() if f"{n}[" in used or n in ("q", "k", "v")},
            "steps": [{"recur": body, "as": "o"}], "results": {"o": "f32"}}


def sources() -> dict:
    """A local window beside one summary of every 16 keys."""
    spec = changed(CAUSAL, tensors={n: {"dims": ["B", "Hkv", "G", "D"], "type": "f32"} for n in ("km", "vm")})
    spec["dims"]["G"] = "M // 16"
    spec["steps"][0]["attend"].update({"mask": "true", "sources": [
        {"mask": "window(511, 0)"},
        {"over": ["g < G"], "key": "km[b, h_kv, g, d]", "value": "vm[b, h_kv, g, e]", "mask": "(g + 1) * 16 <= pos - 511"}]})
    return spec


NORM = "k[b, h, t, d] * rsqrt(dot(k[b, h, t, :], k[b, h, t, :]) + 0.000001)"
DELTA = recur(decay="exp(g[b, h, t])", rule="delta", beta="beta[b, h, t]", key=NORM)
PREFIX = {"heddle": 1, "name": "prefix_softmax", "dims": {"H": "any", "N": "any", "D": 64},
          "tensors": {"q": {"dims": ["H", "D"], "type": "f32"}, "k": {"dims": ["H", "N", "D"], "type": "f32"}, "v": {"dims": ["H", "N", "D"], "type": "f32"}},
          "steps": [{"attend": {"index": ["h < H", "q_idx < N"], "query": "q[h, d]", "key": "k[h, kv_idx, d]", "value": "v[h, kv_idx, e]", "mask": "causal"},
                     "as": "o"}], "results": {"o": "f32"}}
INT8 = changed(FULL, tensors={n: {"dims": ["B", "Hkv", "M", "D"], "type": "i8", "range": [-127, 128]} for n in "kv"} |
               {n: {"dims": ["B", "Hkv", "M"], "type": "f32", "range": [0.001, 0.01]} for n in ("ks", "vs")},
               key="k[b, h_kv, kv_idx, d] * ks[b, h_kv, kv_idx]", value="v[b, h_kv, kv_idx, e] * vs[b, h_kv, kv_idx]")
DOCUMENTS = changed(FULL, tensors={n: {"dims": ["B", "Hkv", "N", "D"], "type": "f32"} for n in "kv"} |
                    {"doc": {"dims": ["B", "N"], "type": "i32", "range": [0, 32], "sorted": True}}, mask="doc[b, q_idx] == doc[b, kv_idx]")
del DOCUMENTS["dims"]["M"], DOCUMENTS["example"]
BLOCKS = changed(FULL, tensors={"pick": {"dims": ["B", "M // 64", "M // 64"], "type": "i32", "range": [0, 10]}}, mask="pick[b, q_idx // 64, kv_idx // 64] == 0")
SKIPPED = changed(CAUSAL, tensors={"on": {"dims": ["H"], "type": "bool"}}, mask="h % 2 == 0 && causal")
MUSIC = changed(CAUSAL, tensors={"table": {"dims": ["M", "D"], "type": "f32"}}, score="score + dot(query, table[M - 1 - (pos - kv_idx), :])")
NESTED = changed(CAUSAL, normalize={"nested": {"group": "kv_idx < pos // 64 * 64 ? kv_idx // 64 : -1", "leader": "kv_idx % 64 == 63"}})
CLASSES = changed(CAUSAL, stats={"near": {"value": "pos - kv_idx < 64 ? weight : 0.0"}}, weight="pos - kv_idx < 64 ? weight : weight * (1 - near)")
CLASSES["results"] = NESTED["results"] = {"o": "f32"}
CLASSES["steps"][0]["as"] = "o"

CASES = [
    ("dense", FULL, HEAD, None, None, 1),
    ("causal", CAUSAL, HEAD, None, None, 1),
    *[(f"window {w}", window(w), HEAD.replace("2048", "4096"), gates, None, 1)
      for w, gates in ((128, (0.45, 0.47)), (256, (0.55, 0.58)), (512, (0.62, 0.65)), (1024, (0.68, 0.70)))],
    ("ALiBi", changed(CAUSAL, tensors={"slope": {"dims": ["H"], "type": "f32", "range": [0.0, 0.5]}}, score="score - slope[h] * (pos - kv_idx)"),
     HEAD, (1.08, 1.08), "causal", 1),
    ("softcap", changed(CAUSAL, score="30.0 * tanh(score / 30.0)"), HEAD, (1.25, 1.25), "causal", 1),
    ("sink", changed(CAUSAL, tensors={"s": {"dims": ["H"], "type": "f32"}}, normalize={"softmax": {"sink": "s[h]"}}), HEAD, (1.05, 1.05), "causal", 1),
    ("sigmoid", mapped("sigmoid(score - 7.6)"), HEAD, (1.08, 1.08), "causal", 1),
    ("relu", mapped("relu(score) / M"), HEAD, (1.08, 1.08), "causal", 1),
    ("strided 1-in-4 blocks", changed(CAUSAL, mask="causal && (q_idx // 64 - kv_idx // 64) % 4 == 0"), HEAD, (1.30, 1.30), "dense", 0.133),
    ("heads: window, stride, full", changed(CAUSAL, mask="causal && (h == 0 ? pos - kv_idx < 256 : h == 1 ? (q_idx // 64 - kv_idx // 64) % 4 == 0 : true)"),
     HEADS, (1.30, 1.30), "dense", 0.117 + 0.133 + 2 * 0.5),
    ("32 documents in 8192", DOCUMENTS, "B=1,H=1,Hkv=1,N=8192,D=64", (1.30, 1.30), "dense", 16 / 32),
    ("block list, 90 % empty", BLOCKS, HEAD.replace("2048", "8192"), (1.30, 1.30), "dense", 16 / 10),
    ("Music Transformer band", MUSIC, HEAD, (0.50, 0.50), None, 1),
    ("window and summaries", sources(), HEAD, (1.35, 1.35), "dense", 0.219 + 0.035),
    ("nested softmax", NESTED, HEAD, (1.50, 1.50), "causal", 1),
    ("weights by class", CLASSES, HEAD, (1.25, 1.25), "causal", 1),
    ("recur per token", recur(decay="exp(g[b, h, t])"), TOKENS, (0.60, 0.60), None, 1),
    ("recur per channel", recur(decay="exp(c[b, h, t, d])"), TOKENS, (0.40, 0.40), None, 1),
    ("gated delta", DELTA, TOKENS, (0.30, 0.30), None, 1),
    ("recur per token, N = 4k", recur(decay="exp(g[b, h, t])"), TOKENS.replace("1024", "4096"), (1.08, 1.08), "recur per token", 4),
    *[(f"{name}, N = 64k{where}", spec, MANY_TOKENS, gates, name, 16, *flags)
      for where, gates, flags in (("", (1.08, 1.08), ()), (" (2 MB)", None, ("--large-pages",)))
      for name, spec in (("recur per token", recur(decay="exp(g[b, h, t])")), ("recur per channel", recur(decay="exp(c[b, h, t, d])")), ("gated delta", DELTA))],
    ("prefix softmax, N = 4k", PREFIX, "H=1,N=4096", None, None, 1),
    ("prefix softmax, N = 16k", PREFIX, "H=1,N=16384", None, "prefix softmax, N = 4k", 4),  # 4k lie in an L2 in part
    ("prefix softmax, 16 heads of 4k", PREFIX, "H=16,N=4096", None, "prefix softmax, N = 4k", 16),  # as many bytes as 64k
    ("prefix softmax, N = 64k", PREFIX, "H=1,N=65536", (1.10, 1.10), "prefix softmax, N = 4k", 16),
    ("prefix scan over causal, N = 64k", PREFIX, "H=1,N=65536", (0.10, 0.10), "causal", 32 * 32),
    ("int8 keys and values", INT8, HEAD, (1.11, 1.11), "dense", 1),
    ("skipped heads, 50 %", SKIPPED, HEADS, (0.62, 0.62), "causal", 4),
]
