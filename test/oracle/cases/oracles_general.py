"""The formulas of specs that are no single paper's, and of the first one of a few papers."""
from __future__ import annotations

from .common_general import *


def scores(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Scaled scores (B,H,N,M) with key heads repeated."""
    return q @ A.T(np.repeat(k, q.shape[1] // k.shape[1], 1)) * q.shape[-1] ** -0.5


def causal_gqa(x: Inputs, c: dict) -> Inputs:
    keep = A.causal(c["N"], c["M"])
    return {"o": A.sdpa(x["q"], x["k"], x["v"], keep), "l": np.logaddexp.reduce(np.where(keep, scores(x["q"], x["k"]), -np.inf), -1)}


def window_cap_sink(x: Inputs, c: dict) -> Inputs:
    """A sink is one more key with the given score and value 0."""
    q, k, v = (np.swapaxes(x[n], 1, 2) for n in "qkv")
    s = c["cap"] * np.tanh(scores(q, k) / c["cap"])
    i, j = np.arange(c["N"])[:, None] + c["M"] - c["N"], np.arange(c["M"])[None]
    s = np.where((j <= i) & (i - j <= c["W"]), s, -np.inf)
    s = np.concatenate([s, np.broadcast_to(x["sink"][None, :, None, None], s.shape[:3] + (1,))], -1)
    vv = np.repeat(v, q.shape[1] // k.shape[1], 1)
    vv = np.concatenate([vv, np.zeros_like(vv[:, :, :1])], 2)
    return {"o": np.swapaxes(A.masked_softmax(s) @ vv, 1, 2), "l": np.swapaxes(C.logsumexp(s), 1, 2)}


def alibi(x: Inputs, c: dict) -> Inputs:
    i, j = np.arange(c["N"])[:, None] + c["M"] - c["N"], np.arange(c["M"])[None]
    s = scores(x["q"], x["k"]) - x["slope"][:, None, None] * (i - j)
    return {"o": A.masked_softmax(s, j <= i) @ x["v"]}


def relative_bias(x: Inputs, c: dict) -> Inputs:
    far = np.arange(c["N"])[:, None] + c["M"] - c["N"] - np.arange(c["M"])[None]
    s = scores(x["q"], x["k"]) + x["bias"][:, np.clip(far, 0, c["R"] - 1)]
    s = np.where((far >= 0) & x["valid"][:, None, :, None], s, -np.inf)
    v = np.repeat(x["v"], c["H"] // c["Hkv"], 1)
    return {"o": A.masked_softmax(s) @ v, "l": np.logaddexp.reduce(s, -1)}


def document(x: Inputs, c: dict) -> Inputs:
    same = x["doc"][:, None, :, None] == x["doc"][:, None, None, :]
    return {"o": A.sdpa(x["q"], x["k"], x["v"], A.causal(c["N"]) & same)}


def sigmoid(x: Inputs, c: dict) -> Inputs:
    return {"o": C.sigmoid_attention(x["q"], x["k"], x["v"], c["bias"], True, x["slope"], None, x["valid"])}


def lightning(x: Inputs, c: dict) -> Inputs:
    o, s = A.lightning_chunk(x["q"], x["k"], x["v"], x["rate"], 4, x["s0"])
    return {"o": o, "s1": s}


def gated_delta(x: Inputs, c: dict) -> Inputs:
    """Token by token, one head at a time, as the rule is printed: S = a S (1 - b k k') + b k v'."""
    k = x["k"] / np.linalg.norm(x["k"], axis=-1, keepdims=True)
    o, s = np.zeros(x["v"].shape), np.zeros(k.shape[:2] + (k.shape[3], x["v"].shape[3]))
    for b, h in np.ndindex(*k.shape[:2]):
        for t in range(k.shape[2]):
            kt, a, beta = k[b, h, t], np.exp(x["g"][b, h, t]), x["beta"][b, h, t]
            s[b, h] = a * (np.eye(kt.size) - beta * np.outer(kt, kt)) @ s[b, h] + beta * np.outer(kt, x["v"][b, h, t])
            o[b, h, t] = x["q"][b, h, t] @ s[b, h]
    return {"o": o, "s": s}


def moh(x: Inputs, c: dict) -> Inputs:
    gates = A.moh_gates_qnorm(x["q"], c["Hs"], c["K"])
    return {"o": A.moh(x["q"], x["k"], x["v"], gates, A.causal(c["N"]))}


def agent(x: Inputs, c: dict) -> Inputs:
    a = C.agent_attention_pool(x["q"], (c["Y"], c["X"]), c["S"])
    flat = lambda t: t.reshape((-1,) + t.shape[2:])
    return {"o": C.agent_attention(x["q"], a, x["k"], x["v"], x["bias1"], x["bias2"], flat(x["taps"]), flat(x["shift"]), (c["Y"], c["X"]))}


def var(x: Inputs, c: dict) -> Inputs:
    a = A.masked_softmax(scores(x["q"], x["k"]), A.causal(c["N"]))
    return {"o": B.visual_attention_sink_var(a, x["v"], x["sink"], c["im"], c["n_im"], c["from"], c["rho"], c["least"], c["p"])[0]}


def hip(x: Inputs, c: dict) -> Inputs:
    o, _ = B.hip_attention(x["q"] * x["q"].shape[-1] ** 0.5, x["k"], x["v"], c["K"] * c["bk"], c["bq"], c["bk"], c["sink"], c["W"])
    return {"o": o}


def rings(x: Inputs, c: dict) -> Inputs:
    s = scores(x["q"], x["k"])
    return {"rings": A.vit_khop_strength(A.masked_softmax(s), c["S"], 0), "top": s.argmax(-1)}


def pointer(x: Inputs, c: dict) -> Inputs:
    p, u = B.pointer_networks(x["enc"], x["dec"], x["w1"], x["w2"], x["vec"], x["free"][:, None])
    return {"p": p, "l": np.logaddexp.reduce(np.where(x["free"][:, None], u, -np.inf), -1)}


def paged_decode(x: Inputs, c: dict) -> Inputs:
    """Pages gathered into one contiguous cache per sequence, then plain causal attention over its own length."""
    flat = lambda t: np.concatenate(list(t), 1)                         # (pages, Hkv, P, D) -> (Hkv, pages * P, D)
    out = []
    for q, pages, n in zip(x["q"], x["page"], x["len"]):
        k, v = flat(x["k8"][pages] * x["ks"][pages][..., None])[:, :n], flat(x["v"][pages])[:, :n]
        out.append(A.sdpa(q[None], k[None], v[None], A.causal(c["N"], n))[0])
    return {"o": np.stack(out)}


def merge_partials(x: Inputs, c: dict) -> Inputs:
    k, v = (np.concatenate(list(x[n]), 2) for n in ("k", "v"))
    at = (x["first"][:, None] + np.arange(c["C"])).ravel()
    keep = at[None] <= np.arange(c["N"])[:, None]
    return {"o": A.sdpa(x["q"], k, v, keep), "l": np.logaddexp.reduce(np.where(keep, scores(x["q"], k), -np.inf), -1)}


def softmax_over_queries(x: Inputs, c: dict) -> Inputs:
    heads = lambda t, n: np.moveaxis(t.reshape(t.shape[:2] + (n, -1)), 2, 1)
    p = C.softmax(scores(heads(x["q"], c["H"]), heads(x["k"], c["Hkv"])), axis=2)
    return {"o": np.moveaxis(p @ np.repeat(heads(x["v"], c["Hkv"]), c["H"] // c["Hkv"], 1), 1, 2)}
