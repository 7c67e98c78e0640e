"""Oracles of the specs of papers 20 to 29: expected results from inputs and sizes."""
from __future__ import annotations

from typing import Any, Callable, Optional
import numpy as np

from .common_20_38 import *


# ---------------------------------------------------------------- 20 DuoAttention

def duo_block(x: Inputs, c: dict) -> Inputs:
    mask = P.duoattention_block_mask(c["N"], c["M"], c["first"], c["near"], c["block"])
    whole = np.repeat(x["whole"], c["H"] // c["Hkv"])[:, None, None]
    return {"o": sdpa(x["q"], x["k"], x["v"], np.where(whole, causal(c["N"], c["M"]), mask)[None])}


def duo_train(x: Inputs, c: dict) -> Inputs:
    both = [P.duoattention(x["q"], x["k"], x["v"], np.full(c["Hkv"], full), c["sink"], c["recent"]) for full in (True, False)]
    o, slope = P.duoattention_gate(*both, np.repeat(x["alpha"], c["H"] // c["Hkv"]))
    return {"o": o, "slope": slope}


def duo_decode(x: Inputs, c: dict) -> Inputs:
    """Rings unrolled into the order of their tokens, one oracle step per batch, rolled up again."""
    F, S, sink, recent, N = (c[n] for n in ("F", "S", "sink", "recent", "N"))
    g, W = c["H"] // max(F + S, 1), sink + recent
    out = {"o": np.zeros(x["q"].shape[:3] + (c["Dv"],)), "k_next": x["k_ring"].copy(), "v_next": x["v_ring"].copy()}

    def held(n: int) -> list[int]:
        return list(range(n)) if n <= W else [*range(sink), *range(n - recent, n)]

    def slots(n: int) -> list[int]:
        return [p if p < sink else sink + (p - sink) % recent for p in held(n)]

    for b, past in enumerate(x["past"]):
        one = {n: x[n][b:b + 1] for n in x if n != "past"}
        k, v = (np.concatenate([one[n + "_full"][:, :, :past], one[n + "_new"][:, :F]], 2) for n in "kv")
        if F:
            out["o"][b:b + 1, :F * g] = sdpa(one["q"][:, :F * g], k, v, causal(N, past + N))
        if S:
            kr, vr = (one[n + "_ring"][:, :, slots(past)] for n in "kv")
            o, k, v = P.duoattention_cache_step(one["q"][:, F * g:], one["k_new"][:, F:], one["v_new"][:, F:], kr, vr, sink, recent)
            out["o"][b:b + 1, F * g:] = o
            out["k_next"][b][:, slots(past + N)], out["v_next"][b][:, slots(past + N)] = k[0], v[0]
    return out


def duo_decode_int4(x: Inputs, c: dict) -> Inputs:
    def unpack(n: str) -> Array:
        byte = x[n + "4"] & 255
        both = np.stack([byte % 16, byte // 16], -1).reshape(byte.shape[:-1] + (-1,))
        return both * x[n + "s"][..., None] + x[n + "z"][..., None]
    k, v = unpack("k"), unpack("v")
    rows = [P.duoattention(x["q"][b:b + 1], k[b:b + 1, :, :n], v[b:b + 1, :, :n], x["whole"], c["sink"], c["recent"])
            for b, n in enumerate(x["len"])]
    return {"o": np.concatenate(rows)}


# ---------------------------------------------------------------- 21, 23, 33 circuits

def circuit_export(x: Inputs, c: dict) -> Inputs:
    result, a = P.circuit_analysis_chinchilla(x["q"], x["k"], x["v"], x["wo"], causal(c["N"]))
    result, a = result[:, :, x["at"]], a[:, :, x["at"]]
    z = P.circuit_component_reuse(x["q"], x["k"], x["v"], causal(c["N"]))[:, :, x["at"]]
    return {"a": a, "z": z, "result": result, "credit": result @ x["logit"]}


def circuit_low_rank(x: Inputs, c: dict) -> Inputs:
    """All rows replaced by the oracle's own projection (attention of one token exposes it), then mixed where asked."""
    y = {}
    for n, name in enumerate("qkv"):
        mean, basis = x[name + "m"], x["u" + name]
        y[name] = x[name].copy()
        for b, h, i in np.ndindex(*x[name].shape[:3]):
            if x["on"][n, h, i]:
                y[name][b, h, i] = mean[h] + basis[h] @ (basis[h].T @ (x[name][b, h, i] - mean[h]))
    result, a = P.circuit_analysis_chinchilla(y["q"], y["k"], y["v"], x["wo"], causal(c["N"]))
    every = P.circuit_analysis_chinchilla(x["q"], x["k"], x["v"], x["wo"], causal(c["N"]),
                                          {n: (x[n + "m"], x["u" + n]) for n in "qkv"})
    if x["on"].all():
        assert np.allclose(every[0], result) and np.allclose(every[1], a)
    return {"a": a, "result": result}


def circuit_patch(x: Inputs, c: dict) -> Inputs:
    q, k, v = (np.where(x["put_" + n][..., None], x[n + "_ref"], x[n]) for n in "qkv")
    pattern = np.tril(x["a_ref"])
    reuse = lambda *z: P.circuit_component_reuse(q, k, v, causal(c["N"]), *z, pattern=pattern, pattern_where=x["put_a"])
    return {"z0": reuse(None, None), "z": reuse(x["z_ref"], x["put_z"])}


def circuit_override(x: Inputs, c: dict) -> Inputs:
    pattern = np.zeros((c["B"], c["H"], c["N"], c["N"]))
    for b, j in np.ndindex(*x["list"].shape):
        pattern[b, :, :, x["list"][b, j]] += x["share"][b, j]
    return {"z": P.circuit_component_reuse(x["q"], x["k"], x["v"], causal(c["N"]), pattern=pattern, pattern_where=x["put"])}


def sae_heads(x: Inputs, c: dict) -> Inputs:
    result, _ = P.circuit_analysis_chinchilla(x["q"], x["k"], x["v"], x["wo"], causal(c["N"]))
    return {"last": result[:, :, -1], "mean": result.mean(2)}


def sae_codes(x: Inputs, c: dict) -> Inputs:
    code, node = P.sae_circuit_identification(x["x"], x["w"], x["shift"], x["base"])
    half = len(code) // 2
    edge = [[len({*zip(code[:half, h], code[:half, g])} - {*zip(code[half:, h], code[half:, g])}) for g in range(c["H"])]
            for h in range(c["H"])]
    return {"code": code, "node": node, "edge": np.array(edge)}


# ---------------------------------------------------------------- 22 dynamical systems

def dsf_linear(x: Inputs, c: dict) -> Inputs:
    """The general recurrence twice, for numerator and divisor; what the first state adds is linear in it."""
    f = lambda y: np.where(y > 0, y + 1.0, np.exp(np.minimum(y, 0.0)))
    q, k, ones = f(x["q"]), f(x["k"]), np.ones(x["k"].shape[:3])
    num = P.dynamical_systems_framework(ones, k, x["v"], q) + q @ x["s0"]
    den = P.dynamical_systems_framework(ones, k, ones[..., None], q) + q @ x["z0"][..., None]
    return {"o": num / den, "s1": x["s0"] + T(k) @ x["v"], "z1": x["z0"] + k.sum(2)}


def dsf_linear_fresh(x: Inputs, c: dict) -> Inputs:
    return {"o": P.dynamical_systems_framework_linear(x["q"], x["k"], x["v"])}


def dsf_normalised(x: Inputs, c: dict) -> Inputs:
    o = P.dynamical_systems_framework_normalised(x["q"], x["k"], x["v"], x["n"])
    return {"o": o + (x["q"] @ x["s0"]) / np.exp(x["n"])[..., None], "s1": x["s0"] + T(x["k"]) @ x["v"]}


def dsf_s6(x: Inputs, c: dict) -> Inputs:
    """Channels as heads of the general recurrence; the first state as one more token in front with decay 1."""
    front = lambda y, first: np.concatenate([np.broadcast_to(first, y.shape[:2] + first.shape[2:])[:, :, None], y], 2)
    step = np.moveaxis(x["step"], 2, 1)[..., None]
    into, out = (np.broadcast_to(x[n][:, None], x["into"].shape[:1] + (c["C"],) + x["into"].shape[1:]) for n in ("into", "from"))
    lam = front(np.exp(-step * x["rate"][None, :, None]), np.ones((1, 1, c["D"])))
    u = np.moveaxis(x["u"], 2, 1)[..., None]
    y = P.dynamical_systems_framework(lam, front(step * into, x["s0"]), front(u, np.ones((1, 1, 1))), front(out, np.zeros((1, 1, c["D"]))))
    s = x["s0"].copy()
    for t in range(c["N"]):
        for b, ch, d in np.ndindex(*s.shape):
            dt = x["step"][b, t, ch]
            s[b, ch, d] = np.exp(-dt * x["rate"][ch, d]) * s[b, ch, d] + dt * x["into"][b, t, d] * x["u"][b, t, ch]
    return {"o": np.moveaxis(y[:, :, 1:, 0], 1, 2) + x["skip"] * x["u"], "s1": s}


def dsf_qlstm(x: Inputs, c: dict) -> Inputs:
    """The first state as one token in front whose input gate is open."""
    front = lambda y, first: np.concatenate([np.broadcast_to(first, y[:, :1].shape), y], 1)
    h0 = x["h0"][:, None] * 2.0                                      # sigmoid(0) = 1/2
    zero = np.zeros(h0.shape)
    y = P.dynamical_systems_framework_qlstm(front(x["f"], zero), front(x["i"], zero), front(x["o"], zero), front(x["x"], h0),
                                            c["alpha"], bool(c["reverse"]))
    last = y[:, -1] / P.sigmoid(x["o"][:, -1])
    return {"y": y[:, 1:], "h1": last}


def dsf_qlstm_block(x: Inputs, c: dict) -> Inputs:
    g, u = x["u"] @ x["w_gate"].T, x["u"] @ x["w_in"].T
    y = np.zeros(u.shape)
    for b, n, ch in np.ndindex(*u.shape):
        y[b, n, ch] = x["shift"][ch] + sum(x["taps"][ch, c["K"] - 1 - a] * u[b, n - a, ch] for a in range(min(c["K"], n + 1)))
    f, i, o = (y @ x["w3"][n].T + x["b3"][n] for n in range(3))
    z = P.dynamical_systems_framework_qlstm(f, i, o, y, c["alpha"])
    return {"o": (P.gelu(g) * z) @ x["w_out"].T}


# ---------------------------------------------------------------- 24 Combiner

def grid(x: Array) -> Array:
    return x.reshape(x.shape[:2] + (-1, x.shape[-1]))


def combiner_axial(x: Inputs, c: dict) -> Inputs:
    o = P.combiner_axial_rowmajor(*(grid(x[n]) for n in "qkv"), c["X"], grid(x["k_row"]))
    return {"o": o.reshape(x["v"].shape)}


def combiner_mixture(x: Inputs, c: dict) -> Inputs:
    """Every query writes down its keys and values one by one; a summary pools a set of places of the grid."""
    q, k, v = x["q"], x["k"], x["v"]
    o, scale = np.zeros(v.shape), c["D"] ** -0.5

    def summary(at: tuple, places: list[tuple[int, int]]) -> tuple[Array, Array]:
        ks, vs = (np.stack([t[at + p] for p in places]) for t in (k, v))
        pooled = np.stack([q[at + p] for p in places]).max(0)
        return ks.max(0), P.masked_softmax(ks @ pooled * scale) @ vs

    for b, h, y, w in np.ndindex(*q.shape[:4]):
        at, X = (b, h), c["X"]
        pairs = [(k[at + (u, w)], v[at + (u, w)]) for u in range(y)] + [(k[at + (y, z)], v[at + (y, z)]) for z in range(w + 1)]
        pairs += [summary(at, [(u, z) for u in range(y)]) for z in range(X) if y and z != w]
        pairs += [summary(at, [(u, z) for z in range(w)]) for u in range(y) if w]
        pairs += [summary(at, [(u, z) for z in range(w + 1, X)]) for u in range(y) if w < X - 1]
        keys, values = (np.stack(t) for t in zip(*pairs))
        o[b, h, y, w] = P.masked_softmax(keys @ q[b, h, y, w] * scale) @ values
    return {"o": o}


def combiner_decode(x: Inputs, c: dict) -> Inputs:
    out = {"o": np.zeros(x["v_r"].shape[:2] + (c["Dv"],)), "k_next": x["k_own"].max(2), "v_next": None}
    scale = c["D"] ** -0.5
    for b, t in enumerate(x["at"]):
        i, r = t % c["s"], t // c["s"]
        for h in range(c["H"]):
            keys = np.concatenate([x["k_own"][b, h, :i + 1], x["k_r"][b, h, :r]])
            values = np.concatenate([x["v_own"][b, h, :i + 1], x["v_r"][b, h, :r]])
            out["o"][b, h] = P.masked_softmax(keys @ x["q_own"][b, h, i] * scale) @ values
    w = P.masked_softmax(np.einsum("bhd,bhsd->bhs", x["q_own"].max(2), x["k_own"]) * scale)
    out["v_next"] = np.einsum("bhs,bhse->bhe", w, x["v_own"])
    return out


# ---------------------------------------------------------------- 25, 26 SpectFormer, MambaOut

def spectformer_class(x: Inputs, c: dict) -> Inputs:
    q, k, v = (np.einsum("bnc,hdc->bhnd", y, x[w]) for y, w in ((x["x"][:, :1], "wq"), (x["x"], "wk"), (x["x"], "wv")))
    return {"o": np.einsum("bhd,chd->bc", sdpa(q, k, v)[:, :, 0], x["wo"])}


def mambaout(x: Inputs, c: dict) -> Inputs:
    p = {**x, "conv_w": x["taps"], "conv_b": x["shift"]}
    return {"o": P.mambaout(x["x"], p, c["eps"])}


# ---------------------------------------------------------------- 27 OAT

def oat_pointer(x: Inputs, c: dict) -> Inputs:
    return {"logit": np.stack([P.oat(e, d, x["we"], x["be"], x["wd"], x["bd"], x["w"], x["bias"], c["dk"])
                               for e, d in zip(x["enc"], x["dec"])])}


def oat_step(x: Inputs, c: dict) -> Inputs:
    """The cached keys enter the oracle as an encoder whose map is the unit matrix: one head at a time, then mixed."""
    B, M, E = c["B"], c["M"], c["E"]
    p, pick, after = np.zeros((B, M + 1)), np.zeros(B, int), np.zeros((B, c["F"]))
    for b in range(B):
        one = lambda n: P.oat(x["key"][b, n], x["dec"][b:b + 1], np.eye(E)[None], np.zeros((1, E)), x["wd"][n:n + 1], x["bd"][n:n + 1],
                              None, None, c["dk"])[0]
        logit = sum(w * one(n) for n, w in enumerate(x["w"])) + x["bias"] if c["P"] > 1 else one(0)
        free = np.arange(M + 1) < (M - 1 if x["start"][b] else M)
        p[b] = P.masked_softmax(logit, free)
        pick[b] = np.argmax(np.where(free, logit, -np.inf)) if free.any() else -1
        after[b] = x["feature"][b, max(pick[b], 0)]
    return {"p": p, "pick": pick, "next": after}


def oat_decoder(x: Inputs, c: dict) -> Inputs:
    q, k, v = (np.einsum("bne,hde->bhnd", x["x"], w) for w in x["qkv"])
    z = sdpa(q, k, v, causal(c["N"]) & x["real"][:, None, None])
    y = P.layer_norm(x["x"] + np.einsum("bhnd,mhd->bnm", z, x["wo"]), x["ln_g"], x["ln_b"], c["eps"])
    return {"y": y, "o": sdpa(np.einsum("bne,hde->bhnd", y, x["wq"]), x["ke"], x["ve"], x["real_e"][:, None, None])}


# ---------------------------------------------------------------- 28, 29 Lightning-2, LAMA

def lightning_2_layer(x: Inputs, c: dict) -> Inputs:
    silu = lambda y: heads_last(y * P.sigmoid(y))
    z, s = P.lightning_attention_2_chunked(*(silu(x[n]) for n in "qkv"), x["rate"], 4, x["s0"])
    z = heads_last(z)
    flat = z.reshape(z.shape[:2] + (-1,))
    y = P.layer_norm(flat, x["ln_g"].ravel(), x["ln_b"].ravel(), c["eps"]).reshape(z.shape)
    return {"o": y * P.sigmoid(np.einsum("bnr,her->bnhe", x["u"], x["wu"])), "s1": s}


def lama(x: Inputs, c: dict) -> Inputs:
    with np.errstate(all="ignore"):
        s, w = P.low_rank_compact_mhsa(x["h"], x["p"], x["q"], x.get("c"), x["real"].astype(float))
    return {"s": s, "w": w}
