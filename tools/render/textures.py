"""Procedural surfaces: asphalt, pavement, plaster, shutters, gates, signs, windows."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import cv2
import numpy as np

from .gbuffer import Shader
from .light import rgb
from .noise import pick, sample, smoothstep, tile

WALLS = [(0.55, 0.42, 0.2), (0.5, 0.48, 0.42), (0.28, 0.38, 0.3), (0.32, 0.42, 0.48),
         (0.5, 0.3, 0.26), (0.42, 0.36, 0.28), (0.36, 0.36, 0.36), (0.6, 0.56, 0.46)]
METALS = [(0.22, 0.26, 0.3), (0.3, 0.3, 0.3), (0.12, 0.22, 0.18), (0.32, 0.2, 0.12),
          (0.16, 0.2, 0.32), (0.4, 0.38, 0.34)]
WORDS = ["TẠP HÓA", "PHỞ BÒ", "CƠM TẤM", "SỬA XE", "CÀ PHÊ", "NHÀ THUỐC", "VẢI", "KARAOKE",
         "BÚN CHẢ", "HOA TƯƠI", "GIẶT ỦI", "ĐIỆN THOẠI", "BÁNH MÌ", "XE MÁY", "VẬT TƯ", "24H"]
FRONTS = ["shutter", "shutter", "gate", "fold", "shop"]


def _n(u: np.ndarray, v: np.ndarray, scale: float, seed: int, slope: float = 1.6) -> np.ndarray:
    """Noise in metres: `scale` texels per metre."""
    look = sample if scale < 30.0 and slope > 1.5 and u.size < 40000 else pick
    return look(tile(seed % 6, slope), u * scale + seed * 37.3, v * scale + seed * 91.7)


@dataclass
class Road:
    """Ground: asphalt between kerbs at x = ±half, tiled pavement beyond."""

    half: float
    seed: int
    tone: float = 0.085
    marks: bool = False
    across: bool = False

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, None]:
        """Albedo of ground points."""
        if self.across:
            x, y = y, x
        s = self.seed
        coarse, fine = _n(x, y, 9.0, s), _n(x, y, 85.0, s + 1, 1.0)
        tone = self.tone * (1.0 + 0.16 * coarse + 0.17 * fine)
        patch = _n(np.floor(x / 1.7), np.floor(y / 2.9), 47.0, s + 2, 0.6) > 1.1
        tone = np.where(patch, tone * 0.72, tone)
        crack = np.abs(_n(x, y, 14.0, s + 3, 1.9)) < 0.018
        tone = np.where(crack, tone * 0.55, tone)
        out = tone[:, None] * rgb(1.03, 1.0, 0.95)
        if self.marks:
            line = (np.abs(x) < 0.06) & (np.mod(y, 4.0) < 2.2)
            out[line] = (0.4 * (0.9 + 0.2 * fine[line]))[:, None]
        out *= (1.0 - 0.3 * np.exp(-((np.abs(x) - self.half) / 0.3) ** 2))[:, None]
        walk = np.abs(x) > self.half
        if walk.any():
            out[walk] = self._pavement(x[walk], y[walk], fine[walk])
        return np.maximum(out, 0.005), None

    def _pavement(self, x: np.ndarray, y: np.ndarray, fine: np.ndarray) -> np.ndarray:
        edge = np.abs(x) - self.half
        cell = 0.4
        joint = (np.mod(x, cell) < 0.025) | (np.mod(y, cell) < 0.025)
        shade = _n(np.floor(x / cell), np.floor(y / cell), 53.0, self.seed + 4, 0.4)
        base = 0.17 * (1.0 + 0.13 * shade + 0.1 * fine + 0.1 * _n(x, y, 11.0, self.seed))
        base = np.where(joint, base * 0.6, base)
        out = base[:, None] * rgb(1.05, 0.96, 0.84)
        kerb = edge < 0.2
        out[kerb] = (0.24 * (1.0 + 0.1 * fine[kerb]))[:, None]
        return out


def plaster(color: tuple[float, float, float], seed: int) -> Shader:
    """Painted wall with rain streaks and a dirty foot."""
    def shade(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, None]:
        dirt = _n(a, b * 0.25, 22.0, seed) * 0.10 + _n(a, b, 60.0, seed + 1, 1.1) * 0.05
        foot = 0.35 * np.exp(-b / 0.5)
        stain = 0.3 * smoothstep(0.8, 2.0, _n(a, b * 0.12, 16.0, seed + 2))
        tone = np.clip(1.0 + dirt - foot - stain, 0.15, 1.4)
        return np.array(color, np.float32) * tone[:, None], None
    return shade


def _write(img: np.ndarray, text: str) -> None:
    """Draw text in white; without OpenCV 5's own font the accents are left out."""
    if hasattr(cv2, "FontFace"):
        cv2.putText(img, text, (12, 46), 255, cv2.FontFace("sans"), 36, 400)
        img[:] = cv2.dilate(img, np.ones((2, 2), np.uint8))
        return
    plain = unicodedata.normalize("NFD", text.replace("Đ", "D"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    cv2.putText(img, plain, (12, 46), cv2.FONT_HERSHEY_DUPLEX, 1.15, 255, 3, cv2.LINE_AA)


def text_image(text: str, fore: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Signboard picture in linear RGB."""
    img = np.zeros((62, 40 * max(len(text), 3) + 200), np.uint8)
    _write(img, text)
    used = np.nonzero(img.max(axis=0))[0]
    img = img[:, : int(used.max()) + 14 if used.size else 60]
    m = (img.astype(np.float32) / 255.0)[..., None]
    return m * fore + (1.0 - m) * back


def sign(a: np.ndarray, b: np.ndarray, img: np.ndarray) -> np.ndarray:
    """Sample a sign picture at a, b in 0..1 (b upwards)."""
    h, w = img.shape[:2]
    x = np.clip((a * w).astype(int), 0, w - 1)
    y = np.clip(((1.0 - b) * h).astype(int), 0, h - 1)
    return img[y, x]


@dataclass
class House:
    """Facade of a tube house; local coordinates a along the street, b upwards."""

    a0: float
    width: float
    height: float
    wall: tuple[float, float, float]
    metal: tuple[float, float, float]
    front: str
    seed: int
    sign_text: str = ""
    sign_fore: np.ndarray | None = None
    sign_back: np.ndarray | None = None
    sign_glow: float = 0.0
    lit: float = 0.0
    lit_color: np.ndarray | None = None
    storey: float = 3.3
    mirror: bool = False

    @staticmethod
    def random(a0: float, rng: np.random.Generator, glow: float = 1.0) -> "House":
        """A random facade."""
        vivid = [rgb(0.5, 0.02, 0.02), rgb(0.02, 0.1, 0.4), rgb(0.02, 0.3, 0.1), rgb(0.6, 0.4, 0),
                 rgb(0.6, 0.6, 0.6), rgb(0.5, 0.15, 0.0)]
        k = rng.integers(6)
        tone = [rgb(1, 0.7, 0.35), rgb(0.8, 0.9, 1), rgb(1, 0.9, 0.7)][rng.integers(3)]
        return House(
            a0, float(rng.uniform(3.4, 5.2)), float(rng.choice([3.6, 6.9, 10.2, 13.2])),
            WALLS[rng.integers(len(WALLS))], METALS[rng.integers(len(METALS))],
            str(rng.choice(FRONTS, p=[.35, .2, .2, .2, .05])),
            int(rng.integers(1 << 20)),
            str(rng.choice(WORDS)) if rng.random() < 0.6 else "",
            vivid[(k + 1 + rng.integers(5)) % 6] * 1.4, vivid[k],
            float(glow * rng.choice([0.0, 0.0, 0.0, 0.25, 0.8])),
            float(glow * (rng.random() < 0.3) * rng.uniform(0.2, 0.9)), tone)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Albedo and emission on the facade plane."""
        x = a - self.a0
        out, _ = plaster(self.wall, self.seed)(a, b)
        out = out.copy()
        emit = np.zeros_like(out)
        edge = (x < 0.14) | (x > self.width - 0.14)
        out[edge] *= 0.8
        ground = (b < 2.75) & (x > 0.28) & (x < self.width - 0.28)
        self._front(out, emit, x, b, ground)
        board = (b >= 2.8) & (b < 3.45) & (x > 0.2) & (x < self.width - 0.2)
        if self.sign_text and board.any():
            img = text_image(self.sign_text, self.sign_fore, self.sign_back)
            along = (x[board] - 0.2) / (self.width - 0.4)
            along = 1.0 - along if self.mirror else along
            col = sign(along, (b[board] - 2.8) / 0.65, img)
            fade = 1.0 + 0.12 * _n(x[board], b[board], 25.0, self.seed + 9)
            out[board] = col * (0.75 * np.clip(fade, 0.5, 1.2))[:, None]
            emit[board] = col * self.sign_glow
        self._upper(out, emit, x, b)
        return out, emit

    def _front(self, out: np.ndarray, emit: np.ndarray, x: np.ndarray, b: np.ndarray,
               m: np.ndarray) -> None:
        """Ground floor: roll shutter, bar gate, folding gate or an open shop."""
        xm, bm = x[m], b[m]
        metal = np.array(self.metal, np.float32)
        grime = 1.0 + 0.13 * _n(xm, bm, 20.0, self.seed + 5) - 0.35 * np.exp(-bm / 0.3)
        if self.front == "shutter":
            tone = 0.75 + 0.3 * np.sin(bm * 2 * np.pi / 0.11) * np.exp(-0.4)
            col = metal * (tone * grime)[:, None]
        elif self.front == "gate":
            bar = np.mod(xm, 0.13) < 0.035
            rail = np.mod(bm + 0.1, 0.95) < 0.07
            col = np.where((bar | rail)[:, None], metal * grime[:, None], metal * 0.18)
        elif self.front == "fold":
            fold = np.abs(np.mod(xm, 0.34) / 0.34 - 0.5) * 2.0
            tone = 0.45 + 0.6 * fold
            col = metal * (tone * grime)[:, None]
        else:
            shelf = (np.mod(bm, 0.55) < 0.05) | (np.mod(xm, 0.9) < 0.04)
            cell = (np.floor(xm / 0.13), np.floor(bm / 0.16))
            goods, hue = _n(*cell, 53.0, self.seed + 6, 0.4), _n(*cell, 71.0, self.seed + 7, 0.4)
            tone = 0.13 + 0.035 * goods + 0.05 * _n(xm, bm, 70.0, self.seed + 8)
            warm = [1.1 + 0.15 * hue, np.ones_like(hue), 0.85 - 0.15 * hue]
            col = tone[:, None] * np.stack(warm, -1)
            dim = np.where(shelf | (np.abs(xm - self.width * 0.5) < 0.35), 0.3, 1.0)
            col = np.clip(col, 0.02, 0.5) * dim[:, None]
            emit[m] = col * self.lit_color * (0.15 + 0.9 * self.lit)
        out[m] = np.maximum(col, 0.01)

    def _upper(self, out: np.ndarray, emit: np.ndarray, x: np.ndarray, b: np.ndarray) -> None:
        """Windows, balcony rails and floor slabs above the ground floor."""
        level = np.floor((b - 3.5) / self.storey)
        z = b - 3.5 - level * self.storey
        up = (b > 3.5) & (b < self.height - 0.4)
        slab = up & (z < 0.2)
        out[slab] *= 0.7
        mid = self.width * 0.5
        pane = up & (np.abs(x - mid) < self.width * 0.27) & (z > 0.5) & (z < 2.5)
        frame = pane & ((np.mod(np.abs(x - mid), self.width * 0.135) < 0.04)
                        | (np.abs(z - 1.9) < 0.03))
        out[pane] = rgb(0.05, 0.06, 0.07)
        bright = _n(level, level, 131.0, self.seed + 8, 0.3) > 0.55
        glow = pane & ~frame & bright & (self.lit > 0.0)
        drape = 0.6 + 0.4 * np.sin(x[glow] * 23.0)
        emit[glow] = self.lit_color * (0.5 * self.lit * drape)[:, None]
        out[frame] = np.array(self.metal, np.float32) * 0.8
        rail = up & (z > 0.2) & (z < 1.1) & ((np.mod(x, 0.14) < 0.03) | (z > 1.04))
        out[rail] = np.array(self.metal, np.float32)
