"""The formulas of papers 20 to 38 against each other and against numeric derivatives:

    python3 -m catalogue.selfcheck_20_38
"""
import math

import numpy as np
from .shared_20_38 import *
from .papers_20_29 import *
from .papers_30_38 import *


def _num_grad(f, x, do, eps=1e-6):
    g = np.zeros_like(x)
    for idx in np.ndindex(*x.shape):
        x0 = x[idx]
        x[idx] = x0 + eps; up = (f() * do).sum()
        x[idx] = x0 - eps; dn = (f() * do).sum()
        x[idx] = x0; g[idx] = (up - dn) / (2 * eps)
    return g


def _check():
    rng = np.random.default_rng(0)
    R = lambda *s: rng.standard_normal(s)
    eq = lambda a, b, t=1e-9: np.testing.assert_allclose(a, b, rtol=t, atol=t)

    def is_causal(f, n, axis=2, shapes=((2, 4, 12, 8), (2, 2, 12, 8), (2, 2, 12, 6))):
        """Changing the inputs from position n on must not change outputs before n."""
        xs = [R(*s) for s in shapes]
        ys = [x.copy() for x in xs]
        for y in ys:
            y[:, :, n:] += R(*y[:, :, n:].shape)
        eq(f(*xs)[:, :, :n], f(*ys)[:, :, :n])

    # 20 DuoAttention
    q, k, v = R(2, 4, 24, 8), R(2, 2, 24, 8), R(2, 2, 24, 6)
    eq(duoattention(q, k, v, [True, True], 2, 4), sdpa(q, k, v, causal(24)))
    eq(duoattention(q, k, v, [False, False], 2, 24), sdpa(q, k, v, causal(24)))
    mix = duoattention(q, k, v, [True, False], 2, 4)
    eq(mix[:, :2], sdpa(q, k, v, causal(24))[:, :2])
    is_causal(lambda a, b, c: duoattention(a, b, c, [True, False], 2, 3), 7)
    bm = duoattention_block_mask(24, 24, 1, 2, 4)
    i, j = np.indices((24, 24))
    assert (bm == ((j <= i) & ((j // 4 < 1) | (i // 4 - j // 4 < 2)))).all()
    assert (duoattention_block_mask(8, 24, 1, 2, 4) == bm[16:]).all()
    s, w = 3, 5                                        # decode: sink + recent cached tokens + the new one
    kc, vc = k[:, :, :0], v[:, :, :0]
    for t in range(24):
        o, kc, vc = duoattention_cache_step(q[:, :, t:t + 1], k[:, :, t:t + 1], v[:, :, t:t + 1], kc, vc, s, w)
        eq(o, duoattention(q[:, :, t:t + 1], k[:, :, :t + 1], v[:, :, :t + 1], [False] * 2, s, w + 1))
        assert kc.shape[2] <= s + w
    o_f, o_s = R(1, 4, 3, 2), R(1, 4, 3, 2)
    eq(duoattention_gate(o_f, o_s, np.ones(4) * 2)[0], o_f)

    # 21, 23, 33 instruments
    q, k, v, wo = R(2, 3, 7, 4), R(2, 3, 7, 4), R(2, 3, 7, 4), R(3, 4, 10)
    res, a = circuit_analysis_chinchilla(q, k, v, wo, causal(7))
    eq(res.sum(1), np.einsum("bhnd,hdm->bnm", sdpa(q, k, v, causal(7)), wo))
    full = {n: (R(3, 4), np.stack([np.linalg.qr(R(4, 4))[0] for _ in range(3)])) for n in "qkv"}
    eq(circuit_analysis_chinchilla(q, k, v, wo, causal(7), full)[0], res)
    z = circuit_component_reuse(q, k, v, causal(7))
    where = np.zeros((2, 3, 7), bool); where[:, 1, -1] = True
    z2 = circuit_component_reuse(q, k, v, causal(7), z_patch=np.zeros_like(z), z_where=where)
    assert (z2[:, 1, -1] == 0).all(); eq(z2[:, [0, 2]], z[:, [0, 2]])
    pat = np.zeros((2, 3, 7, 7)); pat[..., 3] = 1.0
    eq(circuit_component_reuse(q, k, v, causal(7), pattern=pat, pattern_where=where)[:, 1, -1], v[:, 1, 3])
    x = R(8, 5, 6); x[:4, 2] += 50 * np.eye(6)[0]; x[4:, 2] -= 50 * np.eye(6)[0]
    codes, only = sae_circuit_identification(x, np.concatenate([np.eye(6), -np.eye(6)]), np.zeros(12), np.zeros(6))
    assert only[2] == 1 and codes.shape == (8, 5)

    # 22 DSF
    q, k, v = R(2, 3, 9, 4), R(2, 3, 9, 4), R(2, 3, 9, 5)
    f = lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    num = dynamical_systems_framework(np.ones((2, 3, 9)), f(k), v, f(q))
    den = dynamical_systems_framework(np.ones((2, 3, 9)), f(k), np.ones((2, 3, 9, 1)), f(q))
    eq(num / den, dynamical_systems_framework_linear(q, k, v))
    n = R(2, 3, 9)
    lam = np.exp(np.concatenate([np.zeros((2, 3, 1)), n[:, :, :-1]], 2) - n)     # eta_{i-1} / eta_i
    eq(dynamical_systems_framework(lam, k / np.exp(n)[..., None], v, q),
       dynamical_systems_framework_normalised(q, k, v, n))
    eq(dynamical_systems_framework(np.full((2, 3, 9), np.exp(-0.3)), k, v, q),
       lightning_attention_2(q, k, v, np.full(3, 0.3)))
    g = [R(2, 6, 4) for _ in range(4)]
    eq(dynamical_systems_framework_qlstm(-g[0], *g[1:], 1.0, True), dynamical_systems_framework_qlstm(*g, 1.0, False))

    # 24 Combiner
    q, k, v = R(2, 2, 16, 4), R(2, 2, 16, 4), R(2, 2, 16, 3)
    eq(combiner(q, k, v, 16), sdpa(q, k, v, causal(16)))
    eq(combiner(q, k, v, 16, False), sdpa(q, k, v))
    eq(combiner(q, k, v, 1), sdpa(q, k, v, causal(16)))            # blocks of one token: abstraction = token
    eq(combiner(q, k, v, 1, False), sdpa(q, k, v))
    is_causal(lambda a, b, c: combiner(a, b, c, 4), 6, shapes=((1, 2, 16, 4),) * 3)
    is_causal(combiner_logsparse, 6, shapes=((1, 2, 16, 4),) * 3)
    is_causal(lambda a, b, c: combiner_axial_rowmajor(a, b, c, 4), 8, shapes=((1, 2, 16, 4),) * 3)
    eq(combiner_logsparse(q[:, :, :2], k[:, :, :2], v[:, :, :2]), sdpa(q[:, :, :2], k[:, :, :2], v[:, :, :2], causal(2)))
    eq(combiner_axial_rowmajor(q, k, v, 16), sdpa(q, k, v, causal(16)))
    one = np.ones_like(v)
    for y in (combiner(q, k, one, 4), combiner(q, k, one, 4, False), combiner_logsparse(q, k, one),
              combiner_axial_rowmajor(q, k, one, 4)):
        eq(y, one)                                                 # effective weights sum to one
    for i in range(64):                                            # the log blocks tile [0, i) exactly
        cov = sorted((t for l in range(7) if (i >> l) & 1 for t in range(((i >> l) - 1) << l, (i >> l) << l)))
        assert cov == list(range(i))

    # 25 SpectFormer
    for hh, ww in ((6, 8), (5, 7)):
        x, w = R(2, hh * ww, 3), R(hh, ww // 2 + 1, 3) + 1j * R(hh, ww // 2 + 1, 3)
        eq(spectformer(x, w, hh, ww), spectformer_direct(x, w, hh, ww))
        eq(spectformer(x, np.ones_like(w), hh, ww), x)

    # 26 MambaOut
    C, hid, cc = 6, 16, 6
    p = dict(ln_g=R(C), ln_b=R(C), w1=R(2 * hid, C), b1=R(2 * hid), conv_w=np.zeros((cc, 7, 7)), conv_b=np.zeros(cc),
             w2=R(C, hid), b2=R(C))
    p["conv_w"][:, 3, 3] = 1.0                                     # identity kernel -> a plain gated linear unit
    x = R(2, 5, 4, C)
    y = layer_norm(x, p["ln_g"], p["ln_b"], 1e-6) @ p["w1"].T + p["b1"]
    eq(mambaout(x, p), (gelu(y[..., :hid]) * y[..., hid:]) @ p["w2"].T + p["b2"] + x)

    # 27 OAT, 31 Pointer networks
    enc, dec = R(5, 8), R(3, 8)
    lg = oat(enc, dec, R(2, 8, 8), R(2, 8), R(2, 8, 8), R(2, 8), R(2), 0.7, 512)
    assert lg.shape == (3, 6); eq(lg[:, -1], np.full(3, 0.7))
    eye = np.eye(8)[None]
    eq(oat(enc, dec, eye, np.zeros((1, 8)), eye, np.zeros((1, 8)), None, None, 8)[:, :5], dec @ enc.T / math.sqrt(8))
    pr, u = pointer_networks(R(2, 5, 4), R(2, 3, 4), R(6, 4), R(6, 4), R(6), np.array([1, 1, 0, 1, 1], bool))
    eq(pr.sum(-1), np.ones((2, 3))); assert (pr[..., 2] == 0).all() and u.shape == (2, 3, 5)

    # 28 Lightning Attention-2
    q, k, v, sl = R(2, 3, 22, 4), R(2, 3, 22, 4), R(2, 3, 22, 5), np.array([0.0, 0.1, 0.9])
    ref = lightning_attention_2(q, k, v, sl)
    for blk in (1, 4, 8, 64):
        o, st = lightning_attention_2_chunked(q, k, v, sl, blk); eq(o, ref)
    o1, st1 = lightning_attention_2_chunked(q[:, :, :13], k[:, :, :13], v[:, :, :13], sl, 8)
    o2, st2 = lightning_attention_2_chunked(q[:, :, 13:], k[:, :, 13:], v[:, :, 13:], sl, 8, st1)
    eq(np.concatenate([o1, o2], 2), ref); eq(st2, st)
    kv = np.zeros((2, 3, 4, 5))
    for t in range(22):
        o, kv = lightning_attention_2_decode(q[:, :, t], k[:, :, t], v[:, :, t], sl, kv); eq(o, ref[:, :, t])
    eq(kv, st)
    eq(ref[:, 0], np.tril(q[:, 0] @ T(k[:, 0])) @ v[:, 0])
    a, b, c, do = R(1, 2, 4, 3), R(1, 2, 4, 3), R(1, 2, 4, 2), R(1, 2, 4, 2)
    fn = lambda: lightning_attention_2(a, b, c, sl[:2] + 0.2)
    for got, x in zip(lightning_attention_2_backward(a, b, c, sl[:2] + 0.2, do), (a, b, c)):
        eq(got, _num_grad(fn, x, do), 1e-6)

    # 29 LAMA
    h, P, Q = R(2, 6, 5), R(5, 3), R(5, 3)
    mk = np.array([[1, 1, 1, 1, 0, 0], [1] * 6])
    s1, w1 = low_rank_compact_mhsa(h, P, Q, None, mk)
    eq(w1.sum(-1), np.ones((2, 3))); assert (w1[0, :, 4:] == 0).all()
    eq(low_rank_compact_mhsa(h[:1, :4], P, Q)[0], s1[:1])          # padding does not change the result

    # 30 VAR
    sc, v = np.where(causal(10), R(1, 4, 10, 10), -np.inf), R(1, 4, 10, 3)
    a = masked_softmax(sc)
    sk = np.zeros(10, bool); sk[[0, 3]] = True
    o, a2 = visual_attention_sink_var(a, v, sk, 2, 4, 6, rho=0.9, summ=0.05)
    eq(a2.sum(-1), a.sum(-1)); eq(a2[:, :, :6], a[:, :, :6])
    eq(visual_attention_sink_var_grouped(sc, v, sk, 2, 4, 6, rho=0.9, summ=0.05), o)
    eq(visual_attention_sink_var_grouped(sc, v, sk, 2, 4, 6), visual_attention_sink_var(a, v, sk, 2, 4, 6)[0])
    assert (a2[..., [0, 3]] <= a[..., [0, 3]] + 1e-12).all() and not np.allclose(a2, a)
    eq(visual_attention_sink_var(a, v, sk, 2, 4, 6, rho=0.9, summ=0.05, p=1.0)[1], a)
    eq(visual_attention_sink_var(a, v, np.zeros(10, bool), 2, 4, 6)[0], a @ v)
    hs = R(10, 16); hs[4, 3] = 1e3
    assert (visual_attention_sink_var_sinks(hs, [3, 7], tau=3.9) == (np.arange(10) == 4)).all()

    # 32 DyVTE: dropping tokens == masking their columns, for the rows that stay
    q, k, v = R(1, 2, 12, 4), R(1, 2, 12, 4), R(1, 2, 12, 3)
    m = causal(12).copy(); m[:, 2:7] = False
    (qd, keep), (kd, _), (vd, _) = (dynamic_visual_token_exit_drop(x, 2, 5, 2) for x in (q, k, v))
    eq(sdpa(qd, kd, vd, causal(7)), sdpa(q, k, v, m)[:, :, keep])
    hs, g1, g2 = R(12, 6), R(8, 12), R(2, 8)
    zz, ex = dynamic_visual_token_exit(hs, 2, 5, g1, g2)
    want = g2 @ gelu(g1 @ np.concatenate([(hs[7] + hs[8] + hs[9] + hs[10]) / 4, hs[11]]))
    eq(zz, want); assert ex == (want[1] > want[0])

    # 34 BAM: experts fold into heads; shared KV is grouped-query attention with group size E
    E, H, D, dm, N = 3, 2, 4, 8, 6
    x, wr, wq, wo = R(N, dm), R(dm, E), R(E, dm, H * D), R(E, H * D, dm)
    wk, wv = R(1, dm, H * D), R(1, dm, H * D)
    g = masked_softmax(x @ wr)
    hd = lambda w: (x @ w).reshape(N, H, D).transpose(1, 0, 2)
    qg = np.stack([hd(wq[e]) for e in range(E)], 1).reshape(1, H * E, N, D)      # head-major, expert-minor
    z = sdpa(qg, hd(wk[0])[None], hd(wv[0])[None], causal(N))[0].reshape(H, E, N, D)
    folded = np.einsum("ne,hend,ehdm->nm", g, z, wo.reshape(E, H, D, dm))
    eq(bam(x, wr, wq, wk, wv, wo, H), folded)
    eq(bam(x, np.zeros((dm, 1)), wq[:1], wk, wv, wo[:1], H),
       sdpa(hd(wq[0])[None], hd(wk[0])[None], hd(wv[0])[None], causal(N))[0].transpose(1, 0, 2).reshape(N, -1) @ wo[0])

    # 35 Sparsifiner
    q, k, v = R(2, 2, 9, 4), R(2, 2, 9, 4), R(2, 2, 9, 4)
    mk = sparsifiner_mask(q, k, R(2, 4), R(2), R(2, 4), R(2), R(9, 3), R(9, 3), 0.5, 2)
    assert mk[:, :, 0].all() and (mk[:, :, 1:].sum(-1) == 5).all()
    full = sparsifiner_mask(q, k, R(2, 4), R(2), R(2, 4), R(2), R(9, 3), R(9, 3), 1.0)
    eq(sparsifiner(q, k, v, full), sdpa(q, k, v))

    # 36 LASP-2
    q, k, v, do = R(1, 2, 12, 3), R(1, 2, 12, 3), R(1, 2, 12, 4), R(1, 2, 12, 4)
    ref = np.tril(q @ T(k)) @ v
    for w in (1, 2, 3, 4):
        eq(lasp_2(q, k, v, w), ref); eq(lasp_2(q, k, v, w, False), q @ T(k) @ v)
        eq(lasp_2_hybrid_softmax(q, k, v, w), sdpa(q, k, v, causal(12)))
        for got, want in zip(lasp_2_backward(q, k, v, do, w), lightning_attention_2_backward(q, k, v, np.zeros(2), do)):
            eq(got, want)

    # 37 ACMIL
    x, A, K = R(20, 6), 5, 3
    ps = (R(A, 6), R(A), R(A, 6), R(A), R(K, A), R(K))
    br, bag, p = acmil(x, *ps)
    eq(br.mean(0, keepdims=True), bag); eq(p.sum(1), np.ones(K))
    lo = ((np.tanh(x @ ps[0].T + ps[1]) * sigmoid(x @ ps[2].T + ps[3])) @ ps[4].T + ps[5]).T
    dr = acmil_stkim(lo, 10, 0.6, rng.random((K, 10)))
    assert (dr.sum(1) == 6).all()
    assert all(set(np.flatnonzero(dr[i])) <= set(np.argsort(-lo[i])[:10]) for i in range(K))
    assert (acmil(x, *ps, dr)[2][dr] == 0).all()
    eq(acmil_diversity(np.ones((3, 4))), 1.0)

    # 38 HiP
    q, k, v = R(1, 2, 40, 4), R(1, 1, 64, 4), R(1, 1, 64, 3)
    o, m = hip_attention(q, k, v, mask_k=64, bq=8, bk=2, sink=4, window=8)
    eq(o, sdpa(q, k, v, causal(40, 64)))                           # budget covers everything -> dense causal
    for pk in ("first", "center"):
        o, m = hip_attention(q, k, v, mask_k=16, bq=8, bk=2, sink=4, window=8, pick=pk)
        i, j = np.arange(40)[:, None] + 24, np.arange(64)[None]
        assert not (m & (j > i)).any()
        assert (m | ~((j <= i) & ((i - j < 8) | (j < 4)))).all()
        assert (m.sum(-1) <= 8 + 4 + 16).all() and m.sum() < causal(40, 64).sum() * 2
    k2 = np.zeros_like(k); k2[:, :, 20:22] = 50 * q[:, :1, -1:]    # a needle the search must find (same block)
    o, m = hip_attention(q, k2, v, mask_k=26, bq=1, bk=2, sink=4, window=8)
    assert m[0, 0, -1, 20] and m[0, 0, -1, 21]
    o, m = hip_attention(q[:, :, -1:], k, v, mask_k=16, bq=8, bk=2, sink=4, window=8)   # decode
    assert o.shape == (1, 2, 1, 3)
    print("all checks passed")


if __name__ == "__main__":
    _check()
