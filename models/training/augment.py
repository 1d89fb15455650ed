"""Cheap augmentation: one affine warp per picture, colour by look-up tables, noise from a bank.

A canvas is a single picture or a mosaic of four. Besides the pixels and the boxes it carries
`negative`: for each anchor point and class how much the absence of that class may be punished.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

import decoys
from compose import Patch, paste

PAD = 114
STRIDE = 8
MIN_BOX = 4.0
MIN_VISIBLE = 0.3
BLANK_WEIGHT = 1.0
PASTE_FIRE, PASTE_LIGHT, DECOYS = 0.3, 0.25, 0.4
# Of these, and of the jitter of scale, so much is left in a calm stage.
CALM = 0.4
# What can be left out, to see what it brings: mosaics; changes of scale; narrow pictures side by
# side; pasted fires; pasted lamps; drawn decoys; night, made dark or infrared; colours; noise, blur
# and blocks.
PARTS = ("mosaic", "zoom", "pairs", "fires", "lamps", "decoys", "night", "colour", "grain")
# Narrow pictures are set side by side, and enlarged towards filling their cell: padding is what a
# street camera shows least.
PAIR_ASPECT, PAIR, COVER = 1.45, 0.7, 0.5

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass
class Annotated:
    """A picture (BGR) with boxes `(class, x0, y0, x1, y1)` in 0..1.

    `ignore` lists regions (same layout) where that class must not be judged; `negative` holds the
    weight of every class's absence elsewhere.
    """

    image: Pixels
    boxes: Floats
    ignore: Floats
    negative: Floats
    night: bool = False


@dataclass
class Canvas:
    """A training sample: RGB pixels, boxes `(class, x0, y0, x1, y1)` in pixels, absence weights."""

    image: Pixels
    boxes: Floats
    negative: Floats


def fit_boxes(rows: Floats, scale: tuple[float, float], shift: tuple[float, float],
              size: tuple[int, int], cell: tuple[int, int, int, int]) -> tuple[Floats, NDArray]:
    """Move rows into canvas pixels, clip them to the cell; also tell the visible share of each."""
    moved = rows.copy()
    moved[:, 1::2] = rows[:, 1::2] * size[0] * scale[0] + shift[0]
    moved[:, 2::2] = rows[:, 2::2] * size[1] * scale[1] + shift[1]
    full = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    x0, y0, x1, y1 = cell
    moved[:, 1::2] = moved[:, 1::2].clip(x0, x1)
    moved[:, 2::2] = moved[:, 2::2].clip(y0, y1)
    seen = (moved[:, 3] - moved[:, 1]) * (moved[:, 4] - moved[:, 2])
    return moved, seen / np.maximum(full, 1e-6)


def place(canvas: Pixels, weights: Floats, sample: Annotated, cell: tuple[int, int, int, int],
          zoom: float, rng: np.random.Generator) -> Floats:
    """Warp a sample into a cell of the canvas; returns its usable boxes in canvas pixels."""
    x0, y0, x1, y1 = cell
    width, height = x1 - x0, y1 - y0
    rows, cols = sample.image.shape[:2]
    squeeze = float(np.exp(rng.uniform(-0.12, 0.12)))
    scale = min(width / cols, height / rows) * zoom
    sx, sy = scale * squeeze, scale / squeeze
    free_x, free_y = width - cols * sx, height - rows * sy
    dx, dy = rng.uniform(0.0, 1.0, 2)
    shift = (float(dx * free_x), float(dy * free_y))
    flip = rng.random() < 0.5
    matrix = np.array([[sx, 0, shift[0]], [0, sy, shift[1]]], np.float32)
    boxes, ignore = sample.boxes, sample.ignore
    if flip:
        matrix[0] = (-sx, 0, shift[0] + cols * sx)
        boxes, ignore = mirror(boxes), mirror(ignore)
    mode = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    image = sample.image
    if mode == cv2.INTER_AREA:
        small = (max(1, round(cols * sx)), max(1, round(rows * sy)))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        matrix[:, :2] = np.array([[-1 if flip else 1, 0], [0, 1]], np.float32)
    canvas[y0:y1, x0:x1] = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD))
    at = (shift[0] + x0, shift[1] + y0)
    paint(weights, cell, sample.negative)
    hidden, _ = fit_boxes(ignore, (sx, sy), at, (cols, rows), cell)
    kept, share = fit_boxes(boxes, (sx, sy), at, (cols, rows), cell)
    sides = np.minimum(kept[:, 3] - kept[:, 1], kept[:, 4] - kept[:, 2])
    usable = (share >= MIN_VISIBLE) & (sides >= MIN_BOX)
    for row in (*hidden, *kept[~usable]):
        blank(weights, row)
    return kept[usable]


def cover(sample: Annotated, cell: tuple[int, int, int, int]) -> float:
    """How much a picture that fits a cell must be enlarged to fill it."""
    rows, cols = sample.image.shape[:2]
    across, down = (cell[2] - cell[0]) / cols, (cell[3] - cell[1]) / rows
    return max(across, down) / min(across, down)


def mirror(rows: Floats) -> Floats:
    """Boxes of the picture flipped left to right."""
    flipped = rows.copy()
    flipped[:, 1], flipped[:, 3] = 1 - rows[:, 3], 1 - rows[:, 1]
    return flipped


def paint(weights: Floats, cell: tuple[int, int, int, int], value: Floats) -> None:
    """Set the absence weights of a cell."""
    x0, y0, x1, y1 = (round(v / STRIDE) for v in cell)
    weights[y0:y1, x0:x1] = value


def blank(weights: Floats, row: Floats) -> None:
    """Forget the absence weight of one class inside a box."""
    x0, y0 = int(row[1] // STRIDE), int(row[2] // STRIDE)
    x1, y1 = int(-(-row[3] // STRIDE)), int(-(-row[4] // STRIDE))
    weights[y0:y1, x0:x1, int(row[0])] = 0.0


def flatten_levels(weights: Floats) -> Floats:
    """Absence weights of the stride-8 grid for all anchors of strides 8, 16, 32."""
    levels = (weights, weights[1::2, 1::2], weights[2::4, 2::4])
    return np.concatenate([level.reshape(-1, weights.shape[2]) for level in levels])


def infrared(grey: Pixels, rng: np.random.Generator) -> Pixels:
    """A camera's own infrared lamp: a bright spot that falls off, low contrast, glare, haze."""
    rows, cols = grey.shape
    cx, cy = rng.uniform(0.25, 0.75) * cols, rng.uniform(0.35, 0.9) * rows
    reach = rng.uniform(0.35, 0.9) * cols
    ys, xs = np.ogrid[:rows, :cols]
    far = ((xs - cx) ** 2 + ((ys - cy) * 1.4) ** 2).astype(np.float32) / reach**2
    light = 0.25 + rng.uniform(0.5, 1.1) * np.exp(-far)
    picture = grey.astype(np.float32)
    blurred = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.4)))
    low, contrast = rng.uniform(0, 40), rng.uniform(0.4, 1.0)
    lit = (blurred * contrast + low) * light
    if rng.random() < 0.5:
        lit = lit + 0.35 * cv2.GaussianBlur(lit, (0, 0), 6)
    return lit.clip(0, 255).astype(np.uint8)


class Augmenter:
    """Builds canvases of a given size; stateless but for its bank of noise."""

    def __init__(self, width: int, height: int, classes: int, mosaic: float, seed: int,
                 fires: list[Patch] | None = None, lamps: list[Patch] | None = None,
                 calm: bool = False, without: frozenset[str] = frozenset()) -> None:
        self.width, self.height, self.classes, self.without = width, height, classes, without
        self.mosaic = 0.0 if "mosaic" in without else mosaic
        self.much = CALM if calm else 1.0
        self.fires = [] if "fires" in without else fires or []
        self.lamps = [] if "lamps" in without else lamps or []
        rng = np.random.default_rng(seed)
        shape = (height + 64, width + 64, 3)
        self.noise = [rng.normal(0, 16, shape).astype(np.int8) for _ in range(4)]

    def build(self, samples: list[Annotated], rng: np.random.Generator) -> Canvas:
        """One canvas; `samples` holds four pictures, of which a plain canvas uses the first."""
        canvas = np.full((self.height, self.width, 3), PAD, np.uint8)
        grid = (self.height // STRIDE, self.width // STRIDE, self.classes)
        weights = np.full(grid, BLANK_WEIGHT, np.float32)
        if rng.random() < self.mosaic:
            cx = int(rng.uniform(0.35, 0.65) * self.width) // STRIDE * STRIDE
            cy = int(rng.uniform(0.35, 0.65) * self.height) // STRIDE * STRIDE
            cells = ((0, 0, cx, cy), (cx, 0, self.width, cy),
                     (0, cy, cx, self.height), (cx, cy, self.width, self.height))
            zooms = np.exp(rng.uniform(-0.1, 1.0, 4))
            found = [place(canvas, weights, sample, cell, float(zoom), rng)
                     for sample, cell, zoom in zip(samples, cells, zooms)]
            boxes = np.concatenate(found)
        else:
            cells = [(0, 0, self.width, self.height)]
            rows, cols = samples[0].image.shape[:2]
            paired = cols < PAIR_ASPECT * rows and rng.random() < PAIR
            if paired and "pairs" not in self.without:
                middle = int(rng.uniform(0.4, 0.6) * self.width) // STRIDE * STRIDE
                cells = [(0, 0, middle, self.height), (middle, 0, self.width, self.height)]
            found = []
            for sample, cell in zip(samples, cells):
                zoom = float(np.exp(np.clip(rng.normal(0.05, 0.3 * self.much), -0.8, 0.8)))
                if rng.random() < COVER * self.much:
                    zoom *= cover(sample, cell) ** float(rng.random())
                if "zoom" in self.without:
                    zoom = 1.0
                found.append(place(canvas, weights, sample, cell, zoom, rng))
            boxes = np.concatenate(found)
        canvas_free = all(s.negative[0] > 0 for s in samples) and not (boxes[:, 0] == 0).any()
        boxes = self.compose(canvas, boxes, canvas_free, rng)
        if "decoys" not in self.without and rng.random() < DECOYS * self.much:
            decoys.scatter(canvas, boxes, rng)
        has_fire = bool((boxes[:, 0] == 0).any())
        canvas = self.colour(canvas, has_fire, any(s.night for s in samples[:1]), rng)
        return Canvas(np.ascontiguousarray(canvas[:, :, ::-1]), boxes, flatten_levels(weights))

    def compose(self, canvas: Pixels, boxes: Floats, fire_free: bool, rng: np.random.Generator
                ) -> Floats:
        """Paste lamps anywhere and fires where there is none; returns the boxes with the new."""
        if self.lamps and rng.random() < PASTE_LIGHT * self.much:
            for _ in range(int(rng.integers(1, 4))):
                glow = 0.4 * float(rng.random()) if rng.random() < 0.5 else 0.0
                paste(canvas, self.lamps[int(rng.integers(len(self.lamps)))], rng, glow)
        if not (fire_free and self.fires and rng.random() < PASTE_FIRE * self.much):
            return boxes
        for _ in range(int(rng.integers(1, 3))):
            patch = self.fires[int(rng.integers(len(self.fires)))]
            found = paste(canvas, patch, rng, 0.8 * float(rng.random()))
            if found is not None and min(found[2] - found[0], found[3] - found[1]) >= MIN_BOX:
                boxes = np.concatenate((boxes, np.array([[0.0, *found]], np.float32)))
        return boxes

    def colour(self, image: Pixels, fire: bool, night: bool, rng: np.random.Generator) -> Pixels:
        """Exposure, white balance, saturation, infrared grey, and what `grain` adds."""
        ramp = np.arange(256, dtype=np.float32)[:, None] / 255
        may_be_night = "night" not in self.without
        dark = may_be_night and not fire and not night and rng.random() < 0.2
        gamma = np.exp(rng.normal(0.0, 0.2) + (rng.uniform(0.2, 0.9) if dark else 0.0))
        gain = np.exp(rng.normal(0.0, 0.15)) * (rng.uniform(0.3, 0.8) if dark else 1.0)
        balance = np.exp(rng.normal(0.0, 0.04 if fire else 0.08, (1, 3)))
        table = np.clip(ramp**gamma * gain * balance * 255 + rng.normal(0, 6), 0, 255)
        if dark or "colour" not in self.without:
            image = cv2.LUT(image, table.astype(np.uint8)[None])
        pick = rng.random()
        if pick < (0.02 if fire else 0.2):
            if may_be_night:
                grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
                if rng.random() < 0.6:
                    grey = infrared(grey, rng)
                image = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        elif pick < 0.6 and "colour" not in self.without:
            grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            amount = float(rng.uniform(0.65, 1.3))
            image = cv2.addWeighted(image, amount, grey, 1 - amount, 0)
        return image if "grain" in self.without else self.grain(image, dark, rng)

    def grain(self, image: Pixels, dark: bool, rng: np.random.Generator) -> Pixels:
        """Sensor noise, blur and block artefacts."""
        if rng.random() < (0.6 if dark else 0.25):
            bank = self.noise[int(rng.integers(len(self.noise)))]
            y, x = rng.integers(0, 64, 2)
            grain = bank[y:y + image.shape[0], x:x + image.shape[1]]
            image = cv2.scaleAdd(grain.astype(np.float32), float(rng.uniform(0.1, 1.0)),
                                 image.astype(np.float32)).clip(0, 255).astype(np.uint8)
        pick = rng.random()
        if pick < 0.06:
            image = cv2.blur(image, (int(rng.integers(2, 5)), int(rng.integers(1, 4))))
        elif pick < 0.14:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 50))]
            image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
        return image
