"""Oracles of the specs of papers 1 to 10: expected results from inputs and sizes."""
from __future__ import annotations

from typing import Any, Callable
import numpy as np

from .common_01_19 import *


# ---------------------------------------------------------------- 1 MoH

def moh_vision(x: Inputs, c: dict) -> Inputs:
    gates = A.moh_gates_learned(x["x"], x["w_route"], x["w_share"], x["w_mix"], int(c["K"]))
    return {"o": A.moh(x["q"], x["k"], x["v"], gates), "g": gates}


def moh_decode(x: Inputs, c: dict) -> Inputs:
    gates = A.moh_gates_qnorm(x["q"][:, :, None], c["Hs"], c["K"])
    keep = upto(x["len"], c["M"])[:, :, None]
    return {"o": A.moh(x["q"][:, :, None], x["k"], x["v"], gates, keep)[:, :, 0]}


# ---------------------------------------------------------------- 2 vision transformers

def vit_head_score(x: Inputs, c: dict) -> Inputs:
    """The layer is linear in its gates: the derivative by a gate is what the layer gives with only that gate on."""
    on = np.eye(c["H"])
    alone = [A.vit_head_study(x["q"], x["k"], x["v"], x["wo"], gate) for gate in on]
    return {"score": [(x["dy"] * y).sum() for y in alone]}


def vit_strength(x: Inputs, c: dict) -> Inputs:
    p = A.masked_softmax(x["q"] @ A.T(x["k"]) * x["q"].shape[-1] ** -0.5)
    out = np.zeros((c["B"], c["H"], c["R"]))
    for i, j in np.ndindex(c["P"], c["P"]):
        out[:, :, x["ring"][i, j]] += p[:, :, i + 1, j + 1] / c["P"]
    return {"strength": out}


def vit_maps(x: Inputs, c: dict) -> Inputs:
    p = A.masked_softmax(x["q"] @ A.T(x["k"]) * x["q"].shape[-1] ** -0.5)
    return {"map": np.stack([p[:, h] for h in x["pick"]], 1)}


# ---------------------------------------------------------------- 3 distributed heads

def mha_part(x: Inputs, c: dict) -> Inputs:
    g = c["H"] // c["Hkv"]
    s = x["q"] @ A.T(np.repeat(x["k"], g, 1)) * x["q"].shape[-1] ** -0.5
    s = np.where(np.arange(c["C"])[None] + c["k0"] <= np.arange(c["N"])[:, None], s, -np.inf)
    m = s.max(-1)
    e = np.exp(s - np.where(np.isfinite(m), m, 0.0)[..., None])
    return {"m": m, "l": e.sum(-1), "o": e @ np.repeat(x["v"], g, 1)}


def mha_merge(x: Inputs, c: dict) -> Inputs:
    return {"y": A.merge_partials(x["m"], x["l"], x["o"]), "lse": np.logaddexp.reduce(x["m"] + np.log(x["l"]), 0)}


# ---------------------------------------------------------------- 4 retrieval heads

def retrieval_decode(x: Inputs, c: dict) -> Inputs:
    keep = np.broadcast_to(upto(x["len"], c["M"]), (c["B"], c["H"], c["M"]))
    s = np.einsum("bhd,bhmd->bhm", x["q"], np.repeat(x["k"], c["H"] // c["Hkv"], 1)) * x["q"].shape[-1] ** -0.5
    s = np.where(keep, s, -np.inf)
    top = np.where(keep.any(-1), s.argmax(-1), -1)
    return {"o": one_query(x["q"], x["k"], x["v"], keep), "top": top, "high": s.max(-1)}


def head_modes(x: Inputs, c: dict) -> Inputs:
    o = A.retrieval_head(x["q"], x["k"], x["v"], x["mode"] == 1)
    return {"o": np.where((x["mode"] == 2)[:, None, None], 0.0, o)}


# ---------------------------------------------------------------- 5 RCMHA

def rcmha(x: Inputs, c: dict) -> Inputs:
    conv = [(x["w" + n], x["b" + n]) for n in "qkv"]
    if c["one_way"]:
        return {"o": A.rcmha(x["q"], x["k"], x["v"], conv, x["rel"], x["shift"], x["u"])}
    q, k, v = (A.depthwise_causal_conv(x[n], *w) for n, w in zip("qkv", conv))
    s = np.zeros(q.shape[:3] + k.shape[2:3])
    for b, h, i, j in np.ndindex(*s.shape):
        row = c["P"] - (i + c["M"] - c["N"] - j)
        s[b, h, i, j] = (q[b, h, i] + x["u"][h]) @ k[b, h, j] + q[b, h, i] @ x["rel"][row, h] + x["shift"][row, h]
    return {"o": A.masked_softmax(s * q.shape[-1] ** -0.5) @ v}


def rcmha_decode(x: Inputs, c: dict) -> Inputs:
    """The same layer where q, k, v are convolved before: with taps (0, 0, 1) and no shift."""
    new = [A.depthwise_causal_conv(x[n], x["w" + n], x["b" + n])[:, :, -1:] for n in "qkv"]
    taps = lambda d: (np.tile([0.0, 0.0, 1.0], (d, 1)), np.zeros(d))
    k, v = np.concatenate([x["kc"], new[1]], 2), np.concatenate([x["vc"], new[2]], 2)
    o = A.rcmha(new[0], k, v, [taps(c["D"]), taps(c["D"]), taps(c["Dv"])], x["rel"], x["shift"], x["u"])
    return {"o": o[:, :, 0], "k1": new[1][:, :, 0], "v1": new[2][:, :, 0]}


# ---------------------------------------------------------------- 7 head divergence

def vhd(x: Inputs, c: dict) -> Inputs:
    q, k, v = (x[n] for n in "qkv")
    o, j = A.sdpa(q, k, v, A.causal(c["N"], c["M"])), np.arange(c["M"])
    far = A.vhd(o[:, :, -1], A.sdpa(q[:, :, -1:], k, v, (j < c["im"]) | (j >= c["im"] + c["n_im"]))[:, :, 0])
    keep = c["H"] // 2
    return {"y": A.vhr(o, far, c["gain"], keep), "far": far, "chosen": A.top_mask(far, keep)}


def vhr_decode(x: Inputs, c: dict) -> Inputs:
    keep = np.broadcast_to(upto(x["len"], c["M"]), (c["B"], c["H"], c["M"]))
    return {"o": one_query(x["q"], x["k"], x["v"], keep) * np.where(x["chosen"], c["gain"], 1.0)[..., None]}


# ---------------------------------------------------------------- 8 LongHeads

def longheads_decode(x: Inputs, c: dict) -> Inputs:
    w, C, t = int(c["w"]), int(c["C"]), int(c["M"]) - 1
    own, out = t // w, np.zeros(x["q"].shape)
    for b, h in np.ndindex(*out.shape[:2]):
        q, k, v, mark = (x[n][b, h] for n in ("q", "k", "v", "mark"))
        ids = np.arange(own + 1)
        if t >= C * w:
            middle = np.arange(1, own - 1)
            best = middle[np.argsort(-(mark[middle] @ q), kind="stable")[:C - 3]]
            ids = np.sort(np.concatenate([[0], best, [own - 1, own]]))
        rows = np.concatenate([np.arange(i * w, (i + 1) * w) for i in ids])
        rows = rows[rows <= t]
        at = (C - 1) * w + t % w if t >= C * w else t
        s = A.rope(q[None], np.array([at])) @ A.rope(k[rows], np.arange(rows.size)).T
        out[b, h] = A.masked_softmax(s * q.size ** -0.5)[0] @ v[rows]
    return {"o": out}


# ---------------------------------------------------------------- 9 imbalanced attention

def imbalance_decode(x: Inputs, c: dict) -> Inputs:
    out = []
    for b, n in enumerate(x["len"]):
        k, v = x["k"][b:b + 1, :, :n], x["v"][b:b + 1, :, :n]
        out.append(A.imbalance_fix(x["q"][b:b + 1, :, None], k, v, x["gain"][b, :n], x["head"])[0, :, 0])
    return {"o": np.stack(out)}


def visual_sets(x: Inputs, c: dict) -> Inputs:
    """The published code reads the class token's row only, so the other rows of the maps stay 0."""
    maps = np.zeros((2, c["H"], c["P"] + 1, c["P"] + 1))
    for i in range(2):
        s = np.einsum("hd,hjd->hj", x[f"q{i + 1}"], x[f"k{i + 1}"]) * c["D"] ** -0.5
        maps[i, :, 0] = A.masked_softmax(s)
    sets = A.visual_token_sets(maps[0], maps[1], c["ratio"], 0)
    strong, weak = ([j in s for j in range(c["P"])] for s in sets)
    gain = np.where(strong, c["up"], np.where(weak, c["down"], 0.0))
    quartile = np.percentile(maps[1][:, 0, 1:].sum(0), [25, 75])
    return {"strong": strong, "weak": weak, "gain": gain, "quartile": quartile}


# ---------------------------------------------------------------- 10 Titans

def learn(q: np.ndarray, k: np.ndarray, v: np.ndarray, rates: list, w0: list, z0: list, chunk: int) -> tuple:
    """titans_memory of the catalogue with the momentum given; returns (answers, weights, momenta)."""
    w, z, y, base = [a.copy() for a in w0], [a.copy() for a in z0], np.zeros(v.shape), w0
    for t, (theta, eta, alpha) in enumerate(zip(*rates)):
        base = [a.copy() for a in w] if t % chunk == 0 else base
        z = [eta * a - theta * g for a, g in zip(z, A.mem_grad(base, k[t], v[t], 2.0))]
        w = [(1 - alpha) * a + b for a, b in zip(w, z)]
        y[t] = A.mem_apply(w, q[t])
    return y, w, z


def titans_decode(x: Inputs, c: dict) -> Inputs:
    y, w1, z1 = (np.zeros(x[n].shape) for n in ("v", "w", "z"))
    for i in np.ndindex(*x["q"].shape[:2]):
        g = A.mem_grad([x["base"][i]], x["k"][i], x["v"][i], 2.0)[0]
        z1[i] = x["eta"][i] * x["z"][i] - x["theta"][i] * g
        w1[i] = (1 - x["alpha"][i]) * x["w"][i] + z1[i]
        y[i] = A.mem_apply([w1[i]], x["q"][i])
    return {"y": y, "w1": w1, "z1": z1}


def titans_deep(x: Inputs, c: dict) -> Inputs:
    out = {n: np.zeros(x[s].shape) for n, s in zip(("y", "a1", "za1", "b1", "zb1"), ("v", "a", "za", "b", "zb"))}
    for i in np.ndindex(*x["q"].shape[:2]):
        rates = [x[n][i] for n in ("theta", "eta", "alpha")]
        y, w, z = learn(*(x[n][i] for n in "qkv"), rates, [x["a"][i], x["b"][i]], [x["za"][i], x["zb"][i]], int(c["N"]))
        for n, value in zip(out, (y, w[0], z[0], w[1], z[1])):
            out[n][i] = value
    return out


def heads_learn(x: Inputs, q: np.ndarray, k: np.ndarray, v: np.ndarray, chunk: int) -> tuple:
    """A depth 1 memory for every head, momentum from 0: (answers, weights, momenta)."""
    y, w1, z1 = np.zeros(v.shape), np.zeros(x["w"].shape), np.zeros(x["w"].shape)
    for i in np.ndindex(*q.shape[:2]):
        rates = [x[n][i] for n in ("theta", "eta", "alpha")]
        y[i], (w1[i],), (z1[i],) = learn(q[i], k[i], v[i], rates, [x["w"][i]], [np.zeros(w1[i].shape)], chunk)
    return y, w1, z1


def before(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Learned rows (H,P,D) in front of (B,H,N,D)."""
    return np.concatenate([np.broadcast_to(p, x.shape[:1] + p.shape), x], 2)


def titans_segments(x: Inputs, c: dict) -> Inputs:
    keep = A.titans_mac_mask(int(c["N"]), int(c["C"]), int(c["P"]), bool(c["sliding"]))
    return {"o": A.sdpa(x["q"], before(x["pk"], x["k"]), before(x["pv"], x["v"]), keep)}


def titans_mac(x: Inputs, c: dict) -> Inputs:
    """Before the segment: learned rows, all seen, and the memory's answers, seen like the tokens they belong to."""
    n = int(c["N"])
    m = x["q"] @ x["w"]
    k = before(x["pk"], np.concatenate([m @ x["to_k"], x["k"]], 2))
    v = before(x["pv"], np.concatenate([m @ x["to_v"], x["v"]], 2))
    first = A.titans_mac_mask(n, n, int(c["P"]))
    y = A.sdpa(x["q"], k, v, np.concatenate([first, A.causal(n)], 1))
    f, w1, z1 = heads_learn(x, y @ x["yq"], y @ x["yk"], y @ x["yv"], int(c["C"]))
    return {"o": y * f, "w1": w1, "z1": z1}


def titans_mag(x: Inputs, c: dict) -> Inputs:
    f, w1, _ = heads_learn(x, x["q"], x["k"], x["v"], int(c["C"]))
    keep = A.titans_mac_mask(int(c["N"]), int(c["W"]), int(c["P"]), True)
    y = A.sdpa(x["q"], before(x["pk"], x["k"]), before(x["pv"], x["v"]), keep)
    return {"o": y / (1 + np.exp(-f)), "w1": w1}


def titans_mal(x: Inputs, c: dict) -> Inputs:
    y, w1, _ = heads_learn(x, *(before(x["p" + n], x[n]) for n in "qkv"), int(c["C"]))
    keep = A.titans_mac_mask(int(c["T"]), int(c["W"]), 0, True)
    return {"o": A.sdpa(y @ x["yq"], y @ x["yk"], y @ x["yv"], keep)[:, :, c["P"]:], "w1": w1}
