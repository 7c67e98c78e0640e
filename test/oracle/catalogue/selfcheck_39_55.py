"""The formulas of papers 39 to 55 against each other and against numeric derivatives:

    python3 -m catalogue.selfcheck_39_55
"""
import itertools
import math
import statistics

import numpy as np
from .shared_39_55 import *
from .papers_39_39 import *
from .papers_40_45 import *
from .papers_46_55 import *


def _close(a, b, tol=1e-10):
    assert a.shape == b.shape, (a.shape, b.shape)
    err = np.abs(a - b).max()
    assert err < tol, err


def _main():
    rng = np.random.default_rng(0)
    r = rng.standard_normal
    B, H, N, D = 2, 3, 24, 6
    q, k, v = r((B, H, N, D)), r((B, H, N, D)), r((B, H, N, D))
    dense, dcaus = cab_vanilla(q, k, v), cab_vanilla(q, k, v, causal=True)

    def check_causal(f, tol=1e-10):
        full = f(q, k, v)
        k2, v2, q2 = k.copy(), v.copy(), q.copy()
        cut = N // 2 + 1                                            # not on a block or chunk border
        for x in (q2, k2, v2):
            x[:, :, cut:] = r(x[:, :, cut:].shape)
        _close(full[:, :, :cut], f(q2, k2, v2)[:, :, :cut], tol)

    # 39 CAB
    check_causal(lambda *a: cab_vanilla(*a, causal=True))
    empty = cab_vanilla(q, k, v, key_keep=np.zeros((B, N), bool))
    assert not empty.any()
    _close(cab_local(q, k, v, N), dense)
    _close(cab_local(q, k, v, N, causal=True), dcaus)
    check_causal(lambda *a: cab_local(*a, 4, causal=True))
    km, vm = r((B, H, 40, D)), r((B, H, 40, D))
    _close(cab_cosformer(q, km, vm), cab_cosformer_linear(q, km, vm))
    w = r((H, 2048, D))
    qf, kf = cab_performer_features(q, w, True), cab_performer_features(k, w, False)
    a = qf @ kf.swapaxes(-1, -2)
    _close(cab_performer(q, k, v, w), a @ v / np.maximum(a.sum(-1, keepdims=True), 0.1))
    inv = statistics.NormalDist().inv_cdf                           # D=1: quantile grid instead of sampling
    grid = np.array([inv((t + 0.5) / 8000) for t in range(8000)])[None, :, None] * np.ones((H, 1, 1))
    q1, k1 = 0.4 * q[..., :1], 0.4 * k[..., :1]
    qf, kf = cab_performer_features(q1, grid, True, 0.0), cab_performer_features(k1, grid, False, 0.0)
    a = qf @ kf.swapaxes(-1, -2)
    _close(a / a.sum(-1, keepdims=True), softmax(q1 @ k1.swapaxes(-1, -2)), 5e-3)
    assert [x.shape[2] for x in (segment_means(q, 7), segment_means(q, 24), segment_means(q, 30))] == [7, 24, 24]
    one = np.ones_like(v)
    _close(cab_lara(q, k, one, 7), one)
    nz, sc_ = r((B, H, 7, D)), D ** -0.5
    _close(cab_lara(q, k, one, 7, noise=nz), one)
    mu, xi_ = segment_means(q, 7)[1, 2] + segment_means(k, 7)[1, 2], lambda x, o: np.exp(sc_ * x @ o - sc_ * x @ x / 2)
    num = den = 0.0
    for c_ in range(7):                                             # importance-weight form, one query
        om = mu[c_] + nz[1, 2, c_]
        xk = np.array([xi_(t, om) for t in k[1, 2]])
        wt = np.exp(sc_ * mu[c_] @ q[1, 2, 5]) * xi_(q[1, 2, 5], om) / xi_(mu[c_], om)
        num, den = num + wt * xk @ v[1, 2], den + wt * xk.sum()
    _close(cab_lara(q, k, v, 7, noise=nz)[1, 2, 5], num / den)
    good = softmax(8.0 * np.eye(5) + r((2, 5, 5)))
    _close(good @ cab_nystrom_pinv(good), np.broadcast_to(np.eye(5), good.shape), 1e-6)
    s = D ** -0.5
    _close(cab_nystromformer(q, k, v, 24), cab_vanilla(q * s, k, v))
    ramp = np.repeat(np.eye(6) * 40.0, 4, 0)[None, None] * np.ones((B, H, 1, 1))
    _close(cab_nystromformer(ramp, ramp, one, 6), one, 1e-6)
    samp = rng.integers(0, N, (N, min(N, 5 * math.ceil(math.log(N)))))
    _close(cab_probsparse(q, k, v, samp, factor=24), dense)
    _close(cab_probsparse(q, k, v, samp, factor=24, causal=True), dcaus)
    every = np.tile(np.arange(N), (N, 1))
    few, raw = cab_probsparse(q, k, v, every, factor=1), q @ k.swapaxes(-1, -2)
    rank = np.argsort(np.argsort(-(raw.max(-1) - raw.mean(-1)), -1), -1)
    _close(few, np.where((rank < math.ceil(math.log(N)))[..., None], dense, v.mean(2, keepdims=True)))
    ln = (np.ones(H * D), np.zeros(H * D))
    _close(cab_longshort(q, k, v, np.zeros((B, H, 0, N)), 24, ln), dense)
    ls = cab_longshort(q, k, v, r((B, H, 4, N)), 4, ln)
    assert ls.shape == v.shape and np.abs(ls - dense).max() > 1e-3
    far = k[:, :, ::4]
    _close(cab_longshort_causal(q, k, v, far[:, :, :0], far[:, :, :0], 4, N), dcaus)
    f = lambda q_, k_, v_: cab_longshort_causal(
        q_, k_, v_, k_.reshape(B, H, 6, 4, D).mean(3), v_.reshape(B, H, 6, 4, D).mean(3), 4, 5,
        rel_win=np.linspace(-1, 1, H * 5 * D).reshape(H, 5, D), rel_chunk=np.ones((H, 6, D)))
    check_causal(f)
    wk, wv = r((D, 5)), r((D, 5))
    _close(cab_abc(q, k, v, wk, wv, causal=True), cab_abc_recurrent(q, k, v, wk, wv))
    _close(cab_abc(q, k, v, wk, wv, causal=True)[:, :, -1], cab_abc(q, k, v, wk, wv)[:, :, -1])
    check_causal(lambda *t: cab_abc(*t, wk, wv, causal=True))
    E, S = 4, 8
    x = r((B, N, E))
    wc = -0.5 - rng.random((E, S)) + 1j * r((E, S)) * 3
    co, ldt, sk = r((2, E, S)) + 1j * r((2, E, S)), np.log(rng.random(E) * 0.1 + 0.01), r((2, E))
    y = cab_s4d(x, wc, co, ldt, sk).reshape(B, N, 2, E)
    dA, dC, st = np.exp(wc * np.exp(ldt)[:, None]), None, np.zeros((B, E, S), complex)
    dC = co * (dA - 1) / wc
    for t in range(N):
        st = dA * st + x[:, t, :, None]
        _close(y[:, t], 2 * np.einsum("ces,bes->bce", dC, st).real + sk * x[:, t, None])
    ker = cab_s4d_kernel(wc, co, ldt, N)
    fft = np.fft.irfft(np.fft.rfft(x.swapaxes(1, 2)[:, None], 2 * N) * np.fft.rfft(ker, 2 * N), 2 * N)[..., :N]
    _close(fft + sk[None, :, :, None] * x.swapaxes(1, 2)[:, None], y.transpose(0, 2, 3, 1))
    bi = cab_s4d(x, wc, co, ldt, sk[:1], bidirectional=True)
    i, j = np.arange(N)[:, None], np.arange(N)[None]
    mat = np.where(i >= j, ker[0][:, np.abs(i - j)], 0) + np.where(j > i, ker[1][:, np.maximum(j - i - 1, 0)], 0)
    _close(bi, np.einsum("eij,bje->bie", mat, x) + sk[0] * x)

    # 40 MEDUSA
    img, g = r((B, 5, 4, 4)), r((B, 2, 16, 16))
    _close(medusa(img, g, np.zeros((5, 2)), np.zeros(5)), 0.5 * img)

    # 41 MMTG: gradient of the KL term w.r.t. the scaled score is (P - T)/(B*S)
    q5, k5, v5 = r((B, H, 5, D)), r((B, H, 5, D)), r((B, H, 5, D))
    out, kl = mmtg_alpha(q5, k5, v5)
    _close(out, cab_vanilla(q5, k5, v5))
    p = softmax(q5 @ k5.swapaxes(-1, -2) / math.sqrt(D))
    t = np.exp(-0.5 * (np.arange(5)[None] - np.arange(5)[:, None]) ** 2)
    t /= t.sum(-1, keepdims=True)
    dq = (p - t) / (B * 5) @ k5 / math.sqrt(D)
    h = 1e-6
    qp = q5.copy()
    qp[1, 2, 3, 4] += h
    assert abs((mmtg_alpha(qp, k5, v5)[1] - kl) / h - dq[1, 2, 3, 4]) < 1e-5
    z = r((B, 5, 3, D))
    _close(mmtg_beta(z, np.zeros((5, D)), np.zeros(5)), z.mean(2))

    # 42 Razor
    kk, vv, qq = r((2, 40, D)), r((2, 40, D)), r((4, D))
    full = cab_vanilla(qq[None, :, None], kk[None], vv[None])[0, :, 0]
    _close(razor_attention(qq, kk, vv, [True, True], 4, 8), full)
    _close(razor_attention(qq, kk, vv, [False, False], 4, 36), full)
    kc, vc = kk.copy(), vv.copy()
    kc[:, 4:32], vc[:, 4:32] = kc[:, 4:5], vc[:, 4:5]
    _close(razor_attention(qq, kc, vc, [False, False], 4, 8), cab_vanilla(qq[None, :, None], kc[None], vc[None])[0, :, 0])
    pe = np.zeros((2, 30, 30))
    for t_ in range(10, 30):
        pe[0, t_, t_ - 10], pe[1, t_, t_ - 9] = 1, 1
    e, ind = razor_attention_head_scores(pe, 10)
    assert e[0] > 0 and e[1] == 0 and ind[1] > 0 and ind[0] == 0
    assert razor_attention_alibi_scope(1.0, 1.0, 0.5, 1e-3) > razor_attention_alibi_scope(1.0, 1.0, 1.0, 1e-3)

    # 43 Zoology
    xi, yi = zoology_mqar(rng, 8, 64, 32, 4)
    for a_, b_ in zip(xi, yi):
        m = dict(zip(a_[0:8:2], a_[1:8:2]))
        pos = np.nonzero(b_ != -100)[0]
        assert len(pos) == 4 and all(m[a_[t_]] == b_[t_] for t_ in pos)
    u, Ew = r((B, N, 4)), r((4, 4))
    long = zoology_baseconv(u, np.zeros((4, N)), Ew, np.ones(4))
    _close(long, u * (u @ Ew.T + 1) + u)
    hs = r((4, 3))
    u2 = u.copy()
    u2[:, 12:] = 0
    _close(zoology_baseconv(u, hs, Ew, np.ones(4), np.ones(4))[:, :12], zoology_baseconv(u2, hs, Ew, np.ones(4), np.ones(4))[:, :12])
    lin = np.where(causal_keep(N, N), q @ k.swapaxes(-1, -2), 0) @ v
    _close(zoology_h3(q, k, v, np.zeros((H, D, 4)), np.ones((H, D)), np.ones((H, N)), np.zeros(H)), lin)
    gam = np.array([0.9, 0.8, 0.7])
    hd = zoology_h3(q, k, v, r((H, D, 4)), np.ones((H, D)), gam[:, None] ** np.arange(N), np.zeros(H))
    assert hd.shape == v.shape
    ret = np.where(causal_keep(N, N), gam[:, None, None] ** np.maximum(i - j, 0), 0) * (q @ k.swapaxes(-1, -2)) @ v
    _close(zoology_h3(q, k, v, np.zeros((H, D, 4)), np.ones((H, D)), gam[:, None] ** np.arange(N), np.zeros(H)), ret)
    hf = r((4, N))
    z_ = (u * u).swapaxes(1, 2)
    fft = np.fft.irfft(np.fft.rfft(z_, 2 * N) * np.fft.rfft(hf, 2 * N), 2 * N)[..., :N].swapaxes(1, 2)
    _close(zoology_hyena(u, u, u, hf, np.ones(4)), u * (fft + u * u))
    rr, kx, vx = r((B, N, 4)), 3 * r((B, N, 4)), r((B, N, 4))
    wd, uf = rng.random(4) + 0.1, r(4)
    _close(zoology_rwkv4(rr, kx, vx, wd, uf), zoology_rwkv4_recurrent(rr, kx, vx, wd, uf))
    pq, pk = zoology_taylor_features(q), zoology_taylor_features(k)
    num = np.einsum("bhlf,bhlfe->bhle", pq, np.cumsum(pk[..., None] * v[:, :, :, None], 2))
    den = (pq * np.cumsum(pk, 2)).sum(-1, keepdims=True)
    _close(zoology_based(q, k, v), num / (den + 1e-12))
    check_causal(zoology_based)
    _close(zoology_sliding(q, k, v, 3), cab_local(q, k, v, 4, causal=True))
    xx, gate, wo = r((B, N, H * D)), rng.random((B, N)), r((H * D, H * D))
    rows = np.tile(np.arange(N), (B, 1))
    _close(zoology_selected(xx, q, k, v, gate, rows, wo), xx + gate[..., None] * (dcaus.swapaxes(1, 2).reshape(B, N, -1) @ wo))

    # 44 Music Transformer
    for R in (N, 9, 40):
        e_ = r((H, R, D))
        _close(music_transformer(q, k, v, e_), music_transformer_skew(q, k, v, e_))
        check_causal(lambda *t_: music_transformer(*t_, e_))
        _close(music_transformer_local(q, k, v, e_, 20), music_transformer(q, k, v, e_))
        check_causal(lambda *t_: music_transformer_local(*t_, e_, 6))
    _close(music_transformer(q, k, v, np.zeros((H, N, D))), dcaus)

    # 45 Sigmoid
    bias = -math.log(N)
    whole = sigmoid_attention(q, k, v, bias)
    _close(whole, sum(sigmoid_attention(q, k[:, :, c:c + 8], v[:, :, c:c + 8], bias) for c in (0, 8, 16)))
    check_causal(lambda *t_: sigmoid_attention(*t_, bias, causal=True, slopes=[0.5, 0.25, 0.125], window=(5, 0)))
    assert not sigmoid_attention(q, k, v, bias, key_keep=np.zeros((B, N), bool)).any()
    _close(sigmoid_attention(q * 0, k, v, bias), np.repeat(v.sum(2, keepdims=True), N, 2) / (N + 1))
    do = r(whole.shape)
    gr = sigmoid_attention_grad(q, k, v, bias, do)
    for n_, (arr, gg) in enumerate(zip((q, k, v), gr)):
        ar = [q, k, v]
        ar[n_] = arr.copy()
        ar[n_][1, 2, 3, 4] += 1e-6
        assert abs(((sigmoid_attention(*ar, bias) - whole) * do).sum() / 1e-6 - gg[1, 2, 3, 4]) < 1e-4

    # 46 HaloNet
    iq, ik, iv = (r((B, 2, 8, 8, D)) for _ in range(3))
    flat = lambda t_: t_.reshape(B, 2, 64, D)
    zero = lambda n_: np.zeros((2 * n_ - 1, D))
    _close(flat(halonet(iq, ik, iv, zero(8), zero(8), 8, 0)), cab_vanilla(flat(iq), flat(ik), flat(iv)))
    _close(flat(halonet(iq, ik, iv, zero(24), zero(24), 8, 8, mask_padding=True)), cab_vanilla(flat(iq), flat(ik), flat(iv)))
    rh, rw = r((15, D)), r((15, D))                                 # block 4, halo 2, window 8
    for masked in (False, True):
        full = halonet(iq, ik, iv, rh, rw, 4, 2, mask_padding=masked)
        for y_, x_ in ((0, 0), (3, 6), (5, 2), (7, 7)):             # one pixel at a time, by definition
            lg, vals = [], []
            for u_, w_ in itertools.product(range(y_ // 4 * 4 - 2, y_ // 4 * 4 + 6), range(x_ // 4 * 4 - 2, x_ // 4 * 4 + 6)):
                inside = 0 <= u_ < 8 and 0 <= w_ < 8
                if inside or not masked:
                    qv = iq[1, 1, y_, x_]
                    kv_ = ik[1, 1, u_, w_] if inside else np.zeros(D)
                    lg.append(qv @ kv_ / math.sqrt(D) + qv @ (rh[u_ - y_ + 2 + 7] + rw[w_ - x_ + 2 + 7]))
                    vals.append(iv[1, 1, u_, w_] if inside else np.zeros(D))
            _close(full[1, 1, y_, x_], softmax(np.array(lg)) @ np.array(vals))

    # 47 S2
    pat = s2_attention_pattern(H, 6, 6, 2, 3)
    assert pat.any(0)[np.tril_indices(6)].all()                     # union over heads = full causal context
    _close(s2_attention(q, k, v, pat, 4)[0], s2_attention_csr(q, k, v, pat, 4))
    _close(s2_attention(q, k, v, s2_attention_pattern(H, 6, 6, 1, 1), 4)[0], dcaus)
    check_causal(lambda *t_: s2_attention(*t_, pat, 4)[0])
    p1, p2 = pat.copy(), pat.copy()
    p1[:, :, 3:], p2[:, :, :3] = False, False
    with np.errstate(invalid="ignore"):
        o1, l1 = s2_attention(q[:, :, 12:], k, v, p1[:, 3:], 4)
        o2, l2 = s2_attention(q[:, :, 12:], k, v, p2[:, 3:], 4)
    _close(merge_partials([(o1, l1), (o2, l2)])[0], s2_attention(q, k, v, pat, 4)[0][:, :, 12:])
    later = pat[:, 1:] & ~pat[:, :-1] & (np.arange(6)[None, None] < np.arange(1, 6)[None, :, None])
    assert not later.any()                                          # kept far blocks never reappear: cacheable

    # 48 Successor heads
    T = 10
    emb, unemb = np.eye(T), np.eye(T)
    wv_ = np.stack([np.eye(T), np.eye(T)])
    wo_ = np.stack([np.roll(np.eye(T), 1, 1), np.eye(T)])
    _close(successor_heads(emb, wv_, wo_, unemb, (np.arange(T) + 1) % T), np.array([1.0, 0.0]))
    woh = r((H, D, 7))
    tot, per = successor_heads_per_head(q, k, v, woh, [1, 0, 1])
    _close(tot, np.einsum("bhnd,hde->bne", dcaus * np.array([1, 0, 1])[None, :, None, None], woh))
    assert not per[:, 1].any()

    # 49 Kronecker
    Q, K1, K2, V1, V2 = (0.7 * r((9, 4)) for _ in range(5))
    ex = kronecker_attention(Q, K1, K2, V1, V2)
    _close(ex, kronecker_attention_stream(Q, K1, K2, V1, V2))
    _close(ex, kronecker_attention_poly(Q, K1, K2, V1, V2, 6), 1e-4)
    o = np.ones((1, 4))
    _close(kronecker_attention(Q, K1, o, V1, o, 0.5), cab_vanilla(Q[None, None], K1[None, None], V1[None, None])[0, 0])

    # 50 SAB
    tx = r((B, 6))
    sab = sentence_attention_block(img, tx, r((24, 6)), np.zeros(24), np.ones(24), np.zeros(24), np.zeros((5, 24)), np.zeros(5))
    _close(sab, img / 5)

    # 51 RSA
    for P in (1, 2, 4, 8):
        _close(ring_self_attention(q, k, v, P), dense)
        _close(ring_self_attention_online(q, k, v, P), dense)

    # 52 gCOG
    _close(gcog_latent_cross(np.zeros((B, H, 10, D)), k, v), np.repeat(v.mean(2, keepdims=True), 10, 2))

    # 53 SeqDialN
    qt, vt = r((B, 9, 8)), r((B, 7, 8))
    lq, lv = seqdialn_coattention(qt, vt, np.zeros((4, 2, 8)), np.zeros((4, 2, 8)), 7, 5)
    _close(lq, np.repeat(qt.mean(1, keepdims=True), 5, 1))
    _close(lv, np.repeat(vt.mean(1, keepdims=True), 7, 1))
    hx, hv = r((B, H, N, D)), r((B, H, N, D))
    check_causal(lambda q_, k_, v_: seqdialn_dual(q_, k_, v_, hx, hv))
    a_, la = cab_vanilla(q, hx, hv, causal=True), logsumexp(np.where(causal_keep(N, N), q @ hx.swapaxes(-1, -2) / math.sqrt(D), -np.inf))
    _close(seqdialn_dual(q, k, v, hx, hv), merge_partials([(a_, la), (v, (q * k).sum(-1) / math.sqrt(D))])[0])

    # 54 Agent attention
    ag = agent_attention_pool(q, (4, 6), 2)
    assert ag.shape == (B, H, 4, D)
    _close(ag[:, :, 0], q.reshape(B, H, 4, 6, D)[:, :, :2, :3].mean((2, 3)))
    _close(agent_attention(q, ag, k, one, r((H, 4, N)), r((H, N, 4))), one)
    single = agent_attention(q, ag[:, :, :1], k, v)
    _close(single, np.repeat(single[:, :, :1], N, 2))
    idk = np.zeros((H * D, 3, 3))
    idk[:, 1, 1] = 1
    _close(agent_attention(q, ag, k, v, dwc=idk, dwc_bias=np.ones(H * D), hw=(4, 6)), agent_attention(q, ag, k, v) + v + 1)

    # 55 MVP
    sc = mvp(np.array([0.5, 0.3, 0.2]), np.array([0, 1, 1]), np.array([0.1, 0.9, 0.5]))
    assert sc.argmax() == 1
    print("papers-39-55: all self-checks passed")


if __name__ == "__main__":
    _main()
