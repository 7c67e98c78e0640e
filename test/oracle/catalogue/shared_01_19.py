"""What the formulas of papers 1 to 19 share."""
import math

import numpy as np


def masked_softmax(s, mask=None):
    """Softmax over the last axis; masked entries weigh 0; a row with no entry is all zeros."""
    if mask is not None:
        s = np.where(mask, s, -np.inf)
    m = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(np.isfinite(m), m, 0.0))
    z = e.sum(-1, keepdims=True)
    return e / np.where(z == 0.0, 1.0, z)


def T(x):
    return np.swapaxes(x, -1, -2)


def sdpa(q, k, v, mask=None, scale=None):
    g = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, g, axis=1), np.repeat(v, g, axis=1)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return masked_softmax(q @ T(k) * scale, mask) @ v


def causal(n, m=None):
    """Bottom-right aligned causal mask (n, m)."""
    m = n if m is None else m
    return np.arange(m)[None, :] <= np.arange(n)[:, None] + m - n


def gelu(x):
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def gelu_grad(x):
    return 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def rope(x, pos, base=10000.0):
    """Half-split rotary embedding; x (..., n, D), pos (n,) or broadcastable to x.shape[:-1]."""
    d = x.shape[-1]
    ang = np.asarray(pos)[..., None] * base ** (-np.arange(0, d, 2) / d)
    c, s = np.cos(ang), np.sin(ang)
    a, b = x[..., : d // 2], x[..., d // 2:]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)
