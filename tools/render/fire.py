"""Place plumes in the scene: black-body emission, lit smoke, sparks and fire light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .fluid import Plume
from .light import Light, rgb
from .noise import smoothstep


@dataclass
class FireLook:
    """Appearance of a fire: HDR gain, hue, smoke density and soot colour."""

    gain: float = 5.0
    green: float = 0.30
    blue: float = 0.045
    smoke: float = 2.2
    soot: float = 0.12
    cut: float = 0.05


@dataclass
class Billboard:
    """A plume standing in the world: base point and metres per cell."""

    base: np.ndarray
    cell: float
    flip: bool = False


def emission(heat: np.ndarray, look: FireLook) -> np.ndarray:
    """HDR flame radiance; channels clip one after another: red, orange, yellow, white."""
    e = np.maximum(heat - look.cut, 0.0) / 0.5
    power = look.gain * e**1.55
    green = look.green * (0.72 + 0.4 * np.minimum(e, 1.2))
    blue = look.blue * (0.4 + 1.1 * np.minimum(e, 1.4) ** 2)
    return np.stack([power, power * green, power * blue], axis=-1).astype(np.float32)


def to_screen(field: np.ndarray, plume: Plume, board: Billboard, cam: Camera) -> np.ndarray:
    """Warp a plume field to a full camera frame."""
    u, v, depth = cam.project(board.base[None])[0]
    scale = board.cell * cam.px(float(depth))
    sx = -scale if board.flip else scale
    matrix = np.array([[sx, 0, u - sx * plume.w * 0.5], [0, scale, v - scale * plume.base]],
                      np.float32)
    if scale < 0.6:
        field = cv2.GaussianBlur(field, (0, 0), 0.45 / scale)
    return cv2.warpAffine(field, matrix, (cam.width, cam.height), flags=cv2.INTER_CUBIC)


def fire_light(plume: Plume, board: Billboard, look: FireLook) -> Light:
    """Point light that stands for the flames' glow."""
    glow = np.maximum(plume.heat - look.cut, 0.0) ** 1.5
    total = float(glow.sum())
    mid = float((glow * plume.rise).sum() / max(total, 1e-3)) * board.cell
    pos = board.base + np.array([0.0, -0.35, max(mid, 0.25)], np.float32)
    return Light(pos, rgb(1.0, 0.42, 0.10, total * board.cell**2 * look.gain * 2.0), radius=0.5)


def compose(frame: np.ndarray, plume: Plume, board: Billboard, cam: Camera, look: FireLook,
            fill: np.ndarray, clip: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw smoke and flames into the frame; returns flame luminance and smoke opacity."""
    heat = np.maximum(to_screen(plume.heat, plume, board, cam), 0.0)
    gas = np.maximum(to_screen(plume.smoke, plume, board, cam), 0.0)
    if clip is not None:
        heat, gas = heat * clip, gas * clip
    px = cam.px(float(cam.project(board.base[None])[0, 2]))
    gas = cv2.GaussianBlur(gas, (0, 0), max(0.02 * px, 0.6))
    opacity = 1.0 - np.exp(-gas * look.smoke)
    flame = emission(heat, look)
    glow = cv2.GaussianBlur(flame, (0, 0), max(0.22 * px, 2.0))
    glow = 0.7 * glow + 0.3 * cv2.GaussianBlur(flame, (0, 0), max(0.6 * px, 5.0))
    soot = look.soot * (fill + 0.55 * glow) * _billow(gas, px)[..., None]
    frame[:] = frame * (1.0 - opacity[..., None]) + soot * opacity[..., None]
    frame += flame * (1.0 - 0.35 * opacity[..., None])
    return flame[..., 0], opacity


def _billow(gas: np.ndarray, px: float) -> np.ndarray:
    """Shading of smoke: edges towards the flames below are brighter, thick parts darker."""
    step = max(int(0.10 * px), 1)
    below = np.roll(cv2.GaussianBlur(gas, (0, 0), max(0.04 * px, 0.8)), -step, axis=0)
    lit = (gas - below) / (gas + below + 0.08)
    return np.clip(0.85 + 1.1 * lit - 0.25 * np.minimum(gas, 1.0), 0.35, 1.7)


def flame_box(flame: np.ndarray, floor: float) -> tuple[int, int, int, int] | None:
    """Tight pixel box of visible flame, specks left out."""
    mask = (flame > floor).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    main = stats[1:][areas >= max(areas.max() * 0.12, 4)]
    if not len(main):
        return None
    x0, y0 = main[:, 0].min(), main[:, 1].min()
    x1, y1 = (main[:, 0] + main[:, 2]).max(), (main[:, 1] + main[:, 3]).max()
    return int(x0), int(y0), int(x1), int(y1)


def smoke_box(change: np.ndarray, floor: float = 0.05) -> tuple[int, int, int, int] | None:
    """Box of the smoke that a viewer can see (change: tone-mapped difference)."""
    soft = cv2.GaussianBlur(change, (0, 0), 2.0)
    return flame_box(soft, floor)


class Sparks:
    """Glowing embers carried up with the flames."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 5])
        self.items: list[np.ndarray] = []

    def step(self, board: Billboard, rate: float, dt: float, width: float) -> None:
        """Move embers and give birth to new ones; columns: x, z, vx, vz, life."""
        for _ in range(self.rng.poisson(rate * dt)):
            x = self.rng.normal(0, width * 0.35)
            self.items.append(np.array([x, self.rng.uniform(0.2, 1.2), self.rng.normal(0.2, 0.4),
                                        self.rng.uniform(1.2, 3.2), self.rng.uniform(0.5, 2.2)]))
        for p in self.items:
            p[2] += self.rng.normal(0, 2.2) * dt
            p[:2] += p[2:4] * dt
            p[4] -= dt
        self.items = [p for p in self.items if p[4] > 0]

    def draw(self, frame: np.ndarray, board: Billboard, cam: Camera) -> None:
        """Add embers as short soft streaks."""
        layer = np.zeros(frame.shape[:2], np.float32)
        for x, z, vx, vz, life in self.items:
            ends = board.base + np.array([[x, 0, z], [x - vx * 0.03, 0, z - vz * 0.03]], np.float32)
            (u0, v0, _), (u1, v1, _) = cam.project(ends)
            gain = float(smoothstep(0.0, 0.6, life)) * 2.2
            cv2.line(layer, (int(u0 * 8), int(v0 * 8)), (int(u1 * 8), int(v1 * 8)), gain, 1,
                     cv2.LINE_AA, 3)
        layer = cv2.GaussianBlur(layer, (0, 0), 0.6)
        frame += layer[..., None] * rgb(1.0, 0.36, 0.07)
