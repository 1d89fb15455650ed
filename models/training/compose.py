"""Fires and lamps of one picture pasted into another.

Flames are light: a patch is keyed by its own brightness and warmth against its rim, so that no
mask is needed, and a warm glow is spilt on the surroundings. Lamps, tail lights and signs cut from
fire-free pictures are pasted by the same key and stay unlabelled; without them the net would learn
that what is pasted burns.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

MARGIN = 0.2
MIN_PATCH = 20
MAX_PATCH = 160
MIN_COVER = 0.12
KEY_LOW, KEY_HIGH = 25.0, 110.0


@dataclass
class Patch:
    """A cut-out (BGR) and how much of each of its pixels is the light itself, 0..1."""

    image: Pixels
    alpha: Floats


def key(crop: Pixels) -> Floats | None:
    """Alpha of what is brighter and warmer than the rim of the crop; `None` if nothing stands out.
    """
    blue, _, red = (crop[:, :, i].astype(np.float32) for i in range(3))
    light = red + 0.7 * np.maximum(red - blue, 0)
    rim = np.concatenate((light[0], light[-1], light[:, 0], light[:, -1]))
    above = light - float(np.median(rim))
    alpha = ((above - KEY_LOW) / (KEY_HIGH - KEY_LOW)).clip(0, 1)
    rows, cols = alpha.shape
    ys = np.abs(np.linspace(-1, 1, rows, dtype=np.float32))[:, None]
    xs = np.abs(np.linspace(-1, 1, cols, dtype=np.float32))[None]
    alpha *= ((1 - np.maximum(xs, ys)) / 0.2).clip(0, 1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.8)
    return alpha if float((alpha > 0.5).mean()) > MIN_COVER else None


def cut(image: Pixels, box: tuple[float, float, float, float]) -> Patch | None:
    """The light inside a box (pixels), with a margin; `None` where it can't be keyed."""
    rows, cols = image.shape[:2]
    x0, y0, x1, y1 = box
    grow_x, grow_y = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = max(0, int(x0 - grow_x)), max(0, int(y0 - grow_y))
    right, bottom = min(cols, int(x1 + grow_x) + 1), min(rows, int(y1 + grow_y) + 1)
    if min(right - left, bottom - top) < MIN_PATCH:
        return None
    crop = image[top:bottom, left:right]
    scale = MAX_PATCH / max(crop.shape[:2])
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    alpha = key(crop)
    return None if alpha is None else Patch(crop.copy(), alpha)


def lights(image: Pixels, limit: int = 4) -> list[Patch]:
    """Bright warm spots of a fire-free picture: lamps, signs, tail lights, orange clothes."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    warm = (hsv[:, :, 0] < 28) | (hsv[:, :, 0] > 170)
    mask = (warm & (hsv[:, :, 1] > 90) & (hsv[:, :, 2] > 170)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = sorted(range(1, count), key=lambda i: -int(stats[i, cv2.CC_STAT_AREA]))
    patches = []
    for i in found[:limit]:
        x, y, width, height = (int(v) for v in stats[i, :4])
        if min(width, height) < 8 or max(width, height) > 0.6 * max(image.shape[:2]):
            continue
        patch = cut(image, (x - width * 0.2, y - height * 0.2, x + width * 1.2, y + height * 1.2))
        if patch is not None:
            patches.append(patch)
    return patches


def paste(canvas: Pixels, patch: Patch, rng: np.random.Generator, glow: float
          ) -> tuple[float, float, float, float] | None:
    """Put a patch somewhere on the canvas, in place; returns the box of its light in pixels."""
    rows, cols = canvas.shape[:2]
    side = float(np.exp(rng.uniform(np.log(10), np.log(min(110, rows * 0.5)))))
    scale = min(side / max(patch.alpha.shape), 1.6)
    stretch = float(np.exp(rng.uniform(-0.2, 0.2)))
    width = max(4, round(patch.alpha.shape[1] * scale * stretch))
    height = max(4, round(patch.alpha.shape[0] * scale / stretch))
    if width >= cols or height >= rows:
        return None
    image = cv2.resize(patch.image, (width, height), interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(patch.alpha, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        image, alpha = image[:, ::-1], alpha[:, ::-1]
    ys, xs = np.nonzero(alpha > 0.35)
    if len(xs) < 12:
        return None
    left = int(rng.integers(0, cols - width))
    top = int(rng.uniform(0.15, 1.0) * (rows - height))
    if glow > 0:
        spill(canvas, (left + width / 2, top + height / 2), max(width, height), glow)
    region = canvas[top:top + height, left:left + width]
    mix = alpha[:, :, None] * float(rng.uniform(0.85, 1.0))
    region[:] = (region * (1 - mix) + image * mix).clip(0, 255).astype(np.uint8)
    return (float(left + xs.min()), float(top + ys.min()),
            float(left + xs.max() + 1), float(top + ys.max() + 1))


def spill(canvas: Pixels, centre: tuple[float, float], size: float, strength: float) -> None:
    """Warm light on what surrounds a fire, in place."""
    reach = int(size * 2.5)
    x, y = int(centre[0]), int(centre[1])
    x0, y0 = max(0, x - reach), max(0, y - reach)
    region = canvas[y0:y + reach, x0:x + reach]
    if not region.size:
        return
    ys, xs = np.ogrid[:region.shape[0], :region.shape[1]]
    far = ((xs + x0 - x) ** 2 + (ys + y0 - y) ** 2).astype(np.float32)
    fall = strength * np.exp(-far / (2 * (reach / 2.2) ** 2))
    warm = fall[:, :, None] * np.array([0.25, 0.6, 1.0], np.float32)
    region[:] = (region * (1 + warm) + 40 * warm).clip(0, 255).astype(np.uint8)
