"""Oracles of the specs of papers 11 to 19: expected results from inputs and sizes."""
from __future__ import annotations

from typing import Any, Callable
import numpy as np

from .common_01_19 import *
from .oracles_01_10 import *


# ---------------------------------------------------------------- 11 Aaren

def aaren_decode(x: Inputs, c: dict) -> Inputs:
    state, out = (x["m"], x["u"], x["w"]), np.zeros(x["v"].shape)
    for t in range(c["N"]):
        s = np.einsum("hd,bhd->bh", x["qh"], x["k"][:, :, t]) * c["D"] ** -0.5
        state = A.aaren_combine(state, (s, np.ones(s.shape), x["v"][:, :, t]))
        out[:, :, t] = state[2] / state[1][..., None]
    return {"o": out, "m1": state[0], "u1": state[1], "w1": state[2]}


def aaren_pool(x: Inputs, c: dict) -> Inputs:
    """The last row of the prefix form, at the length of each sequence."""
    out = np.zeros((c["B"], c["H"], c["Dv"]))
    for b, n in enumerate(x["len"]):
        out[b] = A.aaren(x["qh"], x["k"][b:b + 1, :, :n], x["v"][b:b + 1, :, :n])[0, :, -1] if n else 0.0
    return {"o": out}


# ---------------------------------------------------------------- 12 landmarks

def landmark_decode(x: Inputs, c: dict) -> Inputs:
    """Keys of the chosen blocks in time order, each with the rotary position of its slot."""
    L, K, M = int(c["L"]), int(c["K"]), int(c["M"])
    G, out = (M - 1) // L, np.zeros(x["q"].shape[:2] + x["v"].shape[3:])
    turn = lambda row, at: A.rope(row[None], np.array([at]))[0]
    for b, h in np.ndindex(*out.shape[:2]):
        k, v = x["k"][b, h], x["v"][b, h]
        q = turn(x["q"][b, h], (K + 1) * L + (M - 1) % L) * c["D"] ** -0.5
        slot = [max(0, g - (G - K) + 1) for g in range(G)]
        score = np.array([turn(k[g * L + L - 1], slot[g] * L + L - 1) @ q for g in range(G)])
        best = np.sort(np.argsort(-score, kind="stable")[:K])
        outer, values = [], []                      # one entry per chosen block and per own token
        for place, g in enumerate(best):
            first = (place + (g >= G - K)) * L
            s = np.array([turn(k[g * L + i], first + i) @ q for i in range(L)])
            outer.append(s[-1]), values.append(A.masked_softmax(s[:-1]) @ v[g * L:g * L + L - 1])
        for j in range(G * L, M):
            if j % L != L - 1:
                outer.append(turn(k[j], (K + 1) * L + j % L) @ q), values.append(v[j])
        out[b, h] = A.masked_softmax(np.array(outer)) @ np.array(values)
    return {"o": out}


# ---------------------------------------------------------------- 13 LightNet

def lightnet_decode(x: Inputs, c: dict) -> Inputs:
    z, s, out = x["z0"].copy(), x["s0"].copy(), np.zeros(x["v"].shape)
    for t in range(c["N"]):
        zn = np.logaddexp(z, x["kx"][:, :, t])
        s = np.exp(z - zn)[..., None] * s + np.exp(x["kx"][:, :, t] - zn)[..., None] * x["v"][:, :, t, None]
        out[:, :, t], z = np.einsum("bhd,bhde->bhe", x["q"][:, :, t], s), zn
    return {"o": out, "s1": s, "z1": z}


def lightnet_lrpe(x: Inputs, c: dict) -> Inputs:
    at = np.array([divmod(n, int(c["X"])) for n in range(c["N"])], float)
    w = np.exp(x["kx"]) / np.exp(x["kx"]).sum(2, keepdims=True)
    return {"o": A.md_lrpe(x["q"], at) @ (A.T(A.md_lrpe(w, at)) @ x["v"])}


def lightnet_tpe(x: Inputs, c: dict) -> Inputs:
    qk, log_decay = (x["q"] * x["k"]).sum(-1), -np.log1p(np.exp(-x["rate"]))
    return {"y": sum(A.tpe(x["x"], qk[i], log_decay[i], i + 1) for i in range(2))}


# ---------------------------------------------------------------- 15 ACT

def act_decode(x: Inputs, c: dict) -> Inputs:
    p = A.masked_softmax(np.einsum("bhd,bhmd->bhm", x["q"], x["k"]) * c["D"] ** -0.5)
    for b, h in np.ndindex(*p.shape[:2]):
        sinks = np.flatnonzero(p[b, h] > c["limit"])[1:]
        if x["chosen"][h]:
            others = np.setdiff1d(np.arange(c["M"]), sinks)
            freed = (1 - c["damp"]) * p[b, h, sinks].sum()
            p[b, h, sinks] *= c["damp"]
            p[b, h, others] *= 1 + freed / p[b, h, others].sum()
    return {"o": np.einsum("bhm,bhme->bhe", p, x["v"])}


# ---------------------------------------------------------------- 16 TransNormerLLM

def tnl_layer(x: Inputs, c: dict) -> Inputs:
    silu = lambda t: t / (1 + np.exp(-t))
    rate = A.lightning_slopes(int(c["H"]), int(c["layer"]), int(c["layers"]))
    o, s = A.lightning_chunk(silu(x["q"]), silu(x["k"]), x["v"], rate, 4, x["s0"])
    return {"y": A.tnl_output(np.swapaxes(o, 1, 2).reshape(x["u"].shape), x["u"]), "s1": s}


# ---------------------------------------------------------------- 17 MULTI-LANE

def multi_lane(x: Inputs, c: dict) -> Inputs:
    w = tuple(x[n] for n in ("wq", "wk", "wv"))
    y = A.multi_lane(x["x"], x["cls"][:, :, None], x["sel"], w, int(c["H"]), x["pk"], x["pv"])
    return {"y": y, "pool": A.multi_lane_summary(x["x"], x["sel"])}


# ---------------------------------------------------------------- 18 Gaussian attention

def gaam_importance(x: Inputs, c: dict) -> Inputs:
    """The result by the catalogue; the weights, which it does not give, by loops."""
    y = np.where(x["pad"], 0.0, x["x"])
    o = np.where(x["pad"], x["x"], A.gaam(y, x["shift"][None], x["width"][None], 2, 1))
    w = np.zeros(y.shape)
    for b, n in np.ndindex(*y.shape[:2]):
        row = y[b, n]
        sd = np.sqrt(row.var(ddof=1) + 1e-8)
        for e in range(row.size):
            parts = [np.exp(-((row[e] - row.mean() - d) / sd) ** 2 / (2 * s * s)) / np.sqrt(2 * np.pi * s * s)
                     for d, s in zip(x["shift"], x["width"])]
            w[b, n, e] = np.prod(parts)
        w[b, n] /= max(w[b, n].sum(), 1e-8)
    mean = w.mean(0)
    return {"o": o, "importance": (mean - mean.min()) / (mean.max() - mean.min())}


def gaam_attention(x: Inputs, c: dict) -> Inputs:
    k, v = (A.gaam(x["kv"][i], x["shift"][i][None], x["width"][i][None], 2, 1) for i in range(2))
    return {"o": A.sdpa(x["q"], k, v)}


# ---------------------------------------------------------------- 19 MoA

def moa(x: Inputs, c: dict) -> Inputs:
    size = int(c["block"])
    spans = [A.moa_span(a, b, int(c["N"] + c["reserved"]), size, 2 * size, size) for a, b in zip(x["alpha"], x["beta"])]
    sinks, windows = [s // size for _, s, _ in spans], [w // size for _, _, w in spans]
    return {"o": A.moa(x["q"], x["k"], x["v"], sinks, windows, size), "span": [n for n, _, _ in spans]}


def moa_decode(x: Inputs, c: dict) -> Inputs:
    """The rings are spread over a whole sequence of t + 1 keys; what no ring holds is left as a large number."""
    t, sink, out = int(c["t"]), int(c["sink"]), np.zeros(x["v"].shape)
    slots = [t if t < sink else sink + (t - sink) % (int(r) - sink) for r in x["room"]]
    for b, h in np.ndindex(*out.shape[:2]):
        k, v = np.full((t + 1, c["D"]), 1e3), np.full((t + 1, c["Dv"]), 1e3)
        for slot, source in enumerate(A.moa_ring(t, sink, int(x["room"][h]))):
            if source >= 0:
                k[source], v[source] = x["ring_k"][b, x["start"][h] + slot], x["ring_v"][b, x["start"][h] + slot]
        k[t], v[t] = x["k"][b, h], x["v"][b, h]
        q, window = x["q"][b, h][None, None, None], x["room"][h] - sink
        out[b, h] = A.moa_decode(q, k[None, None], v[None, None], [sink], [window])[0, 0, 0]
    return {"o": out, "slot": slots}


def moa_fill(x: Inputs, c: dict) -> Inputs:
    out = np.zeros((c["B"], c["H"], c["C"], c["D"]))
    for h, room in enumerate(x["room"]):
        for slot, source in enumerate(A.moa_ring(int(c["N"]), int(c["sink"]), int(room))):
            if source >= 0:
                out[:, h, slot] = x["k"][:, h, source]
    return {"ring": out}
