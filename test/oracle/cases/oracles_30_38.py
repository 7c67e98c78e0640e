"""Oracles of the specs of papers 30 to 38: expected results from inputs and sizes."""
from __future__ import annotations

from typing import Any, Callable, Optional
import numpy as np

from .common_20_38 import *
from .oracles_20_29 import *


# ---------------------------------------------------------------- 30, 31 VAR, pointer networks

def var_decode(x: Inputs, c: dict) -> Inputs:
    a = P.masked_softmax(x["q"] @ T(x["k"]) * c["D"] ** -0.5, causal(c["N"], c["M"]))
    return {"o": P.visual_attention_sink_var(a, x["v"], x["sink"], c["im"], c["n_im"], 0, c["rho"], c["least"], c["p"])[0]}


def pointer_step(x: Inputs, c: dict) -> Inputs:
    free = ~x["used"]
    p, u = P.pointer_networks(x["key"], x["dec"][:, None], np.eye(c["A"]), x["w2"], x["vec"], free[:, None])
    p, u = p[:, 0], np.where(free, u[:, 0], -np.inf)
    pick = np.where(free.any(-1), u.argmax(-1), -1)
    got = np.stack([x["x"][b, j] if j >= 0 else np.zeros(c["F"]) for b, j in enumerate(pick)])
    used = x["used"].copy()
    for b, j in enumerate(pick):
        used[b, j] |= j >= 0
    return {"p": p, "l": np.logaddexp.reduce(u, -1), "pick": pick, "next": got, "used_next": used}


def pointer_loss(x: Inputs, c: dict) -> Inputs:
    p, _ = P.pointer_networks(x["enc"], x["dec"], x["w1"], x["w2"], x["vec"])
    return {"read": p @ x["enc"], "loss": -np.log(np.take_along_axis(p, x["target"][..., None], 2)[..., 0])}


# ---------------------------------------------------------------- 32 DyVTE

def dyvte_gate(x: Inputs, c: dict) -> Inputs:
    z, leave = P.dynamic_visual_token_exit(x["h"], c["im"], c["n_im"], x["w1"], x["w2"])
    short, keep = P.dynamic_visual_token_exit_drop(x["h"], c["im"], c["n_im"], 0)
    return {"z": z, "leave": np.array(leave), "h_short": short, "at_short": x["at"][keep]}


def dyvte_exit(x: Inputs, c: dict) -> Inputs:
    """Rows are really dropped; those that left come back as zeros."""
    at = np.arange(c["N"])
    q, k, v = rotate(x["q"], at)[None], rotate(x["k"], at)[None], x["v"][None]
    if not x["leave"]:
        return {"o": sdpa(q, k, v, causal(c["N"]))[0]}
    (q, keep), (k, _), (v, _) = (P.dynamic_visual_token_exit_drop(t, c["im"], c["n_im"], 2) for t in (q, k, v))
    o = np.zeros(x["v"].shape)
    o[:, keep] = sdpa(q, k, v, causal(len(keep)))[0]
    return {"o": o}


def dyvte_decode(x: Inputs, c: dict) -> Inputs:
    q = rotate(x["q"], x["at"][:, None])
    return {"o": np.concatenate([sdpa(q[b:b + 1], x["k"][b:b + 1, :, :n], x["v"][b:b + 1, :, :n], causal(c["N"], n))
                                 for b, n in enumerate(x["len"])])}


# ---------------------------------------------------------------- 34, 35 BAM, Sparsifiner

def bam(x: Inputs, c: dict) -> Inputs:
    flat = lambda w: w.reshape(w.shape[:-2] + (-1,))
    kv = [flat(x[n]) if x[n].ndim == 4 else flat(x[n])[None] for n in ("wk", "wv")]
    wo = x["wo"].reshape(c["X"], c["H"] * c["Dv"], c["C"])
    return {"o": np.stack([P.bam(t, x["wr"], flat(x["wq"]), *kv, wo, c["H"]) for t in x["x"]])}


def bam_decode(x: Inputs, c: dict) -> Inputs:
    k_new, v_new = (np.einsum("bnc,chd->bhnd", x["x"], x[n]) for n in ("wk", "wv"))
    o = np.zeros(x["x"].shape)
    for b, n in enumerate(x["len"]):
        k, v = (np.concatenate([p[b, :, :n], new[b]], 1)[None] for p, new in ((x["k_past"], k_new), (x["v_past"], v_new)))
        gate = P.masked_softmax(x["x"][b] @ x["wr"])
        for e in range(c["X"]):
            z = sdpa(np.einsum("nc,chd->hnd", x["x"][b], x["wq"][e])[None], k, v, causal(c["N"], n + c["N"]))[0]
            o[b] += gate[:, e:e + 1] * np.einsum("hne,hec->nc", z, x["wo"][e])
    return {"o": o, "k_new": k_new, "v_new": v_new}


def sparsifiner(x: Inputs, c: dict) -> Inputs:
    mask = P.sparsifiner_mask(x["q"], x["k"], x["wq"], x["bq"], x["wk"], x["bk"], x["down"], x["back"],
                              c["share"], c["top"], c["least"])
    return {"o": P.sparsifiner(x["q"], x["k"], x["v"], mask)}


def sparsifiner_prune(x: Inputs, c: dict) -> Inputs:
    a = P.masked_softmax(x["q"][:, :, :1] @ T(x["k"]) * c["D"] ** -0.5)[:, :, 0].mean(1)
    at, short = np.full((c["B"], c["K"]), -1), np.zeros((c["B"], c["K"], c["E"]))
    for b in range(c["B"]):
        keep = sorted([0, *sorted(range(1, c["N"]), key=lambda j: -a[b, j])[:c["K"] - 1]])
        at[b, :len(keep)], short[b, :len(keep)] = keep, x["x"][b, keep]
    return {"at": at, "x_short": short}


# ---------------------------------------------------------------- 36 LASP-2

def lasp_2_rank(x: Inputs, c: dict) -> Inputs:
    """Own tokens as a world of one; the ranks before it enter by their states only."""
    return {"o": P.lasp_2(x["q"], x["k"], x["v"], 1) + x["q"] @ x["s"][:c["rank"]].sum(0)}


def lasp_2h_rank(x: Inputs, c: dict) -> Inputs:
    k, v = (np.concatenate(list(x[n]), 2) for n in "kv")
    at = slice(c["rank"] * c["N"], (c["rank"] + 1) * c["N"])
    q = np.zeros(x["q"].shape[:2] + (c["W"] * c["N"], c["D"]))
    q[:, :, at] = x["q"]
    return {"o": P.lasp_2_hybrid_softmax(q, k, v, c["W"])[:, :, at]}


def lasp_2_backward(x: Inputs, c: dict) -> Inputs:
    dq, dk, dv = P.lasp_2_backward(x["q"], x["k"], x["v"], x["do"], 1)
    before, behind = x["s"][:c["rank"]].sum(0), x["ds"][c["rank"] + 1:].sum(0)
    return {"dq": dq + x["do"] @ T(before), "dk": dk + x["v"] @ T(behind), "dv": dv + x["k"] @ behind}


# ---------------------------------------------------------------- 37 ACMIL

GATED = ("wv", "bv", "wu", "bu", "ww", "bw")


def acmil(x: Inputs, c: dict) -> Inputs:
    branch, bag, p = P.acmil(x["x"], *(x[n] for n in GATED))
    return {"branch": branch, "bag": bag[0], "p": p}


def acmil_train(x: Inputs, c: dict) -> Inputs:
    logit = ((np.tanh(x["x"] @ x["wv"].T + x["bv"]) * P.sigmoid(x["x"] @ x["wu"].T + x["bu"])) @ x["ww"].T + x["bw"]).T
    drop = P.acmil_stkim(logit, c["T"], c["ratio"], x["draw"])
    branch, bag, p = P.acmil(x["x"], *(x[n] for n in GATED), drop)
    return {"branch": branch, "bag": bag[0], "p": p, "alike": np.array(P.acmil_diversity(p))}


def acmil_mha(x: Inputs, c: dict) -> Inputs:
    K, H, D = c["K"], c["H"], c["D"]
    p, branch = np.zeros((K, H, c["N"])), np.zeros((K, c["E"]))
    for n in range(K):
        z = np.zeros((H, D))
        for h in range(H):
            q = x["w"][0, n, h] @ x["q0"][n] + x["bias"][0, n, h]
            k, v = (x["x"] @ x["w"][i, n, h].T + x["bias"][i, n, h] for i in (1, 2))
            p[n, h] = P.masked_softmax(np.where(x["lost"][n, h], -1e9, k @ q / np.sqrt(D)))
            z[h] = p[n, h] @ v
        y = x["wo"][n].reshape(c["E"], -1) @ z.ravel() + x["bo"][n]
        branch[n] = P.layer_norm(y, *x["ln"][:, n], c["eps"])
    z = [p[:, h].mean(0) @ (x["x"] @ x["wv_bag"][h].T + x["bv_bag"][h]) for h in range(H)]
    y = x["wo_bag"].reshape(c["E"], -1) @ np.concatenate(z) + x["bo_bag"]
    return {"branch": branch, "bag": P.layer_norm(y, *x["ln_bag"], c["eps"]), "p": p}


# ---------------------------------------------------------------- 38 HiP

def hip_decode(x: Inputs, c: dict) -> Inputs:
    """The oracle divides by sqrt(D); the spec, as the published kernels, has scale 1."""
    q, M = x["q"][:, :, None] * c["D"] ** 0.5, c["M"]
    o, _ = P.hip_attention(q, x["k"], x["v"], c["K"] * c["bk"], 4, c["bk"], c["sink"], c["W"])
    at, number = np.full(x["q"].shape[:2] + (c["K"],), -1), -(-max(0, M - c["W"] - c["sink"]) // c["bk"])
    for b, h in np.ndindex(*at.shape[:2]):
        got = P.hip_attention_select(q[b, h], np.array([M - 1]), x["k"][b, h // (c["H"] // c["Hkv"])], c["sink"] // c["bk"], number,
                                     c["K"], c["bk"], c["W"])
        at[b, h, :len(got)] = got
    return {"at": at, "o": o[:, :, 0]}


def hip_reuse(x: Inputs, c: dict) -> Inputs:
    """Positions gathered by loops. Random lists may name a block twice; then it counts twice, as in the spec."""
    M, near, o = c["M"], c["M"] - c["W"], np.zeros(x["q"].shape[:2] + (c["Dv"],))
    for b, h in np.ndindex(*o.shape[:2]):
        at = [j for j in range(M) if j < c["sink"] or j >= near]
        at += [j for block in x["at"][b, h] if block >= 0 for j in range(block * c["bk"], (block + 1) * c["bk"]) if c["sink"] <= j < near]
        k, v = (x[n][b, h // (c["H"] // c["Hkv"])][at] for n in "kv")
        o[b, h] = P.masked_softmax(k @ x["q"][b, h]) @ v
    return {"o": o}
