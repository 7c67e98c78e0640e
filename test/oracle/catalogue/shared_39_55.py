"""What the formulas of papers 39 to 55 share."""
import itertools
import math
import statistics

import numpy as np


def softmax(s, keep=None, axis=-1):
    """Masked softmax; rows with nothing kept give zeros."""
    if keep is not None:
        s = np.where(keep, s, -np.inf)
    m = s.max(axis, keepdims=True)
    e = np.exp(s - np.where(np.isfinite(m), m, 0.0))
    z = e.sum(axis, keepdims=True)
    return e / np.where(z == 0, 1.0, z)


def logsumexp(s, axis=-1):
    m = s.max(axis, keepdims=True)
    return (m + np.log(np.exp(s - m).sum(axis, keepdims=True))).squeeze(axis)


def sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def causal_keep(n, m):
    """Bottom-right aligned causal mask: query i sees key j when j <= i + (m - n)."""
    return np.arange(m)[None, :] <= np.arange(n)[:, None] + (m - n)


def expand_kv(x, heads):
    return np.repeat(x, heads // x.shape[1], axis=1)


def layer_norm(x, gamma, beta, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    return (x - mu) / np.sqrt(((x - mu) ** 2).mean(-1, keepdims=True) + eps) * gamma + beta


def causal_conv(u, h):
    """u [..., L], h [..., >=L] (lag-indexed): y[t] = sum_{s<=t} h[t-s] u[s]."""
    n = u.shape[-1]
    y = np.zeros(np.broadcast_shapes(u.shape, h[..., :n].shape))
    for t in range(n):
        y[..., t] = (h[..., : t + 1][..., ::-1] * u[..., : t + 1]).sum(-1)
    return y


def merge_partials(parts):
    """Combine [(out, lse), ...] of disjoint key sets into the softmax over their union."""
    lse = np.stack([p[1] for p in parts])
    w = np.exp(lse - logsumexp(lse, axis=0))
    return sum(wi[..., None] * p[0] for wi, p in zip(w, parts)), logsumexp(lse, axis=0)
