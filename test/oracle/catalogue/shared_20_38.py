"""What the formulas of papers 20 to 38 share."""
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


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def layer_norm(x, g, b, eps):
    mu = x.mean(-1, keepdims=True)
    return (x - mu) / np.sqrt(((x - mu) ** 2).mean(-1, keepdims=True) + eps) * g + b
