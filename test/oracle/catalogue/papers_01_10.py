"""Formulas of papers 1 to 10, by definition, in float64."""
import math

import numpy as np
from .shared_01_19 import *


# ------------------------------------------------------------------ 1 MoH
def top_mask(p, k):
    """0/1 mask of the k largest entries of the last axis; ties go to the lower index."""
    idx = np.argsort(-p, axis=-1, kind="stable")[..., :k]
    m = np.zeros_like(p)
    np.put_along_axis(m, idx, 1.0, -1)
    return m


def moh_gates_learned(x, w_route, w_share, w_mix, top_k):
    """Vision/diffusion form. x (B,N,dm), w_route (dm,Hr), w_share (dm,Hs), w_mix (dm,2) -> (B,N,Hs+Hr)."""
    p = masked_softmax(x @ w_route)
    p = p * top_mask(p, top_k)
    routed = top_k * p / np.maximum(p.sum(-1, keepdims=True), np.finfo(np.float64).eps)
    shared = w_share.shape[1] * masked_softmax(x @ w_share)
    mix = 2.0 * masked_softmax(x @ w_mix)
    return np.concatenate([mix[..., :1] * shared, mix[..., 1:] * routed], -1)


def moh_gates_qnorm(q, n_shared, top_k):
    """Language-model form, no router weights. q (B,H,N,D) BEFORE rotary -> 0/1 gates (B,N,H)."""
    r = np.swapaxes(np.linalg.norm(q[:, n_shared:], axis=-1), 1, 2)
    p = masked_softmax(r / r.std(-1, ddof=1, keepdims=True))
    return np.concatenate([np.ones(p.shape[:2] + (n_shared,)), top_mask(p, top_k)], -1)


def moh(q, k, v, gates, mask=None):
    """gates (B,N,H) scale every head's output row; output (B,H,N,Dv), heads are then concatenated and projected."""
    return sdpa(q, k, v, mask) * np.swapaxes(gates, 1, 2)[..., None]


# ------------------------------------------------------------------ 2 ViT head study
def vit_head_study(q, k, v, wo, gate):
    """Head-gated attention; wo (H,Dv,dm), gate (H,). Output (B,N,dm)."""
    return np.einsum("bhnd,hde,h->bne", sdpa(q, k, v), wo, gate)


def vit_khop_strength(p, side, cls=1):
    """p (B,H,cls+side^2,cls+side^2) attention. Mean total attention paid to each ring of Chebyshev distance."""
    p = p[:, :, cls:, cls:]
    y, x = np.divmod(np.arange(side * side), side)
    ring = np.maximum(abs(y[:, None] - y[None]), abs(x[:, None] - x[None]))
    return np.stack([(p * (ring == r)).sum(-1).mean(-1) for r in range(side)], -1)


# ------------------------------------------------------------------ 3 distributed attention
def merge_partials(m, l, o):
    """Combine per-worker (max, denominator, UNnormalised output); leading axis = workers."""
    mm = m.max(0)
    w = np.exp(m - np.where(np.isfinite(mm), mm, 0.0))
    w = np.where(np.isfinite(m), w, 0.0)
    den = (w * l).sum(0)
    return (w[..., None] * o).sum(0) / np.where(den == 0, 1.0, den)[..., None]


def distributed_mha(q, k, v, workers, mask=None, scale=None):
    """Key/value rows split over `workers`; every worker sees all queries; one reduction of (m, l, o)."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    mask = np.ones((q.shape[2], k.shape[2]), bool) if mask is None else mask
    m, l, o = [], [], []
    for part in np.array_split(np.arange(k.shape[2]), workers):
        s = np.where(mask[:, part], q @ T(k[:, :, part]) * scale, -np.inf)
        mi = s.max(-1) if part.size else np.full(q.shape[:3], -np.inf)
        e = np.exp(s - np.where(np.isfinite(mi), mi, 0.0)[..., None])
        m.append(mi), l.append(e.sum(-1)), o.append(e @ v[:, :, part])
    return merge_partials(np.array(m), np.array(l), np.array(o))


# ------------------------------------------------------------------ 4 Retrieval heads
def retrieval_score(top_key, ids, out_ids, needle):
    """top_key (S,H) arg-max key per decode step, ids (M,) token ids, out_ids (S,) generated ids -> (H,)."""
    lo, hi = needle
    hit = (top_key >= lo) & (top_key < hi) & (ids[top_key] == np.asarray(out_ids)[:, None])
    return hit.sum(0) / (hi - lo)


def retrieval_head(q, k, v, blocked):
    """blocked (H,) bool. A blocked head gets all-zero scores: the uniform mean of its visible values, NOT zero."""
    return sdpa(np.where(np.asarray(blocked)[:, None, None], 0.0, q), k, v, causal(q.shape[2], k.shape[2]))


# ------------------------------------------------------------------ 5 RCMHA
def depthwise_causal_conv(x, w, b):
    """x (B,H,N,D), w (D,taps), b (D,); channel weights shared by all heads; tap taps-1 is the current token."""
    taps = w.shape[1]
    xp = np.pad(x, ((0, 0), (0, 0), (taps - 1, 0), (0, 0)))
    return b + sum(w[:, j] * xp[:, :, j:j + x.shape[2]] for j in range(taps))


def rcmha(q, k, v, conv, rel_key, rel_bias, u):
    """q (B,H,N,D) projected queries, k, v (B,H,M,D) of memory+current; conv = 3 pairs (w, b).
    rel_key (2P,H,D), rel_bias (2P,H), u (H,D); distance r = i + M - N - j uses row P - r."""
    q, k, v = (depthwise_causal_conv(t, *c) for t, c in zip((q, k, v), conv))
    N, M, P = q.shape[2], k.shape[2], rel_key.shape[0] // 2
    r = np.arange(N)[:, None] + M - N - np.arange(M)[None, :]
    s = (q + u[:, None]) @ T(k) + np.einsum("bhnd,nmhd->bhnm", q, rel_key[P - r]) + np.moveaxis(rel_bias[P - r], -1, 0)
    return masked_softmax(s * q.shape[-1] ** -0.5, r >= 0) @ v


# ------------------------------------------------------------------ 6 Random-feature attention layer
def random_feature_attention(x0, x, W, V):
    """x0 (B,d) query, x (B,N,d) keys, W (M,d+1,d+1) frozen, V (M,d+1) trained -> (B,)."""
    x0 = np.concatenate([x0, np.ones(x0.shape[:1] + (1,))], -1)
    x = np.concatenate([x, np.ones(x.shape[:2] + (1,))], -1)
    a = np.maximum(np.einsum("be,mef,bnf->bmn", x0, W, x), 0.0)
    return np.einsum("bmn,bnf,mf->b", a, x, V) / x.shape[1]


# ------------------------------------------------------------------ 7 Vision-aware head divergence
def vhd(o_with, o_without):
    """Last-row head outputs (B,H,Dv) with and without the image tokens -> (B,H)."""
    return np.linalg.norm(o_with - o_without, axis=-1)


def vhr(o, div, alpha, keep):
    """Scale the outputs of the `keep` most divergent heads of the layer by alpha. o (B,H,N,Dv)."""
    return o * (1.0 + (alpha - 1.0) * top_mask(div, keep))[:, :, None, None]


# ------------------------------------------------------------------ 8 LongHeads
def longheads_features(q, k, v, w):
    """One key-space vector per complete chunk; in-chunk rotary positions 0..w-1; needs Dv = D. -> (B,H,G,D)."""
    B, H, M, D = k.shape
    G = M // w
    cut = lambda t: t[:, :, :G * w].reshape(B, H, G, w, D)
    qc, kc, vc = rope(cut(q), np.arange(w)), rope(cut(k), np.arange(w)), cut(v)
    f = (masked_softmax(qc @ T(kc) * D ** -0.5) @ vc).mean(-2, keepdims=True)
    return (masked_softmax(f @ T(kc) * D ** -0.5) @ kc)[..., 0, :]


def longheads(q, k, v, w, C, begin, include_self=True):
    """q,k,v (B,H,N,D) without rotary. Rows before `begin` are dense causal; later rows read C chunks of w keys."""
    B, H, N, D = q.shape
    out = sdpa(rope(q, np.arange(N)), rope(k, np.arange(N)), v, causal(N))
    feat = longheads_features(q, k, v, w)
    for b, h, t in np.ndindex(B, H, N):
        if t < begin:
            continue
        c = t // w
        mid = np.arange(1, c - 1)
        sc = feat[b, h, mid] @ q[b, h, t]
        best = mid[np.argsort(-sc, kind="stable")[:C - 3]]
        ids = np.sort(np.concatenate([[0], best, [c - 1, c]]))
        rows = np.concatenate([np.arange(i * w, (i + 1) * w) for i in ids])
        rows = rows[rows <= t - (not include_self)]
        kk = rope(k[b, h, rows], np.arange(rows.size))
        qq = rope(q[b, h, t][None], np.array([(C - 1) * w + t % w]))
        out[b, h, t] = masked_softmax(qq @ kk.T * D ** -0.5)[0] @ v[b, h, rows]
    return out


# ------------------------------------------------------------------ 9 Imbalanced attention fix
def visual_token_sets(p_first, p_late, ratio, n_spatial):
    """p_first, p_late (Hv,1+n,1+n) vision-encoder attention of the first and a late layer. -> (strong, weak)."""
    a, b = p_first[:, 0, 1:].sum(0), p_late[:, 0, 1:].sum(0)
    n = a.size
    strong = set(np.argsort(-a, kind="stable")[:int(n * ratio)])
    strong |= set(np.argsort(-p_first.mean(0).sum(1), kind="stable")[:n_spatial])
    q1, q3 = np.percentile(b, 25), np.percentile(b, 75)
    weak = set(np.argsort(-b, kind="stable")[:int(n * ((b > q3 + 1.5 * (q3 - q1)).sum() / n))])
    return sorted(strong - weak), sorted(weak)


def imbalance_fix(q, k, v, gain, head_gain=None):
    """gain (M,): added fraction of |score| per key. Only the LAST query row is changed. head_gain (H,) optional."""
    N, M, g = q.shape[2], k.shape[2], q.shape[1] // k.shape[1]
    kk, vv = np.repeat(k, g, 1), np.repeat(v, g, 1)
    s = q @ T(kk) * q.shape[-1] ** -0.5
    hg = np.ones(q.shape[1]) if head_gain is None else head_gain
    s[:, :, -1] += np.abs(s[:, :, -1]) * gain * hg[:, None]
    return masked_softmax(s, causal(N, M)) @ vv


# ------------------------------------------------------------------ 10 Titans neural memory
def mem_apply(W, x):
    for i, w in enumerate(W):
        x = (gelu(x) if i else x) @ w
    return x


def mem_grad(W, k, v, c):
    """Gradient of c/2 * |f(k) - v|^2 wrt every weight, for one token; k, v (D,)."""
    acts, x = [k], k
    for i, w in enumerate(W):
        x = (gelu(x) if i else x) @ w
        acts.append(x)
    g, out = c * (x - v), [None] * len(W)
    for i in range(len(W) - 1, -1, -1):
        a = gelu(acts[i]) if i else acts[i]
        out[i] = np.outer(a, g)
        g = (W[i] @ g) * (gelu_grad(acts[i]) if i else 1.0)
    return out


def titans_memory(q, k, v, theta, eta, alpha, W0, chunk=1, c=2.0):
    """One head, one sequence: q,k,v (N,D); theta, eta, alpha (N,); W0 list of weight matrices.
    Gradients are taken at the memory of the chunk's start; token t reads the memory after its own update."""
    W, S, y = [w.copy() for w in W0], [np.zeros_like(w) for w in W0], np.zeros_like(v)
    for t in range(len(q)):
        if t % chunk == 0:
            base = [w.copy() for w in W]
        g = mem_grad(base, k[t], v[t], c)
        S = [eta[t] * s - theta[t] * gi for s, gi in zip(S, g)]
        W = [(1 - alpha[t]) * w + s for w, s in zip(W, S)]
        y[t] = mem_apply(W, q[t])
    return y


def titans_linear_chunk(q, k, v, theta, eta, alpha, M0, chunk, c=2.0):
    """Same result for a one-matrix memory, by matrix products inside each chunk."""
    M, S, y = M0.copy(), np.zeros_like(M0), np.zeros_like(v)
    for a in range(0, len(q), chunk):
        sl = slice(a, min(a + chunk, len(q)))
        K, n = k[sl], len(k[sl])
        E = c * theta[sl][:, None] * (K @ M - v[sl])                       # scaled residuals
        m = np.cumprod(eta[sl])                                            # momentum carried from S
        cum = lambda x: np.concatenate([[1.0], np.cumprod(x)])
        be, et = cum(1 - alpha[sl]), cum(eta[sl])
        G, f = np.zeros((n, n)), np.zeros(n)
        for i in range(n):
            f[i] = sum(be[i + 1] / be[s + 1] * m[s] for s in range(i + 1))
            for j in range(i + 1):
                G[i, j] = sum(be[i + 1] / be[s + 1] * et[s + 1] / et[j + 1] for s in range(j, i + 1))
        y[sl] = be[1:, None] * (q[sl] @ M) + f[:, None] * (q[sl] @ S) - ((q[sl] @ K.T) * G) @ E
        M_new = be[n] * M + f[-1] * S - (K * G[-1][:, None]).T @ E
        S = m[-1] * S - (K * (et[n] / et[1:])[:, None]).T @ E
        M = M_new
    return y


def titans_mac_mask(n, segment, persistent, sliding=False):
    """(n, persistent+n): persistent tokens always visible; else causal in the segment, or a window of segment+1."""
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    near = (i - j <= segment) if sliding else (i // segment == j // segment)
    return np.concatenate([np.ones((n, persistent), bool), (j <= i) & near], 1)
