"""Pinhole camera and the imaging chain: bloom, exposure, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


class Camera:
    """Pinhole camera; world x right, y ahead, z up; pitch tilts downwards."""

    def __init__(self, pos: tuple[float, float, float], yaw: float, pitch: float,
                 fov: float, width: int, height: int) -> None:
        self.pos = np.array(pos, np.float32)
        self.width, self.height = width, height
        self.focal = 0.5 * width / np.tan(0.5 * fov)
        sin_y, cos_y, sin_p, cos_p = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
        self.fwd = np.array([sin_y * cos_p, cos_y * cos_p, -sin_p], np.float32)
        self.right = np.array([cos_y, -sin_y, 0.0], np.float32)
        self.up = np.cross(self.right, self.fwd).astype(np.float32)

    def rays(self, scale: int = 1) -> np.ndarray:
        """Directions with unit forward component for every pixel, supersampled by scale."""
        w, h = self.width * scale, self.height * scale
        u = (np.arange(w, dtype=np.float32) + 0.5) / scale - 0.5 * self.width
        v = (np.arange(h, dtype=np.float32) + 0.5) / scale - 0.5 * self.height
        return (self.fwd + self.right * (u / self.focal)[None, :, None]
                - self.up * (v / self.focal)[:, None, None]).astype(np.float32)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Map world points (N, 3) to (N, 3) of pixel u, v and depth along the axis."""
        rel = np.asarray(points, np.float32) - self.pos
        depth = rel @ self.fwd
        safe = np.where(np.abs(depth) < 1e-3, 1e-3, depth)
        u = 0.5 * self.width + self.focal * (rel @ self.right) / safe
        v = 0.5 * self.height - self.focal * (rel @ self.up) / safe
        return np.stack([u, v, depth], axis=-1)

    def px(self, depth: float) -> float:
        """Pixels per metre at a depth."""
        return self.focal / max(depth, 0.1)


@dataclass
class Imaging:
    """Parameters of the simulated sensor and optics."""

    exposure: float = 1.0
    bloom: float = 0.06
    vignette: float = 0.25
    noise: float = 0.012
    blur: float = 0.5
    grey: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0


def add_bloom(hdr: np.ndarray, amount: float) -> np.ndarray:
    """Spread a share of the light into three wide halos, as lens and dome glass do."""
    h, w = hdr.shape[:2]
    small = cv2.resize(np.minimum(hdr, 60.0), (w // 4, h // 4), interpolation=cv2.INTER_AREA)
    halo = (0.55 * cv2.GaussianBlur(small, (0, 0), 1.2)
            + 0.30 * cv2.GaussianBlur(small, (0, 0), 4.5)
            + 0.15 * cv2.GaussianBlur(small, (0, 0), 16.0))
    return hdr * (1.0 - amount) + amount * cv2.resize(halo, (w, h))


def tone_map(linear: np.ndarray) -> np.ndarray:
    """Film-like shoulder per channel (highlights go white), then the sRGB-like gamma."""
    return np.power(1.0 - np.exp(-np.maximum(linear, 0.0)), 1.0 / 2.2)


def develop(hdr: np.ndarray, img: Imaging, rng: np.random.Generator) -> np.ndarray:
    """Turn linear RGB radiance into a noisy 8-bit BGR camera frame."""
    h, w = hdr.shape[:2]
    x = add_bloom(hdr, img.bloom) * img.exposure
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    r2 = ((xx / w - 0.5) ** 2 + ((yy / h - 0.5) * 0.8) ** 2) * 3.2
    x *= (1.0 - img.vignette * r2)[..., None]
    if img.grey:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    else:
        x = x * np.array(img.tint, np.float32)
    if img.blur > 0.2:
        x = cv2.GaussianBlur(x, (0, 0), img.blur)
    shot = rng.standard_normal((h, w, 3)).astype(np.float32)
    if img.grey:
        shot = np.repeat(shot[..., :1], 3, axis=2)
    else:
        chroma = cv2.GaussianBlur(shot, (0, 0), 1.3) * 1.4
        shot = 0.6 * np.repeat(shot[..., :1], 3, axis=2) + 0.8 * chroma
    shot = cv2.GaussianBlur(shot, (0, 0), 0.6)
    x = x + shot * img.noise * np.sqrt(np.maximum(x, 0.0) * 0.35 + 0.012) * 2.2
    out = tone_map(x)
    if img.saturation != 1.0 and not img.grey:
        mean = out.mean(axis=2, keepdims=True)
        out = mean + (out - mean) * img.saturation
    return np.clip(out[..., ::-1] * 255.0 + 0.5, 0, 255).astype(np.uint8)


def recompress(bgr: np.ndarray, quality: int) -> np.ndarray:
    """JPEG round trip, standing in for a camera's low bitrate."""
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else bgr
