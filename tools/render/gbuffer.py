"""Ray-cast axis-aligned rectangles into position, normal, albedo and emission buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .light import Ambient, Light

# A shader maps two in-plane coordinates (metres) to albedo (N, 3) and emission (N, 3) or None.
Shader = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | None]]


@dataclass
class Rect:
    """Rectangle on the plane coordinate[axis] = offset, bounded on the other two axes."""

    axis: int
    offset: float
    lo: tuple[float, float]
    hi: tuple[float, float]
    shader: Shader
    cut: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # True where solid


def flat(color: np.ndarray, emit: np.ndarray | None = None) -> Shader:
    """Shader of one colour."""
    def shade(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        shape = (*a.shape, 3)
        light = None if emit is None else np.broadcast_to(emit, shape)
        return np.broadcast_to(color, shape), light
    return shade


def box(lo: tuple[float, float, float], hi: tuple[float, float, float],
        shader: Shader) -> list[Rect]:
    """Six faces of an axis-aligned box."""
    out = []
    for axis in range(3):
        i, j = [k for k in range(3) if k != axis]
        for off in (lo[axis], hi[axis]):
            out.append(Rect(axis, off, (lo[i], lo[j]), (hi[i], hi[j]), shader))
    return out


class GBuffer:
    """Geometry and surface colour seen by a camera."""

    def __init__(self, cam: Camera, sky: np.ndarray, scale: int = 1) -> None:
        self.cam, self.scale = cam, scale
        self.ray = cam.rays(scale)
        h, w = self.ray.shape[:2]
        self.depth = np.full((h, w), 200.0, np.float32)
        self.normal = np.zeros((h, w, 3), np.float32)
        self.normal[:] = -cam.fwd
        self.albedo = np.zeros((h, w, 3), np.float32)
        rise = np.clip(self.ray[..., 2] / 0.6, -0.2, 1.0)[..., None]
        self.emit = (sky * (1.25 - 0.5 * rise)).astype(np.float32)

    def add(self, rect: Rect) -> None:
        """Ray-cast one rectangle with a depth test."""
        axis = rect.axis
        i, j = [k for k in range(3) if k != axis]
        cam = self.cam
        window = self._window(rect, i, j)
        if window is None:
            return
        ray = self.ray[window]
        along = ray[..., axis]
        t = (rect.offset - cam.pos[axis]) / np.where(np.abs(along) < 1e-6, 1e-6, along)
        a = cam.pos[i] + t * ray[..., i]
        b = cam.pos[j] + t * ray[..., j]
        hit = ((t > 0.3) & (t < self.depth[window]) & (a >= rect.lo[0]) & (a <= rect.hi[0])
               & (b >= rect.lo[1]) & (b <= rect.hi[1]))
        if rect.cut is not None:
            hit &= rect.cut(a, b)
        if not hit.any():
            return
        albedo, emit = rect.shader(a[hit], b[hit])
        self.depth[window][hit] = t[hit]
        normal = np.zeros(3, np.float32)
        normal[axis] = np.sign(cam.pos[axis] - rect.offset)
        self.normal[window][hit] = normal
        self.albedo[window][hit] = albedo
        self.emit[window][hit] = 0.0 if emit is None else emit

    def _window(self, rect: Rect, i: int, j: int) -> tuple[slice, slice] | None:
        """Pixel window that holds the rectangle (the full frame when it passes the camera)."""
        h, w = self.depth.shape
        corners = np.zeros((4, 3), np.float32)
        corners[:, rect.axis] = rect.offset
        corners[:, i] = [rect.lo[0], rect.hi[0], rect.hi[0], rect.lo[0]]
        corners[:, j] = [rect.lo[1], rect.lo[1], rect.hi[1], rect.hi[1]]
        uvd = self.cam.project(corners)
        if uvd[:, 2].max() < 0.3:
            return None
        if uvd[:, 2].min() < 0.3:
            return slice(0, h), slice(0, w)
        s = self.scale
        x0, x1 = np.clip([uvd[:, 0].min() * s - 1, uvd[:, 0].max() * s + 2], 0, w).astype(int)
        y0, y1 = np.clip([uvd[:, 1].min() * s - 1, uvd[:, 1].max() * s + 2], 0, h).astype(int)
        return (slice(y0, y1), slice(x0, x1)) if x1 > x0 and y1 > y0 else None

    def finish(self) -> None:
        """Average the supersampled buffers down to the camera resolution."""
        if self.scale > 1:
            size = (self.cam.width, self.cam.height)
            down = lambda a: cv2.resize(a, size, interpolation=cv2.INTER_AREA)  # noqa: E731
            self.depth = 1.0 / down(1.0 / self.depth)
            self.normal, self.albedo = down(self.normal), down(self.albedo)
            self.emit = down(self.emit)
            self.ray = self.cam.rays()
        self.pos = self.cam.pos + self.ray * self.depth[..., None]
        self.ground = (self.normal[..., 2] > 0.5) & (self.pos[..., 2] < 0.3)

    def ambient_radiance(self, ambient: Ambient) -> np.ndarray:
        """Fill light with a cheap darkening where walls meet the ground."""
        return self.albedo * ambient.radiance(self.normal) * self.corner_ao()[..., None]

    def corner_ao(self) -> np.ndarray:
        """Ambient occlusion of wall feet and of depth concavities."""
        foot = np.clip(self.pos[..., 2] / 0.7, 0.0, 1.0)
        wall = np.where(self.ground, 1.0, 0.6 + 0.4 * foot)
        mean = cv2.GaussianBlur(self.depth, (0, 0), 7.0)
        dent = np.clip((self.depth - mean) / (0.06 * self.depth + 0.1), 0.0, 1.0)
        return wall * (1.0 - 0.35 * dent)

    def light_radiance(self, light: Light) -> np.ndarray:
        """Radiance added by one light, without shadows."""
        irr = light.irradiance(self.pos, self.normal)
        return self.albedo * irr[..., None] * light.color
