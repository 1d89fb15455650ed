"""Tileable noise used for textures, wrinkles, smoke and sensor grain."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

TILE = 512


@lru_cache(maxsize=128)
def tile(seed: int, slope: float = 1.6, size: int = TILE) -> np.ndarray:
    """Return a tileable 1/f**slope noise image with zero mean and unit deviation."""
    rng = np.random.default_rng([seed, 77])
    white = rng.standard_normal((size, size)).astype(np.float32)
    freq = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    freq[0, 0] = 1.0
    spectrum = np.fft.rfft2(white) / freq**slope
    spectrum[0, 0] = 0.0
    out = np.fft.irfft2(spectrum, s=(size, size))
    return (out / out.std()).astype(np.float32)


def sample(tex: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear lookup of a tileable texture at pixel coordinates u, v of any shape."""
    size = tex.shape[0]
    shape = u.shape
    if u.size == 0:
        return np.zeros(shape, np.float32)
    map_u = np.mod(u, size).astype(np.float32)
    map_v = np.mod(v, size).astype(np.float32)
    if u.ndim == 2:
        return cv2.remap(tex, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    count, width = u.size, 16384  # cv2.remap refuses more than 32767 columns
    pad = (-count) % width
    map_u = np.pad(map_u.ravel(), (0, pad)).reshape(-1, width)
    map_v = np.pad(map_v.ravel(), (0, pad)).reshape(-1, width)
    out = cv2.remap(tex, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return out.ravel()[:count].reshape(shape)


def pick(tex: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Nearest lookup of a tileable texture: quicker than `sample`, for fine grain."""
    size = tex.shape[0]
    row, col = v.astype(np.int32) & (size - 1), u.astype(np.int32) & (size - 1)
    return tex.ravel()[row * size + col]


def smoothstep(lo: float, hi: float, x: np.ndarray | float) -> np.ndarray | float:
    """Hermite step from 0 at lo to 1 at hi."""
    t = np.clip((x - lo) / (hi - lo), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def wobble(t: float, seed: int, octaves: int = 3) -> float:
    """Smooth pseudo-random function of time in about -1..1."""
    total, weight = 0.0, 0.0
    for k in range(octaves):
        phase = (seed * 12.9898 + k * 78.233) % 6.2831853
        freq = (1.0 + 0.37 * ((seed * 7 + k * 3) % 5)) * 1.9**k
        total += np.sin(t * freq + phase) * 0.6**k
        weight += 0.6**k
    return float(total / weight)


@lru_cache(maxsize=8)
def curl_tile(seed: int, size: int = TILE) -> tuple[np.ndarray, np.ndarray]:
    """Tileable divergence-free flow (u, v), eddies of about 64 texels, unit deviation."""
    rng = np.random.default_rng([seed, 91])
    white = rng.standard_normal((size, size))
    ky = np.fft.fftfreq(size)[:, None] * size
    kx = np.fft.rfftfreq(size)[None, :] * size
    freq = np.hypot(kx, ky)
    band = np.exp(-(((freq - 8.0) / 4.0) ** 2)) + 0.25 * np.exp(-(((freq - 20.0) / 8.0) ** 2))
    psi = np.fft.rfft2(white) * band
    u = np.fft.irfft2(psi * 1j * ky, s=(size, size))
    v = np.fft.irfft2(-psi * 1j * kx, s=(size, size))
    scale = 1.0 / u.std()
    return (u * scale).astype(np.float32), (v * scale).astype(np.float32)
