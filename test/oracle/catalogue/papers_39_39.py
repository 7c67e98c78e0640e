"""Formulas of papers 39 to 39, by definition, in float64."""
import itertools
import math
import statistics

import numpy as np
from .shared_39_55 import *


# ---------------------------------------------------------------- 39 CAB
def cab_vanilla(q, k, v, causal=False, key_keep=None):
    """Vanilla and FlashAttention entries: all four patterns. key_keep [B,M]."""
    k, v = expand_kv(k, q.shape[1]), expand_kv(v, q.shape[1])
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    keep = np.ones(s.shape, bool)
    if causal:
        keep &= causal_keep(q.shape[2], k.shape[2])
    if key_keep is not None:
        keep &= key_keep[:, None, None, :]
    return softmax(s, keep) @ v


def cab_local(q, k, v, w, causal=False, key_keep=None):
    """Token-level sliding window: 2w+1 keys non-causal, w keys (self included) causal."""
    n = q.shape[2]
    d = np.arange(n)[:, None] - np.arange(n)[None, :]
    keep = ((d >= 0) & (d < w)) if causal else (np.abs(d) <= w)
    keep = np.broadcast_to(keep, q.shape[:3] + (n,)).copy()
    if key_keep is not None:
        keep &= key_keep[:, None, None, :]
    return softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), keep) @ v


def cab_cosformer(q, k, v, eps=1e-6):
    """Non-causal self/cross. Weight = relu(q).relu(k) * cos(pi/2 * (i-j)/max(N,M)); no 1/sqrt(D)."""
    n, m = q.shape[2], k.shape[2]
    qa, ka = np.maximum(q, 0), np.maximum(k, 0)
    off = (np.arange(1, n + 1)[:, None] - np.arange(1, m + 1)[None, :]) / max(n, m)
    a = (qa @ ka.swapaxes(-1, -2)) * np.cos(0.5 * np.pi * off)
    return a @ v / np.maximum(a.sum(-1, keepdims=True), eps)


def cab_cosformer_linear(q, k, v, eps=1e-6):
    n, m = q.shape[2], k.shape[2]
    ang = lambda length: (0.5 * np.pi * np.arange(1, length + 1) / max(n, m))[:, None]
    feat = lambda x, t: np.concatenate([x * np.sin(t), x * np.cos(t)], -1)
    qf, kf = feat(np.maximum(q, 0), ang(n)), feat(np.maximum(k, 0), ang(m))
    z = np.maximum(qf @ kf.sum(2)[..., None], eps)
    return qf @ (kf.swapaxes(-1, -2) @ v) / z


def cab_performer_features(x, w, is_query, eps=1e-4):
    """w [H,R,D]. Keys share one max per (b,h); queries have one max each."""
    x = x * x.shape[-1] ** -0.25
    p = np.einsum("bhnd,hrd->bhnr", x, w)
    mx = p.max(-1, keepdims=True) if is_query else p.max((-1, -2), keepdims=True)
    return w.shape[1] ** -0.5 * (np.exp(p - 0.5 * (x * x).sum(-1, keepdims=True) - mx) + eps)


def cab_performer(q, k, v, w, key_keep=None, floor=0.1):
    """Non-causal self, non-causal cross, causal cross. Denominator is clamped to >= 0.1."""
    qf, kf = cab_performer_features(q, w, True), cab_performer_features(k, w, False)
    if key_keep is not None:
        kf = kf * key_keep[:, None, :, None]
    den = np.maximum(qf @ kf.sum(2)[..., None], floor)
    return qf @ (kf.swapaxes(-1, -2) @ v) / den


def segment_means(x, c):
    """[B,H,N,D] -> [B,H,min(c,N),D]; the first groups are floor(N/c) long, the rest one longer."""
    n = x.shape[2]
    if n <= c:
        return x
    s = n // c
    short = (s + 1) * c - n
    edges = np.concatenate([np.arange(short) * s, short * s + np.arange(c - short) * (s + 1), [n]])
    return np.stack([x[:, :, a:b].mean(2) for a, b in zip(edges[:-1], edges[1:])], 2)


def cab_lara(q, k, v, c=16, noise=None, key_keep=None):
    """Non-causal self. noise [B,H,c,D] (standard normal) in training, zero at inference."""
    sc = q.shape[-1] ** -0.5
    mu = segment_means(q, c) + segment_means(k, c)
    om = mu if noise is None else mu + noise
    lp = lambda x: sc * (om @ x.swapaxes(-1, -2)) - sc * 0.5 * (x * x).sum(-1)[:, :, None, :]
    lq, lk = lp(q), lp(k)                                           # [B,H,c,N]
    lmu = sc * (om * mu).sum(-1) - sc * 0.5 * (mu * mu).sum(-1)     # [B,H,c]
    keep = None if key_keep is None else np.broadcast_to(key_keep[:, None, None, :], lk.shape)
    stats = softmax(lk, keep) @ v                                   # [B,H,c,Dv]
    r = sc * (mu @ q.swapaxes(-1, -2)) + lq + logsumexp(lk)[..., None] - lmu[..., None]
    return softmax(r, axis=2).swapaxes(-1, -2) @ stats              # softmax over landmarks


def cab_nystrom_pinv(a, iters=6):
    """6th-order iteration; the start is scaled by the largest column sum of the WHOLE batch."""
    z = a.swapaxes(-1, -2) / a.sum(-2).max()
    eye = np.eye(a.shape[-1])
    for _ in range(iters):
        az = a @ z
        z = 0.25 * z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az)))
    return z


def cab_nystromformer(q, k, v, c=16, conv=None, key_keep=None):
    """Non-causal self. Effective scale 1/D (q and k are both divided by sqrt(D)). conv [H,taps]."""
    n, d = q.shape[2:]
    m = np.ones((q.shape[0], n), bool) if key_keep is None else key_keep
    v, k = v * m[:, None, :, None], k * m[:, None, :, None]
    q, k = q / math.sqrt(d), k / math.sqrt(d)
    kmask = lambda s: np.broadcast_to(m[:, None, None, :], s.shape)
    if n <= c:
        s = q @ k.swapaxes(-1, -2)
        out = softmax(s, kmask(s)) @ v
    else:
        ql, kl = segment_means(q, c), segment_means(k, c)
        f1, f2 = softmax(q @ kl.swapaxes(-1, -2)), softmax(ql @ kl.swapaxes(-1, -2))
        s3 = ql @ k.swapaxes(-1, -2)
        out = f1 @ cab_nystrom_pinv(f2) @ (softmax(s3, kmask(s3)) @ v)
    if conv is not None:                                            # depthwise over the sequence
        h = conv.shape[1] // 2
        vp = np.pad(v, ((0, 0), (0, 0), (h, h), (0, 0)))
        out = out + sum(conv[None, :, t, None, None] * vp[:, :, t:t + n] for t in range(conv.shape[1]))
    return out


def cab_probsparse(q, k, v, sample, factor=5, causal=False):
    """sample [N,U] key indices drawn with replacement, U=min(factor*ceil(ln M), M), shared by B,H."""
    b, h, n, d = q.shape
    m = k.shape[2]
    u = min(factor * math.ceil(math.log(n)), n)
    if u == 0:                                                      # one token: no query is sharp
        return np.cumsum(v, 2) if causal else np.repeat(v.mean(2, keepdims=True), n, 2)
    sk = np.einsum("bhnd,bhnsd->bhns", q, k[:, :, sample])
    score = sk.max(-1) - sk.sum(-1) / m                             # divided by M, not by U
    top = np.argpartition(-score, u - 1, axis=-1)[..., :u]
    out = np.cumsum(v, 2) if causal else np.repeat(v.mean(2, keepdims=True), n, 2)
    qs = np.take_along_axis(q, top[..., None], 2)
    keep = (np.arange(m) <= top[..., None]) if causal else None
    new = softmax(qs @ k.swapaxes(-1, -2) / math.sqrt(d), keep) @ v
    np.put_along_axis(out, top[..., None], new, 2)
    return out


def cab_longshort(q, k, v, p_logits, w, ln):
    """Non-causal self. p_logits [B,H,r,N]; ln=(gamma,beta) over H*D; k,v already layer-normed (LN_l)."""
    b, h, n, d = q.shape
    fold = lambda x: x.swapaxes(1, 2).reshape(b, -1, h * d)
    unfold = lambda x: x.reshape(b, -1, h, d).swapaxes(1, 2)
    p = softmax(p_logits)                                           # over the sequence
    kc, vc = (unfold(layer_norm(fold(p @ x), *ln)) for x in (k, v))  # [B,H,r,D]
    ext, g = max(w // 2, 1), np.arange(n) // w
    j = np.arange(n)
    near = (j[None] >= (g * w - ext)[:, None]) & (j[None] < ((g + 1) * w + ext)[:, None])
    s = np.concatenate([q @ kc.swapaxes(-1, -2), q @ k.swapaxes(-1, -2)], -1) / math.sqrt(d)
    keep = np.concatenate([np.ones((n, kc.shape[2]), bool), near], -1)
    return softmax(s, np.broadcast_to(keep, s.shape)) @ np.concatenate([vc, v], 2)


def cab_longshort_causal(q, k_win, v_win, k_chunk, v_chunk, chunk, w,
                         rel_win=None, rel_chunk=None, bias_w=0.0, bias_r=0.0):
    """One softmax over the last w keys plus the summaries of all strictly earlier chunks.
    k_chunk [B,H,N/chunk,D] are LN'd per-chunk softmax-weighted sums; rel_win [H,w,D] by distance
    i-j; rel_chunk [H,C,D] by (own chunk - 1 - c); bias_* broadcast to [H,1,D] (Transformer-XL u,v)."""
    b, h, n, d = q.shape
    q = q / math.sqrt(d)
    i, j, c = np.arange(n)[:, None], np.arange(n)[None], np.arange(k_chunk.shape[2])[None]
    s1 = (q + bias_w) @ k_win.swapaxes(-1, -2)
    s2 = q @ k_chunk.swapaxes(-1, -2)
    keep1, keep2 = (i - j >= 0) & (i - j < w), c < i // chunk
    if rel_win is not None:
        pos = (q + bias_r) @ rel_win.swapaxes(-1, -2)               # [B,H,N,w]
        s1 = s1 + np.take_along_axis(pos, np.broadcast_to(np.clip(i - j, 0, w - 1), s1.shape), -1)
    if rel_chunk is not None:
        pos = q @ rel_chunk.swapaxes(-1, -2)
        s2 = s2 + np.take_along_axis(pos, np.broadcast_to(np.clip(i // chunk - 1 - c, 0, None), s2.shape), -1)
    s = np.concatenate([s2, s1], -1)
    keep = np.broadcast_to(np.concatenate([keep2, keep1], -1), s.shape)
    return softmax(s, keep) @ np.concatenate([v_chunk, v_win], 2)


def cab_abc(q, k, v, wk, wv, causal=False):
    """wk, wv [D,c] learned, shared by heads. Causal form is the published definition."""
    ak, av = k @ wk, v @ wv                                         # [B,H,M,c]
    q = q / math.sqrt(q.shape[-1])
    if not causal:
        kt, vt = softmax(ak, axis=2).swapaxes(-1, -2) @ k, softmax(av, axis=2).swapaxes(-1, -2) @ v
        return softmax(q @ kt.swapaxes(-1, -2)) @ vt
    out = np.zeros(q.shape[:3] + v.shape[-1:])
    for t in range(q.shape[2]):                                     # slots are prefix soft-maxes
        kt = softmax(ak[:, :, :t + 1], axis=2).swapaxes(-1, -2) @ k[:, :, :t + 1]
        vt = softmax(av[:, :, :t + 1], axis=2).swapaxes(-1, -2) @ v[:, :, :t + 1]
        out[:, :, t] = (softmax(q[:, :, t:t + 1] @ kt.swapaxes(-1, -2)) @ vt)[:, :, 0]
    return out


def cab_abc_recurrent(q, k, v, wk, wv):
    ak, av, q = k @ wk, v @ wv, q / math.sqrt(q.shape[-1])
    c, out = wk.shape[1], np.zeros(q.shape[:3] + v.shape[-1:])
    st = [[np.full(q.shape[:2] + (c,), -np.inf), np.zeros(q.shape[:2] + (c, x.shape[-1]))] for x in (k, v)]
    for t in range(q.shape[2]):
        for s, a, x in zip(st, (ak, av), (k, v)):
            z = np.logaddexp(s[0], a[:, :, t])                      # running normaliser per slot
            s[1] = np.exp(s[0] - z)[..., None] * s[1] + np.exp(a[:, :, t] - z)[..., None] * x[:, :, t, None]
            s[0] = z
        pr = softmax(np.einsum("bhd,bhcd->bhc", q[:, :, t], st[0][1]))
        out[:, :, t] = np.einsum("bhc,bhcd->bhd", pr, st[1][1])
    return out


def cab_s4d_kernel(w, coef, log_dt, length):
    """w [E,S] complex (Re<0), coef [C,E,S] complex, log_dt [E] -> real lag kernel [C,E,length]."""
    a = w * np.exp(log_dt)[:, None]
    c = coef * (np.exp(a) - 1.0) / w
    return 2.0 * np.einsum("ces,esl->cel", c, np.exp(a[..., None] * np.arange(length))).real


def cab_s4d(x, w, coef, log_dt, skip, bidirectional=False):
    """x [B,L,E] -> [B,L,C*E] before GELU and output linear; skip [C,E]. No q, k, v."""
    u, n = x.swapaxes(1, 2)[:, None], x.shape[1]                    # [B,1,E,L]
    ker = cab_s4d_kernel(w, coef, log_dt, n)
    c = ker.shape[0] // 2 if bidirectional else ker.shape[0]
    y = causal_conv(u, ker[None, :c])
    if bidirectional:                                               # key j>i uses lag j-i-1
        rev = causal_conv(u[..., ::-1], ker[None, c:])[..., ::-1]
        y = y + np.concatenate([rev[..., 1:], np.zeros_like(rev[..., :1])], -1)
    y = y + skip[None, :, :, None] * u
    return y.reshape(x.shape[0], -1, n).swapaxes(1, 2)
