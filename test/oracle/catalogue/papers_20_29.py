"""Formulas of papers 20 to 29, by definition, in float64."""
import math

import numpy as np
from .shared_20_38 import *


# ------------------------------------------------------------------ 20 DuoAttention
def duoattention(q, k, v, full_heads, sink, recent):
    """Causal prefill. full_heads (Hkv,) bool; the N queries are the last N of M positions."""
    N, M = q.shape[2], k.shape[2]
    i, j = np.arange(N)[:, None] + M - N, np.arange(M)[None, :]
    full = j <= i
    stream = full & ((j < sink) | (i - j < recent))
    per_head = np.repeat(np.asarray(full_heads, bool), q.shape[1] // k.shape[1])
    return sdpa(q, k, v, np.where(per_head[:, None, None], full, stream)[None])


def duoattention_block_mask(n_q, n_k, sink_blocks, local_blocks, blk=128):
    """Token mask of the block-granular streaming pattern (causal)."""
    i, j = np.arange(n_q)[:, None], np.arange(n_k)[None, :]
    last = -(-max(n_k - n_q, 0) // blk) + 1 + i // blk - max((n_q - n_k) // blk, 0)
    jb = j // blk
    return ((jb < sink_blocks) | ((jb >= last - local_blocks) & (jb < last))) & (j <= i + n_k - n_q)


def duoattention_cache_step(q, k_new, v_new, k_cache, v_cache, sink, recent):
    """Streaming heads, decode or next prefill chunk: append, attend, then evict the middle."""
    k, v = np.concatenate([k_cache, k_new], 2), np.concatenate([v_cache, v_new], 2)
    out = sdpa(q, k, v, causal(q.shape[2], k.shape[2]))
    if k.shape[2] > sink + recent:
        k, v = (np.concatenate([x[:, :, :sink], x[:, :, -recent:]], 2) for x in (k, v))
    return out, k, v


def duoattention_gate(o_full, o_stream, alpha):
    """Training blend; alpha (H,) clamped to [0,1]; returns output and d(out)/d(alpha) factor."""
    a = np.clip(alpha, 0.0, 1.0)[None, :, None, None]
    return a * o_full + (1.0 - a) * o_stream, o_full - o_stream


# ------------------------------------------------------------------ 21 circuit analysis in Chinchilla
def circuit_analysis_chinchilla(q, k, v, wo, mask, low_rank=None):
    """wo (H,Dv,dm). low_rank: {'q'|'k'|'v': (mean (H,D), basis (H,D,r) orthonormal)}.
    Returns per-head results (B,H,N,dm) and attention weights (B,H,N,M)."""
    x = {"q": q, "k": k, "v": v}
    for name, (mean, basis) in (low_rank or {}).items():
        c = x[name] - mean[None, :, None]
        x[name] = mean[None, :, None] + (c @ basis[None]) @ T(basis)[None]
    a = masked_softmax(x["q"] @ T(x["k"]) * q.shape[-1] ** -0.5, mask)
    return np.einsum("bhnd,hdm->bhnm", a @ x["v"], wo), a


# ------------------------------------------------------------------ 22 Dynamical Systems Framework
def dynamical_systems_framework(lam, k, v, q):
    """h_i = lam_i * h_{i-1} + k_i v_i^T ; y_i = q_i^T h_i. lam (B,H,N) or (B,H,N,D); h (B,H,D,Dv)."""
    B, H, N, D = k.shape
    lam = np.broadcast_to(lam[..., None] if lam.ndim == 3 else lam, k.shape)
    h, y = np.zeros((B, H, D, v.shape[-1])), []
    for i in range(N):
        h = lam[:, :, i, :, None] * h + k[:, :, i, :, None] * v[:, :, i, None, :]
        y.append(np.einsum("bhd,bhde->bhe", q[:, :, i], h))
    return np.stack(y, 2)


def dynamical_systems_framework_linear(q, k, v):
    """Linear attention, feature map elu(x)+1, normalised by the row sum (no eps)."""
    f = lambda x: np.where(x > 0, x + 1.0, np.exp(np.minimum(x, 0.0)))
    s = np.tril(f(q) @ T(f(k)))
    return s @ v / s.sum(-1, keepdims=True)


def dynamical_systems_framework_normalised(q, k, v, n):
    """Normalised attention: the row sum is replaced by exp(n_i), n (B,H,N) a learned linear map of u_i."""
    return np.tril(q @ T(k)) @ v / np.exp(n)[..., None]


def dynamical_systems_framework_qlstm(f, i, o, x, alpha, reverse=True):
    """f,i,o,x (B,N,C) pre-activations; reversed sigmoid: a = sigmoid(-f)^max(alpha,0)."""
    a = sigmoid(-f) ** max(alpha, 0.0) if reverse else sigmoid(f)
    h, out = np.zeros(x[:, 0].shape), []
    for t in range(x.shape[1]):
        h = a[:, t] * h + sigmoid(i[:, t]) * x[:, t]
        out.append(sigmoid(o[:, t]) * h)
    return np.stack(out, 1)


# ------------------------------------------------------------------ 23 circuit component reuse
def circuit_component_reuse(q, k, v, mask, z_patch=None, z_where=None, pattern=None, pattern_where=None):
    """z = attn @ v with (1) attention rows overwritten where pattern_where (B,H,N), (2) head outputs
    overwritten where z_where (B,H,N). Returns z (B,H,N,Dv)."""
    a = masked_softmax(q @ T(k) * q.shape[-1] ** -0.5, mask)
    if pattern is not None:
        a = np.where(pattern_where[..., None], pattern, a)
    z = a @ v
    return z if z_patch is None else np.where(z_where[..., None], z_patch, z)


# ------------------------------------------------------------------ 24 Combiner
def combiner(q, k, v, s, is_causal=True, count_own_block=False):
    """Combiner-Fixed, block length s, N % s == 0. Direct: own block; abstractions: the other blocks."""
    B, H, N, D = q.shape
    nb, c = N // s, D ** -0.5
    qb, kb, vb = (x.reshape(B, H, nb, s, -1) for x in (q, k, v))
    k_abs = kb.max(3)                                                    # (B,H,nb,D)
    inner = masked_softmax(np.einsum("bhnd,bhnsd->bhns", qb.max(3), kb) * c)
    v_abs = np.einsum("bhns,bhnse->bhne", inner, vb)
    blk = np.arange(N) // s
    direct = (blk[:, None] == blk[None, :]) & (causal(N) if is_causal else True)
    r = np.arange(nb)[None, :]
    far = r < blk[:, None] if is_causal else np.ones((N, nb), bool) if count_own_block else r != blk[:, None]
    p = masked_softmax(np.concatenate([q @ T(k), q @ T(k_abs)], -1) * c, np.concatenate([direct, far], 1))
    return p[..., :N] @ v + p[..., N:] @ v_abs


def combiner_logsparse(q, k, v):
    """Causal. Position i attends itself and, for each set bit l of i, the block [((i>>l)-1)<<l, (i>>l)<<l)."""
    N, c, out = q.shape[2], q.shape[3] ** -0.5, []
    for i in range(N):
        ks, vs = [k[:, :, i]], [v[:, :, i]]
        for l in range(N.bit_length()):
            if (i >> l) & 1:
                b = slice(((i >> l) - 1) << l, (i >> l) << l)
                w = masked_softmax(np.einsum("bhd,bhsd->bhs", q[:, :, b].max(2), k[:, :, b]) * c)
                ks.append(k[:, :, b].max(2)); vs.append(np.einsum("bhs,bhse->bhe", w, v[:, :, b]))
        p = masked_softmax(np.einsum("bhd,rbhd->bhr", q[:, :, i], np.stack(ks)) * c)
        out.append(np.einsum("bhr,rbhe->bhe", p, np.stack(vs)))
    return np.stack(out, 2)


def combiner_axial_rowmajor(q, k, v, m, key_row=None, is_causal=True):
    """Rows of length m. Direct: own row; abstractions: position (r', own column) of every earlier row r',
    whose value is the un-masked in-row attention output there. key_row (B,H,N,D) defaults to k."""
    B, H, N, D = q.shape
    n, c = N // m, D ** -0.5
    row, col = np.arange(N) // m, np.arange(N) % m
    same_row = row[:, None] == row[None, :]
    v_abs = sdpa(q, k, v, same_row)
    far = (col[:, None] == col[None, :]) & ((row[None, :] < row[:, None]) if is_causal else True)
    s = np.concatenate([q @ T(k), q @ T(k if key_row is None else key_row)], -1) * c
    p = masked_softmax(s, np.concatenate([same_row & (causal(N) if is_causal else True), far], 1))
    return p[..., :N] @ v + p[..., N:] @ v_abs


# ------------------------------------------------------------------ 25 SpectFormer
def spectformer(x, w, hh, ww):
    """Spectral gate. x (B,hh*ww,C) real, w (hh, ww//2+1, C) complex."""
    B, N, C = x.shape
    f = np.fft.rfft2(x.reshape(B, hh, ww, C), axes=(1, 2), norm="ortho")
    return np.fft.irfft2(f * w, s=(hh, ww), axes=(1, 2), norm="ortho").reshape(B, N, C)


def spectformer_direct(x, w, hh, ww):
    """The same gate as a circular depth-wise convolution with the real kernel irfft2(w)."""
    B, N, C = x.shape
    ker = np.fft.irfft2(w, s=(hh, ww), axes=(0, 1))                      # unnormalised inverse: 1/(hh*ww)
    g, y = x.reshape(B, hh, ww, C), np.zeros((B, hh, ww, C))
    for a in range(hh):
        for b in range(ww):
            y += ker[a, b] * np.roll(g, (a, b), axis=(1, 2))
    return y.reshape(B, N, C)


# ------------------------------------------------------------------ 26 MambaOut
def mambaout(x, p, eps=1e-6):
    """Gated CNN block. x (B,Hh,Ww,C); p: ln_g, ln_b (C), w1 (2*hid,C), b1, conv_w (Cc,K,K), conv_b, w2 (C,hid), b2."""
    hid, cc, K = p["w2"].shape[1], p["conv_w"].shape[0], p["conv_w"].shape[1]
    y = layer_norm(x, p["ln_g"], p["ln_b"], eps) @ p["w1"].T + p["b1"]
    g, i, c = y[..., :hid], y[..., hid:2 * hid - cc], y[..., 2 * hid - cc:]
    r = K // 2
    cp = np.pad(c, ((0, 0), (r, r), (r, r), (0, 0)))
    conv = np.zeros_like(c)
    for a in range(K):
        for b in range(K):
            conv += cp[:, a:a + c.shape[1], b:b + c.shape[2]] * p["conv_w"][:, a, b]
    h = gelu(g) * np.concatenate([i, conv + p["conv_b"]], -1)
    return h @ p["w2"].T + p["b2"] + x


# ------------------------------------------------------------------ 27 OAT
def oat(enc, dec, we, be, wd, bd, w_read, b_read, d_k):
    """Pointer read-out. enc (M,E), dec (Tn,E); we, wd (P,E,E); be, bd (P,E); w_read (P,), b_read scalar.
    Returns logits (Tn, M+1); the last column is the placeholder (score 0 before the read-out)."""
    s = np.stack([(dec @ wd[p].T + bd[p]) @ (enc @ we[p].T + be[p]).T for p in range(len(we))], -1)
    s = np.concatenate([s, np.zeros((s.shape[0], 1, s.shape[2]))], 1) / math.sqrt(d_k)
    return s @ w_read + b_read if len(we) > 1 else s[..., 0]


# ------------------------------------------------------------------ 28 Lightning Attention-2
def lightning_attention_2(q, k, v, slope):
    """O = ((Q K^T) * M) V, M_ij = exp(-slope_h (i-j)) for i >= j else 0. No scale, no normaliser."""
    n = np.arange(q.shape[2])
    d = n[:, None] - n[None, :]
    m = np.where(d >= 0, np.exp(-slope[:, None, None] * np.maximum(d, 0)), 0.0)
    return (q @ T(k) * m) @ v


def lightning_attention_2_chunked(q, k, v, slope, blk, state=None):
    """Intra-block left product + inter-block right product; returns output and the state after token N."""
    B, H, N, D = q.shape
    s = slope[None, :, None, None]
    kv = np.zeros((B, H, D, v.shape[-1])) if state is None else state
    out = []
    for t in range(0, N, blk):
        qb, kb, vb = (x[:, :, t:t + blk] for x in (q, k, v))
        c = qb.shape[2]                                   # the tail block keeps its true length
        r = np.arange(c)[None, None, :, None]
        out.append(lightning_attention_2(qb, kb, vb, slope) + (qb * np.exp(-s * (r + 1))) @ kv)
        kv = np.exp(-s * c) * kv + T(kb * np.exp(-s * (c - 1 - r))) @ vb
    return np.concatenate(out, 2), kv


def lightning_attention_2_decode(q, k, v, slope, kv):
    """One token: q,k (B,H,D), v (B,H,Dv), kv (B,H,D,Dv) holds tokens < i weighted lambda^(i-1-j)."""
    kv = np.exp(-slope)[None, :, None, None] * kv + k[..., None] * v[..., None, :]
    return np.einsum("bhd,bhde->bhe", q, kv), kv


def lightning_attention_2_backward(q, k, v, slope, do):
    n = np.arange(q.shape[2])
    d = n[:, None] - n[None, :]
    m = np.where(d >= 0, np.exp(-slope[:, None, None] * np.maximum(d, 0)), 0.0)
    ds = do @ T(v) * m
    return ds @ k, T(ds) @ q, T(q @ T(k) * m) @ do


# ------------------------------------------------------------------ 29 low-rank compact MHSA (LAMA)
def low_rank_compact_mhsa(h, p, q, c=None, mask=None):
    """h (B,N,d), p,q (d,m), c (d,) learned context or None = masked mean, mask (B,N) in {0,1}.
    Returns sentence matrix (B,m,d) and weights (B,m,N)."""
    mask = np.ones(h.shape[:2]) if mask is None else mask
    ctx = (h * mask[..., None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1e-9) if c is None else c[None]
    a = np.tanh((ctx @ p)[:, :, None] * T(h @ q))                        # (B,m,N)
    a = a / np.linalg.norm(a, axis=1, keepdims=True)                     # over heads, per word
    w = masked_softmax(a, mask[:, None, :] > 0)
    return w @ h, w
