"""Oracles of the specs of papers 39 to 43: expected results from inputs and sizes."""
from __future__ import annotations

import itertools
import math
from typing import Any, Callable
import numpy as np

from .common_39_55 import *


# ---------------------------------------------------------------- 39 CAB

def attention_map(x: Inputs, c: dict) -> Inputs:
    """The map is the output for one-hot values."""
    m = c["M"]
    eye = np.broadcast_to(np.eye(m), x["k"].shape[:2] + (m, m))
    p = P.cab_vanilla(x["q"], x["k"], eye, True)
    return {"o": P.cab_vanilla(x["q"], x["k"], x["v"], True), "p": p, "mean": p.mean(1)}


def cab_local_decode(x: Inputs, c: dict) -> Inputs:
    """The ring unrolled: the token at position p was written to slot p % W."""
    out = np.zeros(x["q"].shape[:2] + x["v"].shape[-1:])
    for b, n in enumerate(x["len"]):
        at = np.arange(n) % c["W"]
        k, v = (P.expand_kv(x[t][b:b + 1, :, at], c["H"]) for t in "kv")
        q = longer(x["q"][b][None, :, None], n)
        out[b] = P.cab_local(q, k, v, c["W"], True)[0, :, -1]
    return {"o": out}


def probsparse(x: Inputs, c: dict, causal: bool) -> Inputs:
    """Without samples (one token) the oracle has no maximum to take: no query is chosen."""
    if not c["u"]:
        v = x["v"]
        return {"o": np.cumsum(v, 2) if causal else np.repeat(v.mean(2, keepdims=True), c["N"], 2)}
    return {"o": P.cab_probsparse(x["q"], x["k"], x["v"], x["sample"], c["f"], causal)}


def performer_state(x: Inputs, c: dict) -> Inputs:
    f = P.cab_performer_features(x["k"], x["w"], False) * x["valid"][:, None, :, None]
    return {"s": f.swapaxes(-1, -2) @ x["v"], "z": f.sum(2)}


def performer_decode(x: Inputs, c: dict) -> Inputs:
    f = P.cab_performer_features(x["q"], x["w"], True)
    return {"o": f @ x["s"] / np.maximum(f @ x["z"][..., None], 0.1)}


def unfold_norm(x: Array, gamma: Array, beta: Array) -> Array:
    """LayerNorm across heads: [B,H,N,D] with gamma and beta [H,D]."""
    flat = P.layer_norm(x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3]), gamma.ravel(), beta.ravel())
    return flat.reshape(x.shape[0], x.shape[2], x.shape[1], x.shape[3]).swapaxes(1, 2)


def longshort(x: Inputs, c: dict) -> Inputs:
    k, v = (unfold_norm(x[t], x["gl"], x["bl"]) for t in "kv")
    return {"o": P.cab_longshort(x["q"], k, v, x["p"], c["w"], (x["gs"].ravel(), x["bs"].ravel()))}


def longshort_causal(x: Inputs, c: dict) -> Inputs:
    l, count = c["l"], c["C"]
    cut = lambda t: t[:, :, :count * l].reshape(t.shape[:2] + (count, l) + t.shape[3:])
    w = P.softmax(cut(x["p"]))
    kc, vc = (unfold_norm((w[..., None] * cut(x[t])).sum(3), x["gs"], x["bs"]) for t in "kv")
    at = lambda t: t[:, None]
    far = x["far"] if count else None
    return {"o": P.cab_longshort_causal(x["q"], x["k"], x["v"], kc, vc, l, c["w"], x["near"], far, at(x["bias_w"]), at(x["bias_r"]))}


def longshort_decode(x: Inputs, c: dict) -> Inputs:
    """One query at a time: the last w positions, found in the ring, then every chunk before the own one."""
    out, d, w, l = np.zeros(x["q"].shape), c["D"], c["w"], c["l"]
    for b, h in np.ndindex(c["B"], c["H"]):
        q, at = x["q"][b, h] / math.sqrt(d), int(x["at"][b])
        s, vals = [], []
        for p in range(max(0, at - w + 1), at + 1):
            near = x["near"][h, at - p]
            s.append((q + x["bias_w"][h]) @ x["k"][b, h, p % w] + (q + x["bias_r"][h]) @ near)
            vals.append(x["v"][b, h, p % w])
        for j in range(min(at // l, c["C"])):
            s.append(q @ (x["kc"][b, h, j] + x["far"][h, at // l - 1 - j]))
            vals.append(x["vc"][b, h, j])
        out[b, h] = P.softmax(np.array(s)) @ np.array(vals)
    return {"o": out}


def abc_decode(x: Inputs, c: dict) -> Inputs:
    """One turn of cab_abc_recurrent from a given state."""
    out = {}
    for n in "kv":
        a = np.einsum("bhd,cd->bhc", x[n], x["w" + n])
        z = np.logaddexp(x["z" + n], a)
        out[n + "t1"] = np.exp(x["z" + n] - z)[..., None] * x[n + "t"] + np.exp(a - z)[..., None] * x[n][:, :, None]
        out["z" + n + "1"] = z
    p = P.softmax(np.einsum("bhd,bhcd->bhc", x["q"] / math.sqrt(c["D"]), out["kt1"]))
    return {"o": np.einsum("bhc,bhcd->bhd", p, out["vt1"]), **out}


def s4d_parts(x: Inputs) -> tuple[Array, Array]:
    return x["wr"] + 1j * x["wi"], x["cr"] + 1j * x["ci"]


def s4d(x: Inputs, c: dict) -> Inputs:
    w, coef = s4d_parts(x)
    y = P.cab_s4d(x["x"], w, coef, x["log_dt"], x["skip"], True)
    return {"o": y.reshape(x["x"].shape[:2] + (c["C"], c["E"]))}


def s4d_causal(x: Inputs, c: dict) -> Inputs:
    """The oracle gives the forced part; the initial state, turned to its place, is stepped token by token."""
    w, coef = s4d_parts(x)
    a = w * np.exp(x["log_dt"])[:, None]
    dc = coef * (np.exp(a) - 1) / w
    y = P.cab_s4d(x["x"], w, coef, x["log_dt"], x["skip"]).reshape(x["x"].shape[:2] + (c["C"], c["E"]))
    start, half = c["start"], c["S"]
    free = (x["s0"][..., :half] + 1j * x["s0"][..., half:]) * np.exp(1j * a.imag * (start - 1))     # [B,C,E,S]
    full = free
    for t in range(c["N"]):
        free = np.exp(a) * free
        full = np.exp(a) * full + x["x"][:, t, None, :, None]
        y[:, t] += 2 * (dc * free).sum(-1).real
    back = full * np.exp(-1j * a.imag * (start + c["N"] - 1))
    return {"o": y, "s1": np.concatenate([back.real, back.imag], -1)}


# ---------------------------------------------------------------- 42 RazorAttention

def razor_heads(x: Inputs, c: dict) -> Inputs:
    n = c["N"]
    eye = np.broadcast_to(np.eye(n), (1, c["Hkv"], n, n))
    p = P.cab_vanilla(x["q"][None], x["k"][None], eye, True)[0]
    echo, induction = P.razor_attention_head_scores(p, c["T"])
    whole = np.zeros(c["Hkv"], bool)
    for score, count in ((echo, c["echoes"]), (induction, c["inductions"])):
        best = score.reshape(c["Hkv"], -1).max(1)
        whole[sorted(range(len(best)), key=lambda g: -best[g])[:count]] = True
    return {"echo": echo, "induction": induction, "whole": whole}


def razor_alibi(x: Inputs, c: dict) -> Inputs:
    n, m, d = c["N"], c["M"], c["D"]
    out = np.zeros((c["H"], n, c["Dv"]))
    scope = np.array([P.razor_attention_alibi_scope(x["norm"][h], float(x["ln"]), x["slope"][h], c["eps"]) for h in range(c["H"])])
    for h, i in np.ndindex(c["H"], n):
        at = i + m - n
        near = [j for j in range(m) if j <= at and at - j <= scope[h]]
        if near:
            s = np.array([x["q"][h, i] @ x["k"][h, j] / math.sqrt(d) - x["slope"][h] * (at - j) for j in near])
            out[h, i] = P.softmax(s) @ x["v"][h, near]
    return {"o": out, "scope": scope}


def razor_decode(x: Inputs, c: dict) -> Inputs:
    """A full sequence is put together whose dropped tokens all equal the mean token; then the oracle of the plain cache."""
    out, size = np.zeros(x["q"].shape), c["L"]
    for b, g in np.ndindex(c["B"], c["Hkv"]):
        n, at, group = int(x["len"][b]), int(x["place"][g]), c["H"] // c["Hkv"]
        if x["whole"][g]:
            k, v = x["kf"][b, at, :n], x["vf"][b, at, :n]
        else:
            fill = lambda t, mean: np.concatenate([t[:c["sink"]], np.repeat(mean[None], n - size, 0), t[c["sink"]:]]) if n > size else t[:n]
            k, v = fill(x["kc"][b, at], x["km"][b, at]), fill(x["vc"][b, at], x["vm"][b, at])
        rows = slice(g * group, (g + 1) * group)
        out[b, rows] = P.razor_attention(x["q"][b, rows], k[None], v[None], [bool(x["whole"][g])], c["sink"], c["near"])
    new = {}
    for name, ring in (("km", "kc"), ("vm", "vc")):
        new[name + "1"] = x[name].copy()
        for b, n in enumerate(x["len"]):
            if n >= size:                                               # oldest token after the sinks: the next slot of the ring
                slot = c["sink"] + (n - c["sink"]) % c["near"]
                new[name + "1"][b] = ((n - size) * x[name][b] + x[ring][b, :, slot]) / (n - size + 1)
    return {"o": out, **new}


# ---------------------------------------------------------------- 43 Zoology

def hyena(x: Inputs, c: dict) -> Inputs:
    u = x["u"].transpose(2, 0, 3, 1)                                    # [3,B,E,N]
    taps = np.zeros((3, c["E"], max(c["N"], c["T"])))
    taps[..., :c["T"]] = x["taps"]
    x1, x2, v = (P.causal_conv(u[s], taps[s][None]).swapaxes(1, 2) + x["shift"][s] for s in range(3))
    return {"y": P.zoology_hyena(x1, x2, v, x["filter"], x["bias"])}


def h3(x: Inputs, c: dict) -> Inputs:
    return {"y": P.zoology_h3(x["q"], x["k"], x["v"], x["taps"], x["skip_k"], x["filter"], x["skip"])}


def h3_state(x: Inputs, c: dict) -> Inputs:
    """The oracle on past and present keys without values in the past; the free part of the initial state is stepped."""
    n, before, half = c["N"], c["T"] - 1, c["S"]
    a, coef = x["ar"] + 1j * x["ai"], x["cr"] + 1j * x["ci"]            # [H,S]
    lags = np.arange(n + before)
    filt = 2 * (coef[..., None] * np.exp(a[..., None] * lags)).real.sum(1)
    pad = lambda t: np.concatenate([np.zeros(t.shape[:2] + (before, t.shape[3])), t], 2)
    y = P.zoology_h3(pad(x["q"]), np.concatenate([x["past"], x["k"]], 2), pad(x["v"]), x["taps"], x["skip_k"], filt, x["skip"])[:, :, before:]
    k1 = np.concatenate([x["past"], x["k"]], 2)
    k1 = np.stack([sum(x["taps"][:, :, s] * k1[:, :, before + t - s] for s in range(c["T"])) + x["skip_k"] * k1[:, :, before + t] for t in range(n)], 2)
    s0 = x["s0"].reshape(c["B"], c["H"], 2, half, c["D"], c["Dv"])
    turn = lambda at: np.exp(1j * x["ai"] * at)[None, :, :, None, None]
    step = np.exp(a)[None, :, :, None, None]
    free = full = (s0[:, :, 0] + 1j * s0[:, :, 1]) * turn(c["start"] - 1)
    for t in range(n):
        free = step * free
        full = step * full + (k1[:, :, t, :, None] * x["v"][:, :, t, None])[:, :, None]
        y[:, :, t] += 2 * np.einsum("bhd,hs,bhsde->bhe", x["q"][:, :, t], coef, free).real
    back = full * turn(-(c["start"] + n - 1))
    return {"y": y, "s1": np.stack([back.real, back.imag], 2).reshape(x["s0"].shape)}


def rwkv4_layer(x: Inputs, c: dict) -> Inputs:
    before = np.concatenate([np.zeros_like(x["x"][:, :1]), x["x"][:, :-1]], 1)
    r, k, v = ((x["x"] * m + before * (1 - m)) @ w.T for m, w in zip(x["mix"], x["proj"]))
    return {"o": P.zoology_rwkv4_recurrent(r, k, v, x["w"], x["bonus"])}


def rwkv4_decode(x: Inputs, c: dict) -> Inputs:
    """Without the running maximum: plain sums, which small numbers allow."""
    e = np.exp(x["m"])
    now, old = np.exp(x["bonus"] + x["k"]), np.exp(-x["w"])
    o = P.sigmoid(x["r"]) * (e * x["a"] + now * x["v"]) / (e * x["z"] + now)
    a, z, m = old * e * x["a"] + np.exp(x["k"]) * x["v"], old * e * x["z"] + np.exp(x["k"]), np.maximum(x["m"] - x["w"], x["k"])
    return {"o": o, "a1": a / np.exp(m), "z1": z / np.exp(m), "m1": m}


def based_state(x: Inputs, c: dict) -> Inputs:
    q, k = P.zoology_taylor_features(x["q"]), P.zoology_taylor_features(x["k"])
    s, z = x["s0"].copy(), x["z0"].copy()
    o = np.zeros(x["v"].shape)
    for t in range(c["N"]):
        s, z = s + k[:, :, t, :, None] * x["v"][:, :, t, None], z + k[:, :, t]
        o[:, :, t] = np.einsum("bhf,bhfe->bhe", q[:, :, t], s) / ((q[:, :, t] * z).sum(-1) + 1e-12)[..., None]
    return {"o": o, "s1": s, "z1": z}


def on_rows(x: Inputs, gate: Array, on: Array) -> Array:
    """zoology_selected with another number of rows in each sequence."""
    wo = x["wo"].reshape(-1, x["wo"].shape[-1])
    one = lambda t, b: t[b:b + 1]
    return np.concatenate([P.zoology_selected(*(one(x[n], b) for n in "xqkv"), gate[b:b + 1], np.flatnonzero(on[b])[None], wo)
                           if on[b].any() else one(x["x"], b) for b in range(len(on))])


def selected(x: Inputs, c: dict) -> Inputs:
    gate = P.sigmoid(x["x"] @ x["w"])
    on = np.argsort(np.argsort(-gate, -1), -1) < math.ceil(math.sqrt(c["N"]))
    return {"o": on_rows(x, gate, on)}


def selected_stream(x: Inputs, c: dict) -> Inputs:
    """Tokens before the first query are there as queries whose gate is 0."""
    gate, m = P.sigmoid(x["x"] @ x["w"]), c["M"]
    keep = max(0, c["N"] - m)                                           # queries before the first key see nothing
    more = max(0, m - c["N"])
    grow = lambda t, axis: np.concatenate([np.zeros(t.shape[:axis] + (more,) + t.shape[axis + 1:]), t], axis)
    y = {**x, "x": grow(x["x"], 1)[:, keep:], "q": grow(x["q"], 2)[:, :, keep:]}
    g = grow(gate, 1)[:, keep:]
    return {"o": np.concatenate([x["x"][:, :keep], on_rows(y, g, g >= c["least"])[:, more:]], 1)}


def selected_repeat(x: Inputs, c: dict) -> Inputs:
    on = np.array([[t in row[:n] for n, t in enumerate(row)] for row in x["token"].tolist()])
    return {"o": on_rows(x, np.ones(on.shape), on)}
