"""The formulas of papers 1 to 19 against each other and against numeric derivatives:

    python3 -m catalogue.selfcheck_01_19
"""
import math

import numpy as np
from .shared_01_19 import *
from .papers_01_10 import *
from .papers_11_19 import *


def _close(a, b, tol=1e-9):
    assert np.shape(a) == np.shape(b), (np.shape(a), np.shape(b))
    assert np.abs(np.asarray(a) - np.asarray(b)).max() < tol, np.abs(np.asarray(a) - np.asarray(b)).max()


def _numgrad(f, x, eps=1e-6):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        o = x[i]
        x[i] = o + eps
        a = f()
        x[i] = o - eps
        b = f()
        x[i] = o
        g[i] = (a - b) / (2 * eps)
    return g


def _is_causal(f, k, v, t):
    """Rows before t must not change when key/value rows from t on change."""
    a = f(k, v)
    k2, v2 = k.copy(), v.copy()
    k2[:, :, t:] += 1.0
    v2[:, :, t:] -= 2.0
    _close(a[:, :, :t], f(k2, v2)[:, :, :t])
    assert np.abs(a[:, :, t:] - f(k2, v2)[:, :, t:]).max() > 1e-6


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    R = lambda *s: rng.standard_normal(s)
    B, H, N, D = 2, 4, 12, 8
    q, k, v = R(B, H, N, D), R(B, H, N, D), R(B, H, N, D)

    # 1: all routed heads kept and equal gates -> plain attention; gates sum as defined; q-norm gates are 0/1
    _close(moh(q, k, v, np.ones((B, N, H)), causal(N)), sdpa(q, k, v, causal(N)))
    g = moh_gates_learned(R(B, N, 16), R(16, 3), R(16, 1 + 1), R(16, 2), 2)
    assert g.shape == (B, N, 5) and (g[..., 2:] > 0).sum(-1).max() == 2
    _close(moh_gates_learned(np.zeros((1, 1, 16)), R(16, 3), R(16, 2), R(16, 2), 3), np.ones((1, 1, 5)))
    gq = moh_gates_qnorm(q, 2, 1)
    assert set(np.unique(gq)) == {0.0, 1.0} and (gq.sum(-1) == 3).all()

    # 2: gate of ones equals concatenate-then-project; strengths sum to the attention paid to patches
    wo = R(H, D, 5)
    ref = np.swapaxes(sdpa(q, k, v), 1, 2).reshape(B, N, H * D) @ wo.reshape(H * D, 5)
    _close(vit_head_study(q, k, v, wo, np.ones(H)), ref)
    p = masked_softmax(R(B, H, 10, 10))
    _close(vit_khop_strength(p, 3).sum(-1), p[:, :, 1:, 1:].sum(-1).mean(-1))

    # 3: exact for every worker count, with a mask, and when a worker has no visible key
    for w in (1, 3, 5, 12):
        _close(distributed_mha(q, k, v, w, causal(N)), sdpa(q, k, v, causal(N)))

    # 4
    ids, out_ids = np.array([5, 7, 9, 7, 2]), np.array([7, 9])
    _close(retrieval_score(np.array([[1, 3], [2, 0]]), ids, out_ids, (1, 3)), np.array([1.0, 0.0]))
    om = retrieval_head(q, k, v, [True, False, False, False])
    _close(om[:, 0], np.cumsum(v[:, 0], 1) / np.arange(1, N + 1)[:, None])
    _close(om[:, 1:], sdpa(q, k, v, causal(N))[:, 1:])

    # 5: identity convolution and zero tables -> plain causal attention; memory rows; causality of conv + mask
    P, z = 32, lambda *s: np.zeros(s)
    ident = [(np.eye(1, 3, 2).repeat(D, 0), z(D))] * 3
    _close(rcmha(q, k, v, ident, z(2 * P, H, D), z(2 * P, H), z(H, D)), sdpa(q, k, v, causal(N)))
    conv = [(R(D, 3), R(D)) for _ in range(3)]
    tab = (R(2 * P, H, D), R(2 * P, H), R(H, D))
    _is_causal(lambda kk, vv: rcmha(q, kk, vv, conv, *tab), k, v, 7)
    _close(rcmha(q[:, :, 5:], k, v, [ident[0], conv[1], conv[2]], *tab), rcmha(q, k, v, [ident[0], conv[1], conv[2]], *tab)[:, :, 5:])

    # 6: permutation invariance in the keys, linear in V
    x0, x, W, V = R(3, 4), R(3, 6, 4), R(7, 5, 5), R(7, 5)
    f = random_feature_attention(x0, x, W, V)
    _close(f, random_feature_attention(x0, x[:, rng.permutation(6)], W, V))
    _close(2 * f, random_feature_attention(x0, x, W, 2 * V))

    # 7
    o = sdpa(q, k, v)
    dv_ = vhd(o[:, :, -1], np.zeros((B, H, D)))
    _close(vhr(o, dv_, 1.0, 2), o)
    assert (np.abs(vhr(o, dv_, 2.0, 2) / o - 1).max((2, 3)) > 0.5).sum() == 2 * B

    # 8: when the chosen chunks are the whole past the result is dense rotary attention; causal in any case
    n8, w8, C8 = 24, 4, 6
    q8, k8, v8 = R(1, 2, n8, D), R(1, 2, n8, D), R(1, 2, n8, D)
    dense = sdpa(rope(q8, np.arange(n8)), rope(k8, np.arange(n8)), v8, causal(n8))
    _close(longheads(q8, k8, v8, w8, C8, 20), dense)
    assert np.abs(longheads(q8, k8, v8, w8, 4, 20) - dense).max() > 1e-6
    _is_causal(lambda kk, vv: longheads(q8, kk, vv, w8, 4, 16), k8, v8, 21)

    # 9
    _close(imbalance_fix(q, k, v, np.zeros(N)), sdpa(q, k, v, causal(N)))
    _close(imbalance_fix(q, k, v, np.ones(N))[:, :, :-1], sdpa(q, k, v, causal(N))[:, :, :-1])
    s1, w1 = visual_token_sets(masked_softmax(R(3, 17, 17)), masked_softmax(4 * R(3, 17, 17)), 0.25, 0)
    assert not set(s1) & set(w1) and len(s1) <= 4

    # 10: chunk products equal the token recurrence; no momentum, chunk 1, c=1 is the gated delta rule; gradient check
    n = 11
    tq, tk, tv = R(n, D), R(n, D) / 3, R(n, D)
    th, et, al = rng.uniform(0.05, 0.3, n), rng.uniform(0.2, 0.9, n), rng.uniform(0.01, 0.2, n)
    M0 = R(D, D) / 4
    for ch in (1, 4, 11):
        _close(titans_memory(tq, tk, tv, th, et, al, [M0], ch), titans_linear_chunk(tq, tk, tv, th, et, al, M0, ch))
    M, y = M0.copy(), np.zeros((n, D))
    for t in range(n):
        M = (1 - al[t]) * M - th[t] * np.outer(tk[t], tk[t] @ M - tv[t])
        y[t] = tq[t] @ M
    _close(titans_memory(tq, tk, tv, th, z(n), al, [M0], 1, c=1.0), y)
    Wd = [R(D, 6) / 3, R(6, D) / 3]
    loss = lambda: ((mem_apply(Wd, tk[0]) - tv[0]) ** 2).sum()
    for wi, gi in zip(Wd, mem_grad(Wd, tk[0], tv[0], 2.0)):
        _close(_numgrad(loss, wi), gi, 1e-6)
    assert titans_memory(tq, tk, tv, th, et, al, Wd, 4).shape == (n, D)
    mm = titans_mac_mask(8, 4, 2)
    assert mm[:, :2].all() and not mm[4, 2:6].any() and mm[5, 6] and not mm[5, 8]

    # 11: the scan equals the definition; last row equals ordinary one-query attention
    qh = R(H, D)
    _close(aaren(qh, k, v), aaren_scan(qh, k, v))
    _close(aaren(qh, k, v)[:, :, -1], sdpa(np.broadcast_to(qh[None, :, None], (B, H, 1, D)), k, v)[:, :, 0])
    _is_causal(lambda kk, vv: aaren(qh, kk, vv), k, v, 6)

    # 12: tile form, row sums of 1, one block -> plain causal attention, top_k >= blocks changes nothing, backward
    blk = 4
    _close(landmark_attention(q, k, v, blk), landmark_online(q, k, v, blk))
    lw = landmark_weights(q @ T(k) * D ** -0.5, blk)
    _close(lw.sum(-1), np.ones((B, H, N)))
    assert np.abs(lw[..., blk - 1::blk]).max() == 0.0
    m1 = causal(N)
    m1[:, N - 1] = False
    _close(landmark_attention(q, k, v, N), sdpa(q, k, v, m1))
    _close(landmark_attention(q, k, v, blk, 3), landmark_attention(q, k, v, blk))
    _close(landmark_attention(q[:, :, 8:], k, v, blk, 1), landmark_attention(q, k, v, blk, 1)[:, :, 8:])
    sc, dw = R(1, 1, N, N), R(1, 1, N, N)
    num = _numgrad(lambda: (landmark_weights(sc, blk) * dw).sum(), sc)
    _close(num, landmark_score_grad(sc, dw, blk), 1e-6)

    # 13
    _close(lightnet(q, k, v), lightnet_recurrent(q, k, v))
    _close(lightnet(q, k, v, init_lse=0.0), lightnet_recurrent(q, k, v, 0.0))
    _close(lightnet(q, k, v, False), q @ (T(masked_softmax(T(k)).swapaxes(-1, -2)) @ v))
    _close(lightnet(q, k, v)[:, :, -1], lightnet(q, k, v, False)[:, :, -1])
    _is_causal(lambda kk, vv: lightnet(q, kk, vv), k, v, 5)
    pos = np.stack(np.divmod(np.arange(N), 4), -1).astype(float)
    a, b = md_lrpe(q, pos), md_lrpe(k, pos)
    _close(a @ T(b), md_lrpe(q, pos + 3.0) @ T(md_lrpe(k, pos + 3.0)))     # only relative offsets matter
    xt, ldc, qk = R(B, N, H, D), -rng.uniform(0.1, 1, H), R(H)
    dd = np.arange(N)[:, None] - np.arange(N)[None]
    wt = np.where(dd >= 0, np.exp(ldc[:, None, None] * np.maximum(dd, 0)), 0) * qk[:, None, None]
    _close(tpe(xt, qk, ldc, 1), np.einsum("hij,bjhe->bihe", wt, xt))

    # 14: one cluster holding everything is dense attention on normalised q (up to the 1/(1+0.01) average)
    ln = lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    means = R(H, 3, D)
    full = sdpa(ln(q), ln(q), v, causal(N), 1.0)
    _close(routing_attention(q, v, means[:, :1], N) * 1.01, full)
    rq = routing_attention(q, v, means, 5)
    _close(routing_attention(q, v, means, 5, is_causal=False, k=q), routing_attention(q, v, means, 5, is_causal=False))
    v2 = v.copy()
    v2[:, :, 9:] += 1
    _close(rq[:, :, :9], routing_attention(q, v2, means, 5)[:, :, :9])     # same q, later values cannot leak back

    # 15: rows still sum to 1; untouched heads and beta = 1 change nothing; the two-accumulator form agrees
    hs = np.array([True, False, True, False])
    oa, pa = act_calibration(q, k, v, hs)
    _close(pa.sum(-1), np.ones((B, H, N)))
    base = masked_softmax(q @ T(k) * D ** -0.5, causal(N))
    _close(pa[:, 1], base[:, 1])
    _close(act_calibration(q, k, v, hs, beta=1.0)[1], base)
    sink = np.zeros((B, H, N), bool)
    for bb, hh in np.ndindex(B, H):
        if hs[hh]:
            sink[bb, hh, np.flatnonzero(base[bb, hh].sum(0) / np.arange(N, 0, -1) > 0.1)[1:]] = True
    assert sink.any() and not sink[:, :, 0].any()
    _close(act_two_accumulators(q, k, v, sink, 0.4), oa)

    # 16: chunk form (ragged), split at any point through the state, causality, gradients, no decay = plain linear attention
    sl = lightning_slopes(H, 1, 4)
    ol, st = lightning_chunk(q, k, v, sl, 5)
    _close(ol, lightning_attention(q, k, v, sl))
    o1, s1_ = lightning_chunk(q[:, :, :7], k[:, :, :7], v[:, :, :7], sl, 4)
    o2, s2_ = lightning_chunk(q[:, :, 7:], k[:, :, 7:], v[:, :, 7:], sl, 4, s1_)
    _close(np.concatenate([o1, o2], 2), ol)
    _close(s2_, st)
    _close(lightning_attention(q, k, v, np.zeros(H))[:, :, -1:], q[:, :, -1:] @ (T(k) @ v))
    _is_causal(lambda kk, vv: lightning_attention(q, kk, vv, sl), k, v, 8)
    do = R(B, H, N, D)
    for x_, gx in zip((q, k, v), lightning_backward(q, k, v, sl, do, 5)):
        _close(_numgrad(lambda: (lightning_attention(q, k, v, sl) * do).sum(), x_), gx, 1e-6)
    u = R(B, N, 6)
    _close((tnl_output(u, np.ones_like(u)) ** 2).mean(-1), np.ones((B, N)), 1e-4)

    # 17: no prompts -> plain attention per lane; lanes do not mix
    x17, sel = R(B, N, 6), R(3, B, 2, 6)
    sm = multi_lane_summary(x17, sel)
    _close(sm[1:2], multi_lane_summary(x17, sel[1:2]))
    ql, kl, vl = R(3, B, H, 5, D), R(3, B, H, 5, D), R(3, B, H, 5, D)
    _close(multi_lane_attention(ql, kl, vl, z(3, H, 0, D), z(3, H, 0, D))[2], sdpa(ql[2], kl[2], vl[2]))

    w17, cls = [R(6, 6) for _ in range(3)], R(3, B, 1, 6)
    pk, pv = R(3, 2, 4, 3), R(3, 2, 4, 3)
    one = multi_lane(x17, cls, sel, w17, 2, pk, pv)
    assert one.shape == (3, B, 3, 6)
    _close(one[1:2], multi_lane(x17, cls[1:2], sel[1:2], w17, 2, pk[1:2], pv[1:2]))

    # 18: large c -> uniform weights 1/n; heads are independent runs of the axis
    xg = R(3, 10, 4)
    _close(gaam(xg, z(1, 2), np.full((1, 2), 1e3), 1, 1), xg / 10, 1e-5)
    _close(gaam(xg, z(2, 3), np.full((2, 3), 2.0), 1, 2)[:, :5], gaam(xg[:, :5], z(1, 3), np.full((1, 3), 2.0), 1, 1))

    # 19: enough local blocks -> dense causal; decode equals the last prefill row when block = 1; ring content
    _close(moa(q, k, v, [0] * H, [3] * H, 4), sdpa(q, k, v, causal(N)))
    _close(moa(q, k, v, [2, 2, 1, 1], [3, 4, 5, 6], 1)[:, :, -1:], moa_decode(q[:, :, -1:], k, v, [2, 2, 1, 1], [3, 4, 5, 6]))
    assert moa_span(1024, 0.0, 9000) == (1024, 64, 960) and moa_span(-1024, 0.5, 8192) == (3072, 64, 3008)
    assert moa_span(0, 0.001, 4096)[0] == 128 and sorted(moa_ring(20, 2, 7)) == [0, 1, 15, 16, 17, 18, 19]
    _is_causal(lambda kk, vv: moa(q, kk, vv, [1] * H, [1] * H, 4), k, v, 6)
    print("papers 1-19: all checks passed")
