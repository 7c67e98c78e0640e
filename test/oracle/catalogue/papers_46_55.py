"""Formulas of papers 46 to 55, by definition, in float64."""
import itertools
import math
import statistics

import numpy as np
from .shared_39_55 import *
from .papers_39_39 import *
from .papers_40_45 import *


# ---------------------------------------------------------------- 46 HaloNet
def halonet(q, k, v, rel_h, rel_w, block, halo, mask_padding=False):
    """q,k,v [B,H,Y,X,D]; rel_* [2*win-1, D], win=block+2*halo. Zero-padded keys take part unless masked."""
    b, h, Y, X, d = q.shape
    win, sc = block + 2 * halo, d ** -0.5
    pad = ((0, 0), (0, 0), (halo, halo), (halo, halo), (0, 0))
    kp, vp, real = np.pad(k, pad), np.pad(v, pad), np.pad(np.ones((Y, X), bool), halo)
    out = np.zeros(q.shape[:4] + (v.shape[-1],))
    rel = np.arange(win)[None] - np.arange(block)[:, None] + win - 1  # [block, win] table row
    for y0, x0 in itertools.product(range(0, Y, block), range(0, X, block)):
        qb = q[:, :, y0:y0 + block, x0:x0 + block]
        kb, vb = (t[:, :, y0:y0 + win, x0:x0 + win] for t in (kp, vp))
        s = sc * np.einsum("bhyxd,bhuwd->bhyxuw", qb, kb)
        s = s + np.einsum("bhyxd,yud->bhyxu", qb, rel_h[rel])[..., None]
        s = s + np.einsum("bhyxd,xwd->bhyxw", qb, rel_w[rel])[..., None, :]
        s = s.reshape(b, h, block, block, win * win)
        keep = real[y0:y0 + win, x0:x0 + win].reshape(-1) if mask_padding else np.ones(win * win, bool)
        p = softmax(s, np.broadcast_to(keep, s.shape))
        out[:, :, y0:y0 + block, x0:x0 + block] = np.einsum("bhyxn,bhnd->bhyxd", p, vb.reshape(b, h, -1, vb.shape[-1]))
    return out


# ---------------------------------------------------------------- 47 S2-Attention
def s2_attention_pattern(heads, q_blocks, kv_blocks, local_blocks, stride, kv_heads=None,
                         dense_heads=0, offset=0, q_start=0):
    """Boolean [heads, q_blocks, kv_blocks], causal at block level; blocks are absolute."""
    kv_heads = kv_heads or heads
    step = max(1, stride // heads)
    qb, kb = q_start + np.arange(q_blocks)[:, None], np.arange(kv_blocks)[None]
    pats = []
    for g in range(kv_heads):
        far = (kb + g * step + offset) % stride == 0 if g < kv_heads - dense_heads else kb >= 0
        pats.append((kb <= qb) & ((qb - kb < local_blocks) | far))
    return np.repeat(np.stack(pats), heads // kv_heads, 0)


def s2_attention(q, k, v, pattern, block):
    """pattern [H, ceil(N/block), ceil(M/block)]; token-causal inside kept blocks; returns out and LSE."""
    k, v = expand_kv(k, q.shape[1]), expand_kv(v, q.shape[1])
    n, m = q.shape[2], k.shape[2]
    keep = np.kron(pattern, np.ones((block, block), bool))[:, :n, :m] & causal_keep(n, m)
    s = np.where(keep[None], q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), -np.inf)
    return softmax(s) @ v, logsumexp(s)


def s2_attention_csr(q, k, v, pattern, block):
    """Same, walking the per-head CSR list of kept blocks with an online softmax (M = N)."""
    b, h, n, d = q.shape
    out = np.zeros(q.shape[:3] + v.shape[-1:])
    for hh in range(h):
        indptr = np.concatenate([[0], np.cumsum(pattern[hh].sum(1))])
        cols = np.nonzero(pattern[hh])[1]
        for i in range(pattern.shape[1]):
            qi = np.arange(i * block, min(n, (i + 1) * block))
            mx, den, acc = np.full((b, len(qi)), -np.inf), 0.0, 0.0
            for c in cols[indptr[i]:indptr[i + 1]]:
                kj = np.arange(c * block, min(n, (c + 1) * block))
                s = q[:, hh, qi] @ k[:, hh, kj].swapaxes(-1, -2) / math.sqrt(d)
                if c == i:                                          # only the diagonal block needs a mask
                    s = np.where(kj[None] <= qi[:, None], s, -np.inf)
                nm = np.maximum(mx, s.max(-1))
                e, al = np.exp(s - nm[..., None]), np.exp(mx - nm)
                den, acc, mx = den * al + e.sum(-1), acc * al[..., None] + e @ v[:, hh, kj], nm
            out[:, hh, qi] = acc / den[..., None]
    return out


# ---------------------------------------------------------------- 48 Successor heads
def successor_heads(emb, w_v, w_o, unemb, succ):
    """emb [T,E] = MLP_0(W_E) rows of T ordered tokens; w_v [H,E,Dv], w_o [H,Dv,E]; unemb [E,V] restricted
    to candidate tokens; succ [T] index of each token's successor. -> succession score per head."""
    logits = np.einsum("te,hed,hdf,fv->htv", emb, w_v, w_o, unemb)
    return (logits.argmax(-1) == succ[None]).mean(-1)


def successor_heads_per_head(q, k, v, w_o, head_scale, causal=True):
    """Attention whose head outputs are exported and scaled (0 = ablated) before W_O [H,Dv,E]."""
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    keep = np.broadcast_to(causal_keep(*s.shape[-2:]), s.shape) if causal else None
    z = softmax(s, keep) @ v * np.asarray(head_scale)[None, :, None, None]
    per_head = np.einsum("bhnd,hde->bhne", z, w_o)
    return per_head.sum(1), per_head


# ---------------------------------------------------------------- 49 Kronecker attention
def kronecker_attention(q, k1, k2, v1, v2, scale=None):
    """q [N,D], k1,v1 [M1,D], k2,v2 [M2,D]: softmax over all key pairs; value of (a,b) = v1[a]*v2[b]."""
    scale = 1.0 / q.shape[1] if scale is None else scale
    s = scale * np.einsum("nd,ad,bd->nab", q, k1, k2)
    p = softmax(s.reshape(len(q), -1)).reshape(s.shape)
    return np.einsum("nab,ae,be->ne", p, v1, v2)


def kronecker_attention_stream(q, k1, k2, v1, v2, scale=None):
    """For each a: ordinary attention with query q*k1[a], its output scaled by v1[a]; merged by LSE."""
    scale = 1.0 / q.shape[1] if scale is None else scale
    parts = []
    for a in range(len(k1)):
        s = scale * (q * k1[a]) @ k2.T
        parts.append(((softmax(s) @ v2) * v1[a], logsumexp(s)))
    return merge_partials(parts)[0]


def kronecker_attention_poly(q, k1, k2, v1, v2, degree, scale=None):
    """exp -> Taylor polynomial; the state is the elementwise product of two linear-attention states."""
    d = q.shape[1]
    scale = 1.0 / d if scale is None else scale
    num = den = 0.0
    for t in range(degree + 1):
        for idx in itertools.combinations_with_replacement(range(d), t):
            cnt = np.bincount(np.array(idx, int), minlength=d)
            coef = scale ** t / np.prod([math.factorial(c) for c in cnt])
            f = lambda x: np.prod(x ** cnt, axis=1)
            fq, f1, f2 = f(q), f(k1), f(k2)
            num = num + coef * np.outer(fq, (f1 @ v1) * (f2 @ v2))
            den = den + coef * fq * f1.sum() * f2.sum()
    return num / den[:, None]


# ---------------------------------------------------------------- 50 Sentence attention block
def sentence_attention_block(x, t, w1, b1, gamma, beta, w2, b2, gate="softmax"):
    """x [B,C,h,w] image features, t [B,T] sentence embedding; channel gate from the text only."""
    z = np.maximum(layer_norm(t @ w1.T + b1, gamma, beta), 0) @ w2.T + b2
    g = softmax(z) if gate == "softmax" else sigmoid(z)
    return x * g[:, :, None, None]


# ---------------------------------------------------------------- 51 Ring self-attention
def ring_self_attention(q, k, v, devices, scale=None):
    """Two ring passes: keys fill a full score strip, softmax once, then values accumulate."""
    b, h, n, d = q.shape
    c, scale = n // devices, 1 / math.sqrt(d) if scale is None else scale
    part = lambda x, r: x[:, :, r * c:(r + 1) * c]
    out = np.zeros(q.shape[:3] + v.shape[-1:])
    for r in range(devices):
        score = np.empty((b, h, c, n))
        for step in range(devices):
            src = (r - step) % devices                              # block held after `step` hops
            score[..., src * c:(src + 1) * c] = part(q, r) @ part(k, src).swapaxes(-1, -2) * scale
        p = softmax(score)
        for step in range(devices):
            src = (r - step) % devices
            out[:, :, r * c:(r + 1) * c] += p[..., src * c:(src + 1) * c] @ part(v, src)
    return out


def ring_self_attention_online(q, k, v, devices, scale=None):
    """One ring pass moving k and v together, partial outputs merged by LSE (no score strip)."""
    b, h, n, d = q.shape
    c, scale = n // devices, 1 / math.sqrt(d) if scale is None else scale
    part = lambda x, r: x[:, :, r * c:(r + 1) * c]
    outs = []
    for r in range(devices):
        parts = []
        for step in range(devices):
            src = (r - step) % devices
            s = part(q, r) @ part(k, src).swapaxes(-1, -2) * scale
            parts.append((softmax(s) @ part(v, src), logsumexp(s)))
        outs.append(merge_partials(parts)[0])
    return np.concatenate(outs, 2)


# ---------------------------------------------------------------- 52 gCOG
def gcog_latent_cross(latents, k, v, causal=False):
    """Cross-attention with few latent queries [B,H,L,D] (L = 1 or 10) over one modality's tokens."""
    return cab_vanilla(latents, k, v, causal=causal)


# ---------------------------------------------------------------- 53 SeqDialN
def seqdialn_coattention(qt, vt, wq, wv, n_q, n_v):
    """qt [B,N+K,E], vt [B,M+K,E] already hold K 'nowhere' slots; wq,wv [G,E/G,E]. Softmax over both axes
    of one affinity matrix, averaged over the G sub-maps; slots are attended but produce no row."""
    g = wq.shape[0]
    a = np.einsum("gde,bme->bgmd", wv, vt) @ np.einsum("gde,bne->bgdn", wq, qt)
    a = a / math.sqrt(g)                                            # sqrt(#maps), not sqrt(dim)
    to_q = softmax(a).mean(1)[:, :n_v]                              # regions -> words
    to_v = softmax(a.swapaxes(-1, -2)).mean(1)[:, :n_q]             # words -> regions
    return to_q @ qt, to_v @ vt


def seqdialn_dual(qy, ky, vy, kx, vx):
    """Question row t attends history rounds j<=t AND its own key: one softmax over t+2 logits."""
    d, n = qy.shape[-1], qy.shape[2]
    s_hist = qy @ kx.swapaxes(-1, -2)
    s_self = qy @ ky.swapaxes(-1, -2)
    s = np.concatenate([s_hist, s_self], -1) / math.sqrt(d)
    keep = np.concatenate([causal_keep(n, n), np.eye(n, dtype=bool)], -1)
    return softmax(s, np.broadcast_to(keep, s.shape)) @ np.concatenate([vx, vy], 2)


# ---------------------------------------------------------------- 54 Agent attention
def agent_attention(q, a, k, v, bias1=0.0, bias2=0.0, dwc=None, dwc_bias=None, hw=None, scale2=None):
    """a [B,H,R,D] agents. bias1 [H,R,M], bias2 [H,N,R]. dwc [H*Dv,3,3], dwc_bias [H*Dv]: depthwise conv of v on the hw grid."""
    sc = q.shape[-1] ** -0.5
    va = softmax(sc * (a @ k.swapaxes(-1, -2)) + bias1) @ v
    out = softmax((sc if scale2 is None else scale2) * (q @ a.swapaxes(-1, -2)) + bias2) @ va
    if dwc is not None:
        b, h, n, dv = v.shape
        img = v.swapaxes(-1, -2).reshape(b, h * dv, *hw)
        img = np.pad(img, ((0, 0), (0, 0), (1, 1), (1, 1)))
        y = sum(dwc[None, :, i, j, None, None] * img[:, :, i:i + hw[0], j:j + hw[1]]
                for i in range(3) for j in range(3))
        y = y if dwc_bias is None else y + dwc_bias[None, :, None, None]
        out = out + y.reshape(b, h, dv, n).swapaxes(-1, -2)
    return out


def agent_attention_pool(q, hw, side):
    """Agents = adaptive average pool of q to side x side (bins floor(i*H/side) .. ceil((i+1)*H/side))."""
    b, h, n, d = q.shape
    x = q.reshape(b, h, *hw, d)
    cut = lambda i, s: slice(i * s // side, -(-(i + 1) * s // side))
    return np.stack([x[:, :, cut(i, hw[0]), cut(j, hw[1])].mean((2, 3))
                     for i in range(side) for j in range(side)], 2)


# ---------------------------------------------------------------- 55 MVP
def mvp(first_prob, answer, margin):
    """Paths flattened over views: first-token probability, answer id, top1-top2 margin at the answer."""
    score = np.zeros(answer.max() + 1)
    np.add.at(score, answer, first_prob * margin)
    return score
