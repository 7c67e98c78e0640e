"""Formulas of papers 11 to 19, by definition, in float64."""
import math

import numpy as np
from .shared_01_19 import *
from .papers_01_10 import *


# ------------------------------------------------------------------ 11 Aaren
def aaren(qh, k, v, scale=None):
    """qh (H,D): ONE learned query per head. o_t = softmax over j <= t of (q . k_j) applied to v_j."""
    s = np.einsum("hd,bhnd->bhn", qh, k) * (qh.shape[-1] ** -0.5 if scale is None else scale)
    n = k.shape[2]
    return masked_softmax(np.broadcast_to(s[:, :, None], s.shape[:2] + (n, n)), causal(n)) @ v


def aaren_combine(a, b):
    """Associative operator on (m, u, w): running max, denominator, numerator."""
    m = np.maximum(a[0], b[0])
    ea, eb = np.exp(a[0] - m), np.exp(b[0] - m)
    return m, a[1] * ea + b[1] * eb, a[2] * ea[..., None] + b[2] * eb[..., None]


def aaren_scan(qh, k, v, scale=None):
    """Hillis-Steele inclusive scan, log2(N) rounds."""
    s = np.einsum("hd,bhnd->bhn", qh, k) * (qh.shape[-1] ** -0.5 if scale is None else scale)
    m, u, w, step = s.copy(), np.ones_like(s), v.copy(), 1
    while step < s.shape[2]:
        left = (m[:, :, :-step], u[:, :, :-step], w[:, :, :-step])
        right = (m[:, :, step:], u[:, :, step:], w[:, :, step:])
        c = aaren_combine(left, right)
        m, u, w = (np.concatenate([old[:, :, :step], new], 2) for old, new in zip((m, u, w), c))
        step *= 2
    return w / u[..., None]


# ------------------------------------------------------------------ 12 Landmark attention
def landmark_weights(s, block, top_k=None):
    """s (...,N,M) scaled scores, M - N a multiple of block; the landmark is the last token of each block."""
    N, M = s.shape[-2:]
    i, j = np.arange(N)[:, None] + M - N, np.arange(M)[None, :]
    is_lm = j % block == block - 1
    own = (j // block == i // block) & (j <= i) & ~is_lm
    past_lm, past = is_lm & (j // block < i // block), (j // block < i // block) & ~is_lm
    allow = np.broadcast_to(past_lm, s.shape)
    if top_k is not None:                                                  # per head and query
        rank = np.argsort(np.argsort(-np.where(past_lm, s, -np.inf), -1, kind="stable"), -1)
        allow = allow & (rank < top_k)
    outer = masked_softmax(s, own | allow)                                 # own tokens + landmarks share one softmax
    w = np.where(own, outer, 0.0)
    for b in range(M // block):
        cols = (j // block == b) & past
        lm = np.where(allow, outer, 0.0)[..., (b + 1) * block - 1][..., None]
        w = w + lm * masked_softmax(s, np.broadcast_to(cols, s.shape))
    return w


def landmark_attention(q, k, v, block, top_k=None):
    return landmark_weights(q @ T(k) * q.shape[-1] ** -0.5, block, top_k) @ v


def landmark_online(q, k, v, block):
    """Tile form: per past block one inner softmax, its landmark joins the outer running softmax."""
    s = q @ T(k) * q.shape[-1] ** -0.5
    N, M = s.shape[-2:]
    out = np.zeros(q.shape[:3] + v.shape[-1:])
    for t in range(N):
        i = t + M - N
        m, l, acc = np.full(q.shape[:2], -np.inf), np.zeros(q.shape[:2]), np.zeros(q.shape[:2] + v.shape[-1:])
        for b in range(i // block + 1):
            lo = b * block
            if b < i // block:
                sc = s[:, :, t, lo + block - 1]
                val = (masked_softmax(s[:, :, t, None, lo:lo + block - 1]) @ v[:, :, lo:lo + block - 1])[:, :, 0]
                mn = np.maximum(m, sc)
                p, r = np.exp(sc - mn), np.exp(m - mn)
                acc, l, m = acc * r[..., None] + p[..., None] * val, l * r + p, mn
            else:
                hi = min(i, lo + block - 2) + 1
                if hi <= lo:
                    continue
                sc = s[:, :, t, lo:hi]
                mn = np.maximum(m, sc.max(-1))
                p, r = np.exp(sc - mn[..., None]), np.exp(m - mn)
                acc, l, m = acc * r[..., None] + np.einsum("bhj,bhjd->bhd", p, v[:, :, lo:hi]), l * r + p.sum(-1), mn
        out[:, :, t] = acc / np.where(l == 0, 1.0, l)[..., None]
    return out


def landmark_score_grad(s, dw, block):
    """d(loss)/d(score) from d(loss)/d(weight): the two-level softmax backward."""
    N, M = s.shape[-2:]
    w = landmark_weights(s, block)
    i, j = np.arange(N)[:, None] + M - N, np.arange(M)[None, :]
    g = w * dw
    ds = g - w * g.sum(-1, keepdims=True)                                  # own-block tokens
    for b in range(M // block):
        cols = (j // block == b) & (j % block != block - 1) & (b < i // block)
        wb, gb = np.where(cols, w, 0.0), np.where(cols, g, 0.0)
        pb, db = wb.sum(-1, keepdims=True), gb.sum(-1, keepdims=True)      # landmark weight, inner <w, dw>
        inner = gb - wb * db / np.where(pb == 0, 1.0, pb)
        ds = np.where(cols, inner, ds)
        hit = (b < i // block) & (j == (b + 1) * block - 1)
        ds = np.where(hit, db - pb * g.sum(-1, keepdims=True), ds)
    return ds


# ------------------------------------------------------------------ 13 LightNet
def lightnet(q, kx, v, is_causal=True, init_lse=-np.inf):
    """q (B,H,N,D) already activated, kx (B,H,N,D) raw key logits, v (B,H,N,Dv).
    Weight of key s in channel d at time t: exp(kx[s,d]) / sum_{r<=t} exp(kx[r,d]) (whole sequence if not causal)."""
    n = q.shape[2]
    e = np.exp(kx - kx.max(2, keepdims=True))
    z0 = np.exp(init_lse - kx.max(2, keepdims=True))
    if not is_causal:
        return q @ (T(e / (e.sum(2, keepdims=True) + z0)) @ v)
    z = np.cumsum(e, 2) + z0
    a = (q / z) @ T(e)
    return np.where(causal(n), a, 0.0) @ v


def lightnet_recurrent(q, kx, v, init_lse=-np.inf):
    """Decode form: state (log-sum-exp per channel, D x Dv matrix); equals a decay recurrence with log decay z[t-1]-z[t]."""
    B, H, N, D = q.shape
    z, S = np.full((B, H, D), init_lse), np.zeros((B, H, D, v.shape[-1]))
    out = np.zeros((B, H, N, v.shape[-1]))
    for t in range(N):
        zn = np.logaddexp(z, kx[:, :, t])
        S = np.exp(z - zn)[..., None] * S + np.exp(kx[:, :, t] - zn)[..., None] * v[:, :, t, None]
        out[:, :, t] = np.einsum("bhd,bhde->bhe", q[:, :, t], S)
        z = zn
    return out


def md_lrpe(x, pos, base=10000.0):
    """Rotary code split over axes: x (...,n,D), pos (n,A); D/2 pairs are divided into A equal groups, one per axis."""
    n, A = pos.shape
    pairs = x.shape[-1] // 2 // A
    th = base ** (-np.arange(pairs) / pairs)
    ang = (pos[:, :, None] * th).reshape(n, -1)
    c, s, a, b = np.cos(ang), np.sin(ang), x[..., 0::2], x[..., 1::2]
    return np.stack([a * c - b * s, a * s + b * c], -1).reshape(x.shape)


def tpe(x, qk, log_decay, axis):
    """Toeplitz position code along one axis of x (...,H,E): y_t = sum_{s<=t} (q.k)_h * exp(log_decay_h*(t-s)) x_s."""
    y = np.moveaxis(x.copy(), axis, 0)
    for t in range(1, y.shape[0]):
        y[t] += np.exp(log_decay)[:, None] * y[t - 1]
    return np.moveaxis(y, 0, axis) * qk[:, None]


# ------------------------------------------------------------------ 14 Routing transformer
def routing_attention(q, v, means, window, is_causal=True, k=None, eps=1e-6, avg_eps=1e-2):
    """q (B,H,N,D), v (B,H,N,Dv), means (H,C,D). k None: shared query-key (needed for a causal mask).
    Every cluster takes its `window` closest positions, in time order. Rows in no cluster are 0."""
    ln = lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    qn, kn = ln(q), ln(q if k is None else k)
    B, H, N, _ = q.shape
    out, cnt = np.zeros((B, H, N, v.shape[-1])), np.zeros((B, H, N, 1))
    pick = lambda x, b, h, c: np.sort(np.argsort(-(x[b, h] @ means[h, c]), kind="stable")[:window])
    for b, h, c in np.ndindex(B, H, means.shape[1]):
        qi, ki = pick(qn, b, h, c), pick(kn, b, h, c)
        mask = ki[None, :] <= qi[:, None] if is_causal else None
        out[b, h, qi] += masked_softmax(qn[b, h, qi] @ kn[b, h, ki].T, mask) @ v[b, h, ki]   # no 1/sqrt(D)
        cnt[b, h, qi] += 1
    return out / (cnt + avg_eps)


# ------------------------------------------------------------------ 15 ACT
def act_calibration(q, k, v, heads, beta=0.4, threshold=0.1):
    """Causal self-attention, N = M. heads (H,) bool: calibrated heads. Returns output and the edited weights."""
    N = q.shape[2]
    p = masked_softmax(q @ T(k) * q.shape[-1] ** -0.5, causal(N))
    for b, h in np.ndindex(*p.shape[:2]):
        if not heads[h]:
            continue
        sinks = np.flatnonzero(p[b, h].sum(0) / np.arange(N, 0, -1) > threshold)[1:]    # the first one is kept
        keep = p[b, h].copy()
        keep[1:, sinks] = 0.0
        freed = (1 - beta) * p[b, h][:, sinks].sum(1, keepdims=True)
        p[b, h][:, sinks] *= beta
        p[b, h] += freed * keep / keep.sum(1, keepdims=True)
        p[b, h, 0, 0] = 1.0
    return p @ v, p


def act_two_accumulators(q, k, v, sink, beta):
    """Same output when the sink set is known: sink (B,H,N) bool; two accumulators, one combination per row."""
    N = q.shape[2]
    e = np.where(causal(N), np.exp(q @ T(k) * q.shape[-1] ** -0.5), 0.0)
    es = e * sink[:, :, None]
    ls, l = es.sum(-1, keepdims=True), e.sum(-1, keepdims=True)
    a = ls / l
    return beta * (es @ v) / l + (1 - beta * a) / (1 - a) * ((e - es) @ v) / l


# ------------------------------------------------------------------ 16 Lightning attention / TransNormerLLM
def lightning_slopes(h, layer, layers):
    """Per-head decay rate s >= 0 (weight exp(-s*(i-j))); h a power of two."""
    return 2.0 ** (-8.0 * np.arange(1, h + 1) / h) * (1 - layer / (layers - 1) + 1e-5)


def lightning_attention(q, k, v, s):
    """Causal, no normaliser, no scale: o_i = sum_{j<=i} exp(-s_h (i-j)) (q_i . k_j) v_j."""
    d = np.arange(q.shape[2])[:, None] - np.arange(q.shape[2])[None, :]
    w = np.where(d >= 0, np.exp(-np.asarray(s)[:, None, None] * np.maximum(d, 0)), 0.0)
    return (q @ T(k) * w) @ v


def lightning_chunk(q, k, v, s, block, state=None):
    """Intra-block product plus carried D x Dv state; works for a ragged last block. Returns (o, state)."""
    B, H, N, D = q.shape
    s = np.asarray(s)[:, None, None]
    S = np.zeros((B, H, D, v.shape[-1])) if state is None else state.copy()
    o = np.zeros((B, H, N, v.shape[-1]))
    for a in range(0, N, block):
        n = min(block, N - a)
        t = np.arange(n)
        Q, K, V = q[:, :, a:a + n], k[:, :, a:a + n], v[:, :, a:a + n]
        d = t[:, None] - t[None, :]
        w = np.where(d >= 0, np.exp(-s * np.maximum(d, 0)), 0.0)
        o[:, :, a:a + n] = (Q @ T(K) * w) @ V + np.exp(-s * (t[:, None] + 1)) * (Q @ S)
        S = np.exp(-s * n) * S + T(K * np.exp(-s * (n - 1 - t[:, None]))) @ V
    return o, S


def lightning_backward(q, k, v, s, do, block):
    """dq by a forward sweep over K,V states; dk, dv by a backward sweep over the state of (q, do)."""
    flip = lambda x: x[:, :, ::-1]
    dq, _ = lightning_chunk(do, v, k, s, block)
    dk, _ = lightning_chunk(flip(v), flip(do), flip(q), s, block)
    dv, _ = lightning_chunk(flip(k), flip(q), flip(do), s, block)
    return dq, flip(dk), flip(dv)


def tnl_output(o, u, eps=1e-6):
    """o, u (B,N,H*Dv): parameter-free RMS norm over the model width, then the gate u."""
    return o / np.sqrt((o * o).mean(-1, keepdims=True) + eps) * u


# ------------------------------------------------------------------ 17 MULTI-LANE
def multi_lane_summary(x, sel):
    """x (B,N,dm) patches+class, sel (L,B,S,dm) selectors of L lanes -> (L,B,S,dm). Keys = values = x, one head."""
    return masked_softmax(np.einsum("lbsc,bnc->lbsn", sel, x) * x.shape[-1] ** -0.5) @ x[None]


def multi_lane_attention(q, k, v, pk, pv):
    """q,k,v (L,B,H,S,D) of one lane's [class, summaries]; pk, pv (L,H,R,D) prompts put before keys and values."""
    L, B = q.shape[:2]
    ex = lambda p: np.broadcast_to(p[:, None], (L, B) + p.shape[1:])
    k, v = np.concatenate([ex(pk), k], -2), np.concatenate([ex(pv), v], -2)
    return masked_softmax(q @ T(k) * q.shape[-1] ** -0.5) @ v


def multi_lane(x, cls, sel, w, heads, pk, pv):
    """Whole block before the output projection. cls (L,B,1,dm); w = (wq, wk, wv), each (dm,dm); x carries no gradient."""
    t = np.concatenate([cls, multi_lane_summary(x, sel)], 2)
    split = lambda y: np.moveaxis(y.reshape(y.shape[:3] + (heads, -1)), 3, 2)
    o = multi_lane_attention(*(split(t @ m) for m in w), pk, pv)
    return np.moveaxis(o, 2, 3).reshape(t.shape)


# ------------------------------------------------------------------ 18 Gaussian adaptive attention
def gaam(x, offsets, c, axis, heads, eps=1e-8):
    """offsets, c (heads, G). The axis is cut into `heads` runs (the last one takes the remainder)."""
    x = np.moveaxis(x, axis, 0)
    size, out = x.shape[0] // heads, []
    for h in range(heads):
        xs = x[h * size:(h + 1) * size if h < heads - 1 else None]
        mu, sd = xs.mean(0), np.sqrt(xs.var(0, ddof=1) + eps)
        w = 1.0
        for d, cc in zip(offsets[h], c[h]):
            w = w * np.exp(-((xs - mu - d) / sd) ** 2 / (2 * cc * cc)) / np.sqrt(2 * np.pi * cc * cc)
        out.append(xs * w / np.maximum(w.sum(0), eps))
    return np.moveaxis(np.concatenate(out), 0, axis)


# ------------------------------------------------------------------ 19 MoA
def moa_span(alpha, beta, length, sink=64, least=128, step=64):
    """Tokens kept by one head at a given total length -> (total, sink, window)."""
    n = min(int(alpha + beta * length), length)
    n = math.ceil(max(n, least) / step) * step
    return n, min(n, sink), n - min(n, sink)


def moa(q, k, v, sink_blocks, local_blocks, block=64):
    """Block-granular: query block a sees key blocks < sink_blocks[h] and the last local_blocks[h] incl. its own."""
    N = q.shape[2]
    a, b = np.arange(N)[:, None] // block, np.arange(N)[None, :] // block
    sb, lb = (np.asarray(t)[:, None, None] for t in (sink_blocks, local_blocks))
    return sdpa(q, k, v, causal(N) & ((b < sb) | (b > a - lb)))


def moa_decode(q, k, v, sink, window):
    """One new query (B,H,1,D) at position M-1; token-granular sink and window; per-head lengths."""
    M = k.shape[2]
    j = np.arange(M)
    mask = (j < np.asarray(sink)[:, None]) | (j >= M - np.asarray(window)[:, None])
    return sdpa(q, k, v, mask[:, None, :])


def moa_ring(total, sink, cap):
    """Slots of a head's cache after `total` tokens, as the source position per slot (-1 = empty)."""
    slot = np.full(cap, -1)
    for t in range(total):
        slot[t if t < sink else sink + (t - sink) % (cap - sink)] = t
    return slot
