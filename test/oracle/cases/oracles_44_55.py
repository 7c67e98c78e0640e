"""Oracles of the specs of papers 44 to 55: expected results from inputs and sizes."""
from __future__ import annotations

import itertools
import math
from typing import Any, Callable
import numpy as np

from .common_39_55 import *
from .oracles_39_43 import *


# ---------------------------------------------------------------- 44 Music Transformer, 45 sigmoid

def music_full(x: Inputs, c: dict) -> Inputs:
    n = c["N"]
    out = np.zeros(x["v"].shape)
    for i in range(n):
        rel = x["table"][:, n - 1 - i:2 * n - 1 - i]                    # rows j - i + n - 1 for j = 0 .. n - 1
        s = np.einsum("bhd,bhjd->bhj", x["q"][:, :, i], x["k"] + rel[None]) / math.sqrt(c["D"])
        out[:, :, i] = np.einsum("bhj,bhjd->bhd", P.softmax(s), x["v"])
    return {"o": out}


def sigmoid_window(x: Inputs, c: dict) -> Inputs:
    """One column of the map at a time, so that the dropped pairs can be taken out of it."""
    m = c["M"]
    eye = np.broadcast_to(np.eye(m), (c["B"], c["Hkv"], m, m))
    p = P.sigmoid_attention(x["q"], x["k"], eye, float(c["bias"]), True, None, (c["left"], c["right"]))
    p = np.where(x["kept"], p / (1 - c["drop"]), 0.0)
    return {"o": p @ P.expand_kv(x["v"], c["H"]) / np.arange(1, c["N"] + 1)[:, None]}


# ---------------------------------------------------------------- 46 HaloNet

def halonet_strided(x: Inputs, c: dict) -> Inputs:
    b, s, halo, win = c["b"], c["s"], c["halo"], c["W"]
    out, sc = np.zeros(x["q"].shape[:4] + x["v"].shape[-1:]), 1 / math.sqrt(c["D"])
    for n, h, y, xx in np.ndindex(*x["q"].shape[:4]):
        q = x["q"][n, h, y, xx]
        y0, x0 = y * s // b * b - halo, xx * s // b * b - halo          # corner of the window in the image
        scores, vals = [], []
        for u, w in itertools.product(range(win), range(win)):
            inside = 0 <= y0 + u < c["Y"] and 0 <= x0 + w < c["X"]
            k = x["k"][n, h, y0 + u, x0 + w] if inside else 0 * q
            row = x["rel_y"][u - y % (b // s) + win - 1] + x["rel_x"][w - xx % (b // s) + win - 1]
            scores.append(sc * (q @ k + q @ row))
            vals.append(x["v"][n, h, y0 + u, x0 + w] if inside else np.zeros(c["Dv"]))
        out[n, h, y, xx] = P.softmax(np.array(scores)) @ np.array(vals)
    return {"o": out}


# ---------------------------------------------------------------- 47 S2

def s2_result(x: Inputs, pattern: Array, w: int, last: int) -> Inputs:
    m = x["k"].shape[2]
    with np.errstate(invalid="ignore"):
        o, l = P.s2_attention(longer(x["q"], m), x["k"], x["v"], pattern, w)
    l = np.where(np.isnan(l), -np.inf, l)
    return {"o": o[:, :, m - last:], "l": l[:, :, m - last:]}


def s2(x: Inputs, c: dict) -> Inputs:
    n = -(-c["M"] // c["w"])
    pattern = P.s2_attention_pattern(c["H"], n, n, c["near"], c["stride"], c["Hkv"], c["dense"], c["shift"])
    return s2_result(x, pattern, c["w"], c["N"])


def s2_full(x: Inputs, c: dict) -> Inputs:
    n = c["N"]
    block = lambda i: i // c["w"]
    keep = [[abs(block(i) - block(j)) < c["near"] or abs(block(i) - block(j)) % c["stride"] == 0 for j in range(n)] for i in range(n)]
    k, v = (P.expand_kv(x[t], c["H"]) for t in "kv")
    s = np.where(np.array(keep).reshape(n, n), x["q"] @ k.swapaxes(-1, -2) / math.sqrt(c["D"]), -np.inf)
    return {"o": P.softmax(s) @ v, "l": P.logsumexp(s)}


def s2_lists(x: Inputs, c: dict) -> Inputs:
    """A block in the list twice counts twice, so rows are computed one by one."""
    w, group = c["w"], c["H"] // c["Hkv"]
    o, l = np.zeros(x["q"].shape[:3] + x["v"].shape[-1:]), np.full(x["q"].shape[:3], -np.inf)
    for b, h, i in np.ndindex(*o.shape[:3]):
        r = i // w
        blocks = x["cols"][h, x["first"][h, r]:min(x["first"][h, r + 1], x["first"][h, r] + c["R"])]
        at = [j for m in blocks for j in range(m * w, (m + 1) * w) if j <= i]
        if at:
            s = x["k"][b, h // group, at] @ x["q"][b, h, i] / math.sqrt(c["D"])
            o[b, h, i], l[b, h, i] = P.softmax(s) @ x["v"][b, h // group, at], P.logsumexp(s)
    return {"o": o, "l": l}


def s2_decode(x: Inputs, c: dict) -> Inputs:
    """Visible blocks by the pattern of the whole sequence, taken from wherever they are held."""
    w, group = c["w"], c["H"] // c["Hkv"]
    o, l = np.zeros(x["q"].shape[:2] + x["v"].shape[-1:]), np.full(x["q"].shape[:2], -np.inf)
    n = 3 * c["S"]
    pattern = P.s2_attention_pattern(c["H"], n, n, c["near"], c["stride"], c["Hkv"])
    for b, h in np.ndindex(*l.shape):
        at, g, pairs = int(x["at"][b]), h // group, []
        for s, m in enumerate(x["block"][b, g]):
            if m >= 0 and pattern[h, at // w, m]:
                pairs += [(s, i) for i in range(w) if m * w + i <= at]
        if pairs:
            score = np.array([x["k"][b, g, s, i] @ x["q"][b, h] for s, i in pairs]) / math.sqrt(c["D"])
            o[b, h], l[b, h] = P.softmax(score) @ np.array([x["v"][b, g, s, i] for s, i in pairs]), P.logsumexp(score)
    return {"o": o, "l": l}


# ---------------------------------------------------------------- 48 successor heads

def successor_heads(x: Inputs, c: dict) -> Inputs:
    """The oracle on the heads that run; a head that is put adds its constant through the output projection."""
    _, head = P.successor_heads_per_head(x["q"], x["k"], x["v"], x["wo"], np.where(x["put"], 0, x["scale"]))
    const = np.einsum("he,hec->hc", x["instead"], x["wo"])
    head = np.where(x["put"][None, :, None, None], const[None, :, None], head)
    z = P.cab_vanilla(x["q"], x["k"], x["v"], True) * x["scale"][None, :, None, None]
    z = np.where(x["put"][None, :, None, None], x["instead"][None, :, None], z)
    return {"o": head.sum(1), "head": head, "last": head[:, :, -1], "mean": z.mean((0, 2))}


def successor_score(x: Inputs, c: dict) -> Inputs:
    hit = np.einsum("te,hed,hdf,fv->htv", x["x"], x["wv"], x["wo"], x["out"]).argmax(-1)
    return {"hit": hit, "score": P.successor_heads(x["x"], x["wv"], x["wo"], x["out"], x["next"])}


def steering(x: Inputs, c: dict) -> Inputs:
    """Each head by itself: its input, its projections, plain causal attention."""
    outs = []
    for h in range(c["H"]):
        y = x["x"].copy()
        if h == c["head"]:
            y[x["at"]] += float(c["gain"]) * x["steer"]
        outs.append(P.cab_vanilla(*((y @ x[n][h])[:, None] for n in ("wq", "wk", "wv")), True)[:, 0])
    return {"o": np.stack(outs, 1)}


# ---------------------------------------------------------------- 49 Kronecker

def kronecker_causal(x: Inputs, c: dict) -> Inputs:
    """Row i is the plain oracle on the first i + 1 keys of both sets."""
    out = np.zeros(x["v1"].shape)
    for b, h, i in np.ndindex(*out.shape[:3]):
        k1, k2, v1, v2 = (x[n][b, h, :i + 1] for n in ("k1", "k2", "v1", "v2"))
        s = np.einsum("d,ad,bd->ab", x["q"][b, h, i], k1, k2) / c["D"]
        out[b, h, i] = np.einsum("ab,ae,be->e", P.softmax(s.ravel()).reshape(s.shape), v1, v2)
    return {"o": out}


# ---------------------------------------------------------------- 51 ring

def ring(x: Inputs, c: dict) -> Inputs:
    """One log-sum per row besides the dense result; without padding the ring of the catalogue gives the same."""
    k = P.expand_kv(x["k"], c["H"])
    s = np.where(x["valid"][:, None, None], x["q"] @ k.swapaxes(-1, -2) / math.sqrt(c["D"]), -np.inf)
    o = P.cab_vanilla(x["q"], x["k"], x["v"], key_keep=x["valid"])
    full = P.cab_vanilla(x["q"], x["k"], x["v"])
    for form in (P.ring_self_attention, P.ring_self_attention_online):
        assert not full.size or np.abs(form(x["q"], x["k"], x["v"], c["P"]) - full).max() < 1e-10
    return {"o": o, "l": np.logaddexp.reduce(s, -1, initial=-np.inf)}


def ring_hop(x: Inputs, c: dict) -> Inputs:
    """The new share alone, then the catalogue's merge."""
    at = (c["first"] + np.arange(c["M"]))[None] <= (c["start"] + np.arange(c["N"]))[:, None]
    keep = at[None, None] & x["valid"][:, None, None]
    s = np.where(keep, x["q"] @ x["k"].swapaxes(-1, -2) / math.sqrt(c["D"]), -np.inf)
    part = P.softmax(s) @ x["v"], np.logaddexp.reduce(s, -1, initial=-np.inf)
    o, l = P.merge_partials([(x["o0"], x["l0"]), part])
    return {"o1": o, "l1": l}


def latent_cross(x: Inputs, c: dict) -> Inputs:
    latents = np.broadcast_to(x["latent"], (c["B"],) + x["latent"].shape)
    full = P.cab_vanilla(latents, x["k"], x["v"], key_keep=x["valid"])
    assert np.array_equal(P.gcog_latent_cross(latents, x["k"], x["v"]), P.cab_vanilla(latents, x["k"], x["v"]))
    return {"o": full}


# ---------------------------------------------------------------- 53 SeqDialN

def seqdialn_coattention(x: Inputs, c: dict) -> Inputs:
    n, m, k = c["N"], c["M"], c["K"]
    qt = np.zeros((c["B"], n + k, c["E"]))
    for b, length in enumerate(x["len"]):
        qt[b, :length + k] = np.concatenate([x["q"][b, :length], x["slot_q"]])
    vt = np.concatenate([x["v"], np.broadcast_to(x["slot_v"], (c["B"],) + x["slot_v"].shape)], 1)
    to_v, to_q = P.seqdialn_coattention(qt, vt, x["wq"], x["wv"], n, m)
    mix = lambda y, to, fc: np.maximum(np.concatenate([y, to], -1) @ fc.reshape(c["E"], -1).T, 0) + y
    return {"to_v": to_v, "to_q": to_q, "v1": mix(x["v"], to_v, x["fc_v"]), "q1": mix(qt[:, :n], to_q, x["fc_q"])}


# ---------------------------------------------------------------- 54 agent attention

def resize(x: Array, h: int, w: int) -> Array:
    """Bilinear, half-pixel centres, edges repeated: [..., a, b] -> [..., h, w]."""
    out = np.zeros(x.shape[:-2] + (h, w))
    for i, j in np.ndindex(h, w):
        y, xx = (max((n + 0.5) * old / new - 0.5, 0.0) for n, old, new in ((i, x.shape[-2], h), (j, x.shape[-1], w)))
        y0, x0 = int(y), int(xx)
        y1, x1, fy, fx = min(y0 + 1, x.shape[-2] - 1), min(x0 + 1, x.shape[-1] - 1), y - y0, xx - x0
        out[..., i, j] = ((1 - fy) * ((1 - fx) * x[..., y0, x0] + fx * x[..., y0, x1])
                          + fy * ((1 - fx) * x[..., y1, x0] + fx * x[..., y1, x1]))
    return out


def agent_bias(x: Inputs, c: dict) -> Inputs:
    flat = lambda t: t.reshape(t.shape[:2] + (-1,))
    one = flat(resize(x["map1"], c["Y"], c["X"]) + x["row1"][..., :, None] + x["column1"][..., None, :])
    two = resize(x["map2"], c["Y"], c["X"]) + np.moveaxis(x["row2"], 2, 1)[..., :, None] + np.moveaxis(x["column2"], 2, 1)[..., None, :]
    return {"bias1": one, "bias2": flat(two).swapaxes(1, 2)}


def agent_class(x: Inputs, c: dict) -> Inputs:
    grid, flat = (c["Y"], c["X"]), lambda t: t.reshape((-1,) + t.shape[2:])
    a = P.agent_attention_pool(x["q"][:, :, 1:], grid, c["S"])
    out = P.agent_attention(x["q"], a, x["k"], x["v"], x["bias1"], x["bias2"])
    rest = lambda t: t[:, :, 1:]
    none = P.agent_attention(rest(x["q"]), a, rest(x["k"]), rest(x["v"]))
    conv = P.agent_attention(rest(x["q"]), a, rest(x["k"]), rest(x["v"]), 0.0, 0.0, flat(x["taps"]), flat(x["shift"]), grid) - none
    out[:, :, 1:] += conv
    return {"o": out}


# ---------------------------------------------------------------- 55 MVP

def mvp(x: Inputs, c: dict) -> Inputs:
    p = np.sort(P.softmax(x["logits"]), -1)[:, ::-1]
    lead = p[:, 0] - (p[:, 1] if c["V"] > 1 else 0)
    got = P.mvp(x["first"], x["answer"], lead)
    score = np.concatenate([got, np.zeros(c["A"] - len(got))])
    return {"score": score, "chosen": score.argmax()}


def shared_prefix(x: Inputs, c: dict) -> Inputs:
    """Every path with a cache of its own: its view's prefix, then its tail."""
    o, l = np.zeros(x["q"].shape[:2] + x["v"].shape[-1:]), np.full(x["q"].shape[:2], -np.inf)
    for b, view in enumerate(x["view"]):
        cut = lambda t, n: t[:, :n]
        k, v = (P.expand_kv(np.concatenate([cut(x[n + "p"][view], x["plen"][view]), cut(x[n][b], x["len"][b])], 1)[None], c["H"]) for n in "kv")
        q = x["q"][b][None, :, None]
        if k.shape[2]:
            o[b] = P.cab_vanilla(q, k, v)[0, :, 0]
            l[b] = P.logsumexp(q @ k.swapaxes(-1, -2) / math.sqrt(c["D"]))[0, :, 0]
    return {"o": o, "l": l}
