"""Flames and smoke as fields advected by a buoyant column with curl-noise turbulence."""

from __future__ import annotations

import cv2
import numpy as np

from .noise import curl_tile, sample, tile


class Plume:
    """Hot gas rising from a bed; row 0 is the top. Speeds are in cells per step.

    `flame` is the eddy size in cells (about the flame's half width), `tall` the number of steps
    a parcel keeps burning.
    """

    def __init__(self, width: int, height: int, base: float, seed: int, flame: float = 14.0,
                 speed: float = 2.4, tall: float = 26.0, wind: float = 0.0,
                 gusty: float = 0.42) -> None:
        self.w, self.h, self.base, self.seed = width, height, base, seed
        self.flame, self.speed, self.tall, self.wind = flame, speed, tall, wind
        self.gusty = gusty
        shape = (height, width)
        self.heat, self.smoke = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.gy, self.gx = np.mgrid[0:height, 0:width].astype(np.float32)
        self.rise = np.maximum(base - self.gy, 0.0)
        self.step_no = 0

    def _flow(self, centre: float, half: float) -> tuple[np.ndarray, np.ndarray]:
        """Velocity: accelerating updraught, entrainment towards the axis, two eddy sizes."""
        n, size = self.step_no, self.flame
        lift = self.rise / size
        v = -self.speed * (0.45 + 0.42 * np.sqrt(np.minimum(lift, 6.0)))
        pull = np.clip((centre - self.gx) / max(half, 2.0), -1.6, 1.6)
        drawn = 0.22 * self.speed * pull * np.exp(-((lift - 0.8) ** 2) / 1.2)
        u = drawn + self.wind * self.speed * np.minimum(lift * 0.25, 1.3)
        for k, (eddy, amp, drift) in enumerate(((2.2, 0.42, 0.55), (0.95, 0.38, 0.8),
                                                 (0.42, 0.22, 0.95))):
            cu, cv = curl_tile(k)
            step = 64.0 / (2.0 * eddy * size)
            grown = step / (1.0 + 0.10 * np.minimum(lift, 10.0))
            x = (self.gx - centre) * grown + self.seed * 131.7 + n * 0.21 * (k + 1)
            y = (self.gy + n * self.speed * drift * 1.15) * step + self.seed * 57.1
            fade = amp * self.speed * np.minimum(0.25 + lift * 0.9, 1.0)
            u = u + fade * sample(cu, x, y)
            v = v + 0.8 * fade * sample(cv, x, y)
        return u.astype(np.float32), v.astype(np.float32)

    def step(self, source: np.ndarray, centre: float, half: float, smoke: float = 0.05) -> None:
        """Advance one step; source (h, w) in 0..1 says where fuel burns now."""
        n = self.step_no
        u, v = self._flow(centre, half)
        mx, my = self.gx - u, self.gy - v
        heat = cv2.remap(self.heat, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        gas = cv2.remap(self.smoke, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        scale = 30.0 / self.flame
        flick = sample(tile(4, 1.5), self.gx * scale * 1.3 + self.seed * 77,
                       self.gy * scale * 0.8 + n * self.speed * scale * 0.9)
        feed = source * np.clip(0.7 + self.gusty * flick, 0.0, 1.5)
        heat = np.maximum(heat, feed)
        burn = (0.45 + 0.55 * np.sqrt(heat)) / self.tall
        vary = sample(tile(3, 1.6), self.gx * scale * 0.8, self.gy * scale * 0.8 + n * 2.0)
        burn *= np.clip(1.0 + 0.83 * self.gusty * vary, 0.4, 1.9)
        self.heat = np.maximum(heat - burn, 0.0)
        fresh = np.exp(-(((self.heat - 0.16) / 0.12) ** 2)) * (heat > 0.02)
        self.smoke = gas * 0.9965 + smoke * fresh
        self.step_no += 1


def bed(plume: Plume, centre: float, half: float, thick: float) -> np.ndarray:
    """Burning bed: soft ellipse around column `centre` at the plume's base row."""
    d = ((plume.gx - centre) / max(half, 0.6)) ** 2
    d = d + ((plume.gy - plume.base + thick * 0.3) / max(thick, 0.6)) ** 2
    return np.exp(-(d**1.5)).astype(np.float32)
