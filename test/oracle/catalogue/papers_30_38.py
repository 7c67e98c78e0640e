"""Formulas of papers 30 to 38, by definition, in float64."""
import math

import numpy as np
from .shared_20_38 import *
from .papers_20_29 import *


# ------------------------------------------------------------------ 30 visual attention redistribution (VAR)
def visual_attention_sink_var(a, v, sinks, im, n_im, q_from, rho=0.5, summ=0.2, p=0.6):
    """a (B,H,N,M) softmax weights, sinks (M,) bool, image tokens im..im+n_im-1, rows < q_from untouched."""
    img = np.zeros(a.shape[-1], bool); img[im:im + n_im] = True
    vis = sinks & img
    if not vis.any():
        return a @ v, a
    mass = a[..., img].sum(-1)
    portion = a[..., vis].sum(-1) / (a[..., img] + 1e-6).sum(-1)
    sel = (portion <= rho) & (mass >= summ)
    sel[:, :, :q_from] = False
    target = np.where(img & ~vis, a, 0.0)
    den = target.sum(-1, keepdims=True)
    budget = (1.0 - p) * a[..., sinks].sum(-1, keepdims=True)
    new = np.where(sinks, p * a, a) + budget * target / np.where(den == 0, 1.0, den)
    a = np.where(sel[..., None], new, a)
    return a @ v, a


def visual_attention_sink_var_grouped(s, v, sinks, im, n_im, q_from, rho=0.5, summ=0.2, p=0.6):
    """The same result from scores s (B,H,N,M; masked = -inf) in one streaming pass: per row one maximum, a
    partial sum l and a partial P V per key group, recombined with per-group coefficients at the end."""
    img = np.zeros(s.shape[-1], bool); img[im:im + n_im] = True
    e = np.exp(s - s.max(-1, keepdims=True))
    groups = {"vis": sinks & img, "txt": sinks & ~img, "img": img & ~sinks, "rest": ~img & ~sinks}
    l = {n: e[..., g].sum(-1, keepdims=True) for n, g in groups.items()}
    acc = {n: e[..., g] @ v[..., g, :] for n, g in groups.items()}
    z = sum(l.values())
    mass = (l["vis"] + l["img"]) / z
    sel = (l["vis"] / z / (mass + 1e-6 * n_im) <= rho) & (mass >= summ) & (sinks & img).any()
    sel[:, :, :q_from] = False
    boost = 1.0 + (1.0 - p) * (l["vis"] + l["txt"]) / np.where(l["img"] == 0, 1.0, l["img"])
    c = {"vis": np.where(sel, p, 1.0), "txt": np.where(sel, p, 1.0), "img": np.where(sel, boost, 1.0), "rest": 1.0}
    return sum(c[n] * acc[n] for n in groups) / z


def visual_attention_sink_var_sinks(h, dims, tau=20.0, eps=1e-6):
    """h (M,dm) input of the layer; a token is a sink if a massive dimension of |RMSNorm(h)| exceeds tau."""
    z = np.abs(h / np.sqrt((h ** 2).mean(-1, keepdims=True) + eps))
    return z[:, dims].max(-1) > tau


# ------------------------------------------------------------------ 31 Pointer Networks
def pointer_networks(e, d, w1, w2, vec, avail=None):
    """e (B,M,E) encoder states, d (B,Tn,E) decoder states, w1,w2 (A,E), vec (A,). Returns p, logits (B,Tn,M)."""
    u = np.tanh((e @ w1.T)[:, None] + (d @ w2.T)[:, :, None]) @ vec
    return masked_softmax(u, avail), u


# ------------------------------------------------------------------ 32 dynamic visual-token exit
def dynamic_visual_token_exit(h, im, n_im, w1, w2):
    """h (N,dm) output of a layer. Gate = w2 gelu(w1 [mean of text after the image but the last; last])."""
    f = np.concatenate([h[im + n_im:-1].mean(0), h[-1]])
    z = gelu(f @ w1.T) @ w2.T
    return z, bool(z[1] > z[0])


def dynamic_visual_token_exit_drop(x, im, n_im, axis):
    keep = np.r_[0:im, im + n_im:x.shape[axis]]
    return np.take(x, keep, axis), keep


# ------------------------------------------------------------------ 33 SAE circuit identification
def sae_circuit_identification(head_out, enc_w, enc_b, tied_b):
    """head_out (2E, L*H, dm), first E prompts positive. Returns codes (2E, L*H) and, per head, the number of
    codes seen only on positives."""
    w = enc_w / np.linalg.norm(enc_w, axis=1, keepdims=True)
    codes = np.maximum((head_out - tied_b) @ w.T + enc_b, 0.0).argmax(-1)
    e = len(codes) // 2
    only = [len(set(codes[:e, h]) - set(codes[e:, h])) for h in range(codes.shape[1])]
    return codes, np.array(only)


# ------------------------------------------------------------------ 34 BAM
def bam(x, wr, wq, wk, wv, wo, heads, is_causal=True):
    """Soft mixture of attention. x (N,dm), wr (dm,E), wq (E,dm,H*D), wk/wv (E or 1,dm,H*D), wo (E,H*Dv,dm)."""
    N, E = x.shape[0], wq.shape[0]
    g = masked_softmax(x @ wr)                                           # (N,E)
    split = lambda y: y.reshape(N, heads, -1).transpose(1, 0, 2)[None]
    out = np.zeros_like(x)
    for e in range(E):
        s = e if wk.shape[0] > 1 else 0
        o = sdpa(split(x @ wq[e]), split(x @ wk[s]), split(x @ wv[s]), causal(N) if is_causal else None)
        out += g[:, e:e + 1] * (o[0].transpose(1, 0, 2).reshape(N, -1) @ wo[e])
    return out


# ------------------------------------------------------------------ 35 Sparsifiner
def sparsifiner_mask(q, k, wq, bq, wk, bk, proj, back, keep, top_coef=8, basis_thr=0.02):
    """wq,wk (c,D), proj/back (N,r). Returns bool mask (B,H,N,N); row 0 is the class token (dense)."""
    B, H, N, D = q.shape
    ql, kl = q @ wq.T + bq, T(k @ wk.T + bk) @ proj                      # (B,H,N,c), (B,H,c,r)
    coef = masked_softmax((ql @ kl)[:, :, 1:] * H ** -0.5)               # note: H, not D
    order = np.argsort(-coef, -1, kind="stable")[..., :top_coef]
    top = np.zeros_like(coef); np.put_along_axis(top, order, np.take_along_axis(coef, order, -1), -1)
    basis = np.abs(back.T); basis = np.where(basis > basis_thr, basis, 0.0)
    score = top @ basis                                                  # (B,H,N-1,N)
    cols = np.argsort(-score, -1, kind="stable")[..., :math.ceil(keep * N)]
    mask = np.zeros(score.shape, bool); np.put_along_axis(mask, cols, True, -1)
    return np.concatenate([np.ones((B, H, 1, N), bool), mask], 2)


def sparsifiner(q, k, v, mask):
    return sdpa(q, k, v, mask)


# ------------------------------------------------------------------ 36 LASP-2
def lasp_2(q, k, v, world, is_causal=True):
    """Simulates `world` ranks holding equal contiguous shards; identity feature map, no scale, no normaliser."""
    qs, ks, vs = (np.split(x, world, 2) for x in (q, k, v))
    gathered = np.stack([T(a) @ b for a, b in zip(ks, vs)])              # the one AllGather: (W,B,H,D,Dv)
    out = []
    for r in range(world):
        if is_causal:
            out.append(np.tril(qs[r] @ T(ks[r])) @ vs[r] + qs[r] @ gathered[:r].sum(0))
        else:
            out.append(qs[r] @ gathered.sum(0))
    return np.concatenate(out, 2)


def lasp_2_backward(q, k, v, do, world):
    """Causal gradients: prefix sums of K^T V for dQ, suffix sums of Q^T dO (second AllGather) for dK, dV."""
    qs, ks, vs, ds = (np.split(x, world, 2) for x in (q, k, v, do))
    m = np.stack([T(a) @ b for a, b in zip(ks, vs)])
    dm = np.stack([T(a) @ b for a, b in zip(qs, ds)])
    dq, dk, dv = [], [], []
    for r in range(world):
        pre, suf = m[:r].sum(0), dm[r + 1:].sum(0)
        dp, p = np.tril(ds[r] @ T(vs[r])), np.tril(qs[r] @ T(ks[r]))
        dq.append(dp @ ks[r] + ds[r] @ T(pre))
        dk.append(T(dp) @ qs[r] + vs[r] @ T(suf))
        dv.append(T(p) @ ds[r] + ks[r] @ suf)
    return tuple(np.concatenate(x, 2) for x in (dq, dk, dv))


def lasp_2_hybrid_softmax(q, k, v, world):
    """LASP-2H standard-attention layer: AllGather K and V, each rank runs its query rows with a row offset."""
    C = q.shape[2] // world
    j = np.arange(k.shape[2])[None, :]
    return np.concatenate([sdpa(q[:, :, r * C:(r + 1) * C], k, v, j <= np.arange(r * C, (r + 1) * C)[:, None])
                           for r in range(world)], 2)


# ------------------------------------------------------------------ 37 ACMIL
def acmil(x, wv, bv, wu, bu, ww, bw, drop=None):
    """Gated multi-branch pooling. x (N,L); wv,wu (A,L); ww (K,A); drop (K,N) bool from STKIM (training only).
    Returns branch features (K,L), bag feature (1,L), attention weights (K,N)."""
    a = ((np.tanh(x @ wv.T + bv) * sigmoid(x @ wu.T + bu)) @ ww.T + bw).T
    if drop is not None:
        a = np.where(drop, -1e9, a)
    p = masked_softmax(a)
    return p @ x, p.mean(0, keepdims=True) @ x, p


def acmil_stkim(a, n_top, ratio, rand):
    """Stochastic top-k masking. a (K,N) logits, rand (K,n_top) uniform draws. Returns drop mask (K,N)."""
    n_top = min(n_top, a.shape[1])
    top = np.argsort(-a, 1, kind="stable")[:, :n_top]
    pick = np.argsort(rand[:, :n_top], 1)[:, :int(n_top * ratio)]
    drop = np.zeros(a.shape, bool)
    np.put_along_axis(drop, np.take_along_axis(top, pick, 1), True, 1)
    return drop


def acmil_diversity(p):
    """Mean pairwise cosine similarity of the K attention rows."""
    u = p / np.linalg.norm(p, axis=1, keepdims=True)
    K = len(p)
    return sum(u[i] @ u[j] for i in range(K) for j in range(i + 1, K)) / (K * (K - 1) / 2)


# ------------------------------------------------------------------ 38 HiP attention
def hip_attention_select(qs, pos, k, first, nb, kb, bk, window, pick="center"):
    """Tree search for one query block: qs (R,D) sampled rows at absolute positions pos; candidates are key
    blocks first..first+nb-1 of bk tokens. Returns at most kb block ids."""
    if nb <= kb:
        return np.arange(first, first + nb)
    edge = first + np.arange(kb + 1) * nb // kb
    start, size = edge[:-1], np.diff(edge)
    while size.max() > 1:
        half = size // 2
        start, size = np.stack([start, start + half], 1).ravel(), np.stack([half, size - half], 1).ravel()
        rep = start + (size // 2 if pick == "center" else 0)
        score = np.full(len(rep), -np.inf)
        for b in np.flatnonzero(size > 0):
            j = np.arange(rep[b] * bk, min((rep[b] + 1) * bk, len(k)))
            s = np.where(j[None, :] <= (pos - window)[:, None], qs @ k[j].T, -32000.0)
            score[b] = s.max()
        best = np.sort(np.argsort(-score, kind="stable")[:kb])
        start, size = start[best], size[best]
    return np.sort(start)


def hip_attention(q, k, v, mask_k=512, bq=64, bk=2, sink=16, window=256, stride_q=2, pick="center"):
    """Causal; the N queries are the last N of M positions. Keys seen by row i: last `window` positions, the
    first `sink` positions and the tokens of the selected blocks."""
    B, H, N, D = q.shape
    M, g = k.shape[2], H // k.shape[1]
    mask = np.zeros((B, H, N, M), bool)
    j = np.arange(M)[None, :]
    for b in range(B):
        for h in range(H):
            for r in range(0, N, bq):
                rows = np.arange(r, min(r + bq, N)); i = rows + M - N
                nb = -(-max(0, i.max() + 1 - window - sink) // bk)
                sub = rows[min(N, stride_q) - 1::stride_q]
                sub = rows[-1:] if len(sub) == 0 else sub
                sel = hip_attention_select(q[b, h, sub], sub + M - N, k[b, h // g], sink // bk, nb,
                                           -(-mask_k // bk), bk, window, pick)
                hit = np.isin(j // bk, sel) | (j < sink) | (i[:, None] - j < window)
                mask[b, h, rows] = hit & (j <= i[:, None])
    return sdpa(q, k, v, mask), mask
