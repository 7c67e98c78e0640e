"""Formulas of papers 40 to 45, by definition, in float64."""
import itertools
import math
import statistics

import numpy as np
from .shared_39_55 import *
from .papers_39_39 import *


# ---------------------------------------------------------------- 40 MEDUSA
def medusa(x, g, w, b):
    """x [B,C,h,w]; g [B,G,h*f,w*f] shared global map; w [C,G], b [C]: pooled map -> per-scale gate."""
    f = g.shape[2] // x.shape[2]
    pooled = g.reshape(*g.shape[:2], x.shape[2], f, x.shape[3], f).mean((3, 5))
    return x * sigmoid(np.einsum("cg,bghw->bchw", w, pooled) + b[None, :, None, None])


# ---------------------------------------------------------------- 41 MMTG
def mmtg_alpha(q, k, v):
    """Self-attention over S experience steps plus the KL of each row to a unit Gaussian at i."""
    p = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))
    s = np.arange(p.shape[-1])
    t = np.exp(-0.5 * (s[None] - s[:, None]) ** 2)
    t /= t.sum(-1, keepdims=True)
    kl = (t * (np.log(t) - np.log(p))).sum((1, 3)).mean(0).mean()   # sum heads, mean batch, mean rows
    return p @ v, kl


def mmtg_beta(z, a, b):
    """z [B,S,3,E] = (topic, image, text) per step; a [S,E], b [S]: one scorer per step."""
    p = softmax(np.einsum("bsme,se->bsm", z, a) + b[:, None])
    return np.einsum("bsm,bsme->bse", p, z)


# ---------------------------------------------------------------- 42 RazorAttention
def razor_attention(q, k, v, retrieval, sink, local):
    """One decode step. q [H,D], k,v [Hkv,N,D], retrieval [Hkv] bool. Dropped span -> one mean token
    that counts N_d times (score + ln N_d)."""
    hkv, n, d = k.shape
    out = np.zeros((q.shape[0], v.shape[-1]))
    for h in range(q.shape[0]):
        g = h * hkv // q.shape[0]
        kk, vv, bias = k[g], v[g], np.zeros(n)
        lo, hi = min(sink, n), max(min(sink, n), n - local)
        if not retrieval[g] and hi > lo:
            mean = lambda x: np.concatenate([x[:lo], x[lo:hi].mean(0, keepdims=True), x[hi:]])
            kk, vv = mean(kk), mean(vv)
            bias = np.zeros(len(kk))
            bias[lo] = math.log(hi - lo)
        out[h] = softmax(kk @ q[h] / math.sqrt(d) + bias) @ vv
    return out


def razor_attention_head_scores(p, period):
    """p [H,T,T] causal weights on a prompt of `period` random ids repeated; -> echo, induction [H]."""
    t = p.shape[-1]
    lag = np.arange(t)[:, None] - np.arange(t)[None]                # i - j
    echo = (lag > 0) & (lag % period == 0)
    induction = (lag + 1 > 0) & ((lag + 1) % period == 0) & (np.arange(t)[None] > 0)
    return (p * echo).mean((1, 2)), (p * induction).mean((1, 2))


def razor_attention_alibi_scope(qk_norm, ln_norm_sq, slope, eps):
    """Distance past which an ALiBi head's weight is below eps (published bound)."""
    return (2.0 * qk_norm * ln_norm_sq - math.log(eps)) / slope


# ---------------------------------------------------------------- 43 Zoology
def zoology_mqar(rng, examples, vocab, length, pairs, power=0.01):
    """(inputs, labels) of multi-query associative recall; -100 = ignored; zeros are filler."""
    ctx = 2 * pairs
    x, y = np.zeros((examples, length + 1), int), np.full((examples, length + 1), -100)
    space = (length - ctx) // 2
    prob = power * np.arange(1, space + 1) ** (power - 1.0)
    for e in range(examples):
        key = rng.choice(np.arange(1, vocab // 2), pairs, replace=False)
        val = rng.choice(np.arange(vocab // 2, vocab), pairs, replace=False)
        gap = rng.choice(space, pairs, replace=False, p=prob / prob.sum())
        x[e, 0:ctx:2], x[e, 1:ctx:2] = key, val
        x[e, ctx + 2 * gap], y[e, ctx + 2 * gap + 1] = key, val
    return x[:, :-1], y[:, 1:]


def zoology_baseconv(u, h, w, b, conv_bias=None):
    """u [B,L,E], h [E,taps] lag filter. Short conv adds conv_bias; long conv (None) adds u instead."""
    f = np.zeros((h.shape[0], u.shape[1]))
    f[:, : min(h.shape[1], u.shape[1])] = h[:, : u.shape[1]]
    c = causal_conv(u.swapaxes(1, 2), f[None]).swapaxes(1, 2)
    c = c + (u if conv_bias is None else conv_bias)
    return c * (u @ w.T + b) + u


def zoology_h3(q, k, v, shift, dk, g, dv):
    """q,k,v [B,H,L,D]; shift [H,D,taps], dk [H,D] filter k per channel; g [H,L], dv [H] filter k (x) v."""
    taps = np.zeros(shift.shape[:2] + (k.shape[2],))
    m = min(shift.shape[2], k.shape[2])
    taps[..., :m] = shift[..., :m]
    kt = k.swapaxes(-1, -2)
    kt = causal_conv(kt, taps[None]) + dk[None, :, :, None] * kt    # [B,H,D,L]
    kv = kt[:, :, :, None] * v.swapaxes(-1, -2)[:, :, None]         # [B,H,D,Dv,L]
    y = causal_conv(kv, g[None, :, None, None]) + dv[None, :, None, None, None] * kv
    return np.einsum("bhld,bhdel->bhle", q, y)


def zoology_hyena(x1, x2, v, h, bias):
    """All [B,L,E] after the short depthwise conv; h [E,L] implicit long filter, bias [E]."""
    z = x1 * v
    y = causal_conv(z.swapaxes(1, 2), h[None]).swapaxes(1, 2) + bias * z
    return x2 * y


def zoology_rwkv4(r, k, v, w, u):
    """r,k,v [B,L,E]; w=exp(time_decay)>0, u=time_first [E]."""
    out = np.zeros_like(v)
    for t in range(k.shape[1]):
        e = k[:, : t + 1] - w * np.maximum(t - 1 - np.arange(t + 1), 0)[None, :, None]
        e[:, t] = k[:, t] + u                                       # current token: bonus, no decay
        out[:, t] = (softmax(e, axis=1) * v[:, : t + 1]).sum(1)
    return sigmoid(r) * out


def zoology_rwkv4_recurrent(r, k, v, w, u):
    a, b, m = np.zeros_like(k[:, 0]), np.zeros_like(k[:, 0]), np.full_like(k[:, 0], -1e38)
    out = np.zeros_like(v)
    for t in range(k.shape[1]):
        c = np.maximum(m, u + k[:, t])
        e1, e2 = np.exp(m - c), np.exp(u + k[:, t] - c)
        out[:, t] = (e1 * a + e2 * v[:, t]) / (e1 * b + e2)
        c = np.maximum(m - w, k[:, t])
        e1, e2 = np.exp(m - w - c), np.exp(k[:, t] - c)
        a, b, m = e1 * a + e2 * v[:, t], e1 * b + e2, c
    return sigmoid(r) * out


def zoology_taylor_features(x):
    """phi(q).phi(k) = 1 + s + s^2/2 with s = q.k/sqrt(F)."""
    f = x.shape[-1]
    x2 = (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], f * f) / math.sqrt(2 * f)
    return np.concatenate([np.ones_like(x[..., :1]), x / f ** 0.25, x2], -1)


def zoology_based(q, k, v, causal=True, eps=1e-12):
    """q,k [B,H,L,F] with a small feature dim F (8..24); quadratic view."""
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    a = 1 + s + 0.5 * s * s
    if causal:
        a = a * causal_keep(q.shape[2], k.shape[2])
    return a @ v / (a.sum(-1, keepdims=True) + eps)


def zoology_sliding(q, k, v, block):
    """Keeps block+1 keys: i-block .. i."""
    d = np.arange(q.shape[2])[:, None] - np.arange(k.shape[2])[None]
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    return softmax(s, np.broadcast_to((d >= 0) & (d <= block), s.shape)) @ v


def zoology_selected(x, q, k, v, gate, rows, wo):
    """Input-dependent sparse: only query rows in `rows` [B,R] attend (to all j<=i); y = x + gate*attn@wo."""
    y = x.copy()
    for b in range(x.shape[0]):
        r = rows[b]
        s = q[b][:, r] @ k[b].swapaxes(-1, -2) / math.sqrt(q.shape[-1])
        o = softmax(s, np.broadcast_to(np.arange(k.shape[2])[None] <= r[:, None], s.shape)) @ v[b]
        y[b, r] += gate[b, r, None] * (o.swapaxes(0, 1).reshape(len(r), o.shape[0] * o.shape[2]) @ wo)
    return y


# ---------------------------------------------------------------- 44 Music Transformer
def music_transformer(q, k, v, e):
    """e [H,R,D]: row R-1-d embeds distance d=i-j; distances >= R contribute 0. Causal self-attention."""
    n, r = q.shape[2], e.shape[1]
    dist = np.arange(n)[:, None] - np.arange(n)[None]
    table = np.concatenate([e, np.zeros_like(e[:, :1])], 1)         # row r = zero
    idx = np.where((dist >= 0) & (dist < r), r - 1 - dist, r)
    s = np.einsum("bhid,bhjd->bhij", q, k) + np.einsum("bhid,hijd->bhij", q, table[:, idx])
    return softmax(s / math.sqrt(q.shape[-1]), np.broadcast_to(dist >= 0, s.shape)) @ v


def music_transformer_skew(q, k, v, e):
    """Same result with O(L*D) extra memory for the relative term when R = L."""
    b, h, n, d = q.shape
    r = e.shape[1]
    e = np.concatenate([np.zeros((h, max(n - r, 0), d)), e[:, max(r - n, 0):]], 1)
    rel = np.pad(q @ e.swapaxes(-1, -2)[None], ((0, 0), (0, 0), (0, 0), (1, 0)))
    rel = rel.reshape(b, h, n + 1, n)[:, :, 1:]                     # skew: pad, reshape, drop row
    s = (q @ k.swapaxes(-1, -2) + rel) / math.sqrt(d)
    return softmax(s, np.broadcast_to(causal_keep(n, n), s.shape)) @ v


def music_transformer_local(q, k, v, e, block):
    """Own block causally plus the whole previous block; one block only when N < 2*block."""
    n, r = q.shape[2], e.shape[1]
    block = n if n < 2 * block else block
    i, j = np.arange(n)[:, None], np.arange(n)[None]
    keep = (j <= i) & (i // block - j // block <= 1)
    table = np.concatenate([e, np.zeros_like(e[:, :1])], 1)
    idx = np.where(keep & (i - j < r), r - 1 - (i - j), r)
    s = np.einsum("bhid,bhjd->bhij", q, k) + np.einsum("bhid,hijd->bhij", q, table[:, idx])
    return softmax(s / math.sqrt(q.shape[-1]), np.broadcast_to(keep, s.shape)) @ v


# ---------------------------------------------------------------- 45 Sigmoid attention
def sigmoid_attention(q, k, v, bias, causal=False, slopes=None, window=None, key_keep=None):
    """P = sigmoid(q.k/sqrt(D) + alibi + bias); no row normaliser. bias is usually -ln(M)."""
    k, v = expand_kv(k, q.shape[1]), expand_kv(v, q.shape[1])
    n, m = q.shape[2], k.shape[2]
    rel = np.arange(m)[None] - np.arange(n)[:, None] - (m - n)      # j - i, bottom-right aligned
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + bias
    if slopes is not None:
        s = s - np.asarray(slopes)[None, :, None, None] * np.abs(rel)
    keep = np.broadcast_to((rel <= 0) if causal else np.ones_like(rel, bool), s.shape).copy()
    if window is not None:
        keep &= (rel >= -window[0]) & (rel <= window[1])
    if key_keep is not None:
        keep &= key_keep[:, None, None, :]
    return np.where(keep, sigmoid(s), 0.0) @ v


def sigmoid_attention_grad(q, k, v, bias, do):
    """Non-causal MHA gradients: dS = P(1-P) * (dO V^T); no row statistic is needed."""
    sc = 1 / math.sqrt(q.shape[-1])
    p = sigmoid(q @ k.swapaxes(-1, -2) * sc + bias)
    ds = p * (1 - p) * (do @ v.swapaxes(-1, -2)) * sc
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ do
