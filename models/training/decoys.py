"""What a street is full of and fire detectors mistake for flames, drawn afresh each time.

Flags that wave, banners with lettering, lanterns, animated signs, light that shimmers on wet
ground, tail lights: red, orange and yellow, moving or glowing, and never boxed. The corpora have
hardly any of them, and a Vietnamese street has a red flag at every second door.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
# A decoy (BGR, 0..255) and how much of each pixel it covers, 0..1.
Drawn = tuple[Floats, Floats]

SMALLEST, LARGEST = 8, 120
TRIES = 4
RED, YELLOW = (35.0, 30.0, 205.0), (30.0, 225.0, 250.0)
# BGR of cloth that hangs in streets.
CLOTH = (RED, RED, RED, (20.0, 100.0, 235.0), (30.0, 200.0, 240.0), (90.0, 40.0, 190.0))


def _jitter(colour: tuple[float, ...], rng: np.random.Generator) -> Floats:
    return (np.array(colour, np.float32) + rng.normal(0, 18, 3).astype(np.float32)).clip(0, 255)


def _shaded(cloth: Floats, rng: np.random.Generator, swing: float) -> Drawn:
    """Cloth in the wind: its rows displaced along a wave, brighter and darker with it."""
    high, wide = cloth.shape[:2]
    ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
    along = xs / wide
    phase, bends = float(rng.uniform(0, 6.3)), float(rng.uniform(4, 12))
    wave = np.sin(along * bends + phase) + 0.4 * np.sin(along * bends * 1.7 + 2 * phase)
    down = ys - swing * high * along * wave
    cover = np.full((high, wide), 1.0, np.float32)
    moved = cv2.remap(cloth, xs, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.remap(cover, xs, down, cv2.INTER_LINEAR, borderValue=0.0)
    light = 1 + float(rng.uniform(0.1, 0.4)) * np.cos(along * bends + phase)
    return moved * light[:, :, None], cover


def flag(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """A flag, mostly red with a yellow star, else plain or in the stripes of a festival."""
    cloth = np.empty((high, wide, 3), np.float32)
    cloth[:] = _jitter(CLOTH[int(rng.integers(len(CLOTH)))], rng)
    pick = rng.random()
    if pick < 0.6:
        reach = min(wide, high) * float(rng.uniform(0.25, 0.4))
        turns = -np.pi / 2 + np.arange(10) * np.pi / 5 + float(rng.normal(0, 0.1))
        radius = np.where(np.arange(10) % 2 == 0, reach, reach * 0.4)
        star = np.stack((wide / 2 + radius * np.cos(turns), high / 2 + radius * np.sin(turns)), 1)
        cloth[:] = _jitter(RED, rng)
        cv2.fillPoly(cloth, [star.round().astype(np.int32)], _jitter(YELLOW, rng).tolist())
    elif pick < 0.8:
        for ring in range(3):
            inset = (ring + 1) * min(wide, high) // 9
            colour = _jitter(CLOTH[int(rng.integers(len(CLOTH)))], rng).tolist()
            corners = (inset, inset), (wide - inset, high - inset)
            cv2.rectangle(cloth, *corners, colour, -1)
    return _shaded(cloth, rng, float(rng.uniform(0.0, 0.18)))


def banner(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """Yellow or white lettering on red cloth, or red on yellow."""
    ground, ink = _jitter(RED, rng), _jitter(YELLOW, rng)
    if rng.random() < 0.25:
        ground, ink = ink, ground
    cloth = np.empty((high, wide, 3), np.float32)
    cloth[:] = ground
    letter = max(3, int(high * rng.uniform(0.3, 0.6)))
    top = (high - letter) // 2
    for x in range(letter, wide - letter, max(3, letter)):
        for _ in range(2):
            ends = rng.integers(0, letter, 4)
            cv2.line(cloth, (x + int(ends[0]) // 2, top + int(ends[1])),
                     (x + int(ends[2]) // 2, top + int(ends[3])), ink.tolist(),
                     max(1, letter // 8))
    return _shaded(cloth, rng, float(rng.uniform(0.0, 0.06)))


def _bloom(light: Floats, colour: Floats) -> Drawn:
    """A source of light: white where it is strongest, its colour around."""
    core = (light[:, :, None] ** 4) * (255 - colour)
    return colour + core, light.clip(0, 1)


def _spread(wide: int, high: int) -> tuple[Floats, Floats]:
    ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
    return (xs / max(1, wide - 1)) * 2 - 1, (ys / max(1, high - 1)) * 2 - 1


def lantern(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """A paper lantern, lit or not, with its ribs."""
    xs, ys = _spread(wide, high)
    inside = ((xs / 0.8) ** 2 + (ys / 0.8) ** 2 < 1).astype(np.float32)
    ribs = 0.75 + 0.25 * np.cos(xs * float(rng.uniform(6, 18)))
    lit = float(rng.uniform(0.0, 1.0))
    colour = _jitter(CLOTH[int(rng.integers(4))], rng)
    shade = ribs * (0.7 + 0.3 * (1 - xs**2)) + lit * np.exp(-(xs**2 + ys**2) * 3)
    return colour * shade[:, :, None], cv2.GaussianBlur(inside, (0, 0), 0.7)


def sign(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """One moment of an animated sign or screen in warm colours, or rows of LEDs."""
    if rng.random() < 0.5:
        cells = rng.random((int(rng.integers(2, 7)), int(rng.integers(2, 9)), 3))
        warm = (cells * np.array((0.35, 0.75, 1.0))).astype(np.float32) * 255
        how = cv2.INTER_CUBIC if rng.random() < 0.6 else cv2.INTER_NEAREST
        return cv2.resize(warm, (wide, high), interpolation=how).clip(0, 255), \
            np.ones((high, wide), np.float32)
    dots = (rng.random((max(2, high // 3), max(2, wide // 3))) < 0.45).astype(np.float32)
    light = cv2.GaussianBlur(cv2.resize(dots, (wide, high), interpolation=cv2.INTER_NEAREST),
                             (0, 0), 0.8)
    colour = _jitter(((30.0, 40.0, 250.0), (20.0, 150.0, 255.0))[int(rng.integers(2))], rng)
    return light[:, :, None] * colour, np.full((high, wide), 0.95, np.float32)


def shimmer(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """A lamp's or a neon's light on wet ground or water."""
    xs, ys = _spread(wide, high)
    waves = np.sin(ys * float(rng.uniform(8, 30)) + 3 * np.sin(xs * 4 + float(rng.uniform(0, 6))))
    light = np.exp(-(xs / 0.45) ** 2 - ys**2) * (0.5 + 0.5 * waves)
    return _bloom(light.astype(np.float32), _jitter((40.0, 90.0, 240.0), rng))


def lamps(wide: int, high: int, rng: np.random.Generator) -> Drawn:
    """One lamp or a vehicle's pair, red, orange or sodium yellow, with bloom."""
    xs, ys = _spread(wide, high)
    tight = float(rng.uniform(10, 60))
    apart = float(rng.uniform(0.35, 0.75)) if rng.random() < 0.6 else 0.0
    spots = np.exp(-tight * ((xs - apart) ** 2 + ys**2))
    spots = np.maximum(spots, np.exp(-tight * ((xs + apart) ** 2 + ys**2)))
    glow = 0.35 * np.exp(-2.5 * (xs**2 + ys**2)) * float(rng.random())
    colours = ((25.0, 25.0, 240.0), (20.0, 120.0, 255.0), (90.0, 200.0, 255.0))
    light = np.maximum(spots, glow).astype(np.float32)
    return _bloom(light, _jitter(colours[int(rng.integers(3))], rng))


# How they are drawn, width over height, whether they shine by themselves.
KINDS: tuple[tuple[Callable[[int, int, np.random.Generator], Drawn], float, bool], ...] = (
    (flag, 1.5, False), (flag, 1.5, False), (banner, 4.0, False), (lantern, 0.9, False),
    (sign, 1.6, True), (shimmer, 0.45, True), (lamps, 2.0, True),
)


def scatter(canvas: Pixels, boxes: Floats, rng: np.random.Generator) -> None:
    """Draw one to four decoys onto the canvas (BGR), in place, none of them over a box."""
    for _ in range(int(rng.integers(1, 5))):
        draw, aspect, shines = KINDS[int(rng.integers(len(KINDS)))]
        rows, cols = canvas.shape[:2]
        largest = min(LARGEST, rows * 0.4)
        side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(largest))))
        aspect *= float(np.exp(rng.normal(0, 0.2)))
        wide, high = max(5, round(side * aspect**0.5)), max(5, round(side / aspect**0.5))
        spot = _free(boxes, (wide, high), (cols, rows), rng)
        if spot is None:
            continue
        colour, cover = draw(wide, high, rng)
        if not shines and rng.random() < 0.5:
            turn = cv2.getRotationMatrix2D((wide / 2, high / 2), float(rng.normal(0, 25)), 0.9)
            colour = cv2.warpAffine(colour, turn, (wide, high))
            cover = cv2.warpAffine(cover, turn, (wide, high))
        region = canvas[spot[1]:spot[1] + high, spot[0]:spot[0] + wide]
        if not shines:
            # Cloth is as bright as the street is.
            colour = colour * float(np.clip(canvas.mean() / 110, 0.25, 1.3))
        mix = cover[:, :, None] * float(rng.uniform(0.85, 1.0))
        region[:] = (region * (1 - mix) + colour * mix).clip(0, 255).astype(np.uint8)


def _free(boxes: Floats, size: tuple[int, int], whole: tuple[int, int], rng: np.random.Generator
          ) -> tuple[int, int] | None:
    """A corner from which a decoy meets no box."""
    if size[0] >= whole[0] or size[1] >= whole[1]:
        return None
    for _ in range(TRIES):
        x, y = int(rng.integers(whole[0] - size[0])), int(rng.integers(whole[1] - size[1]))
        apart = (boxes[:, 3] < x) | (boxes[:, 1] > x + size[0]) | \
            (boxes[:, 4] < y) | (boxes[:, 2] > y + size[1])
        if bool(apart.all()):
            return x, y
    return None
