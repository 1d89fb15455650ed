"""Motorbikes (rounded cones) and cars (shaded polygon mesh)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .light import Ambient, Light, rgb
from .solid import Cone, Material

PAINT = [(0.35, 0.02, 0.02), (0.03, 0.03, 0.035), (0.5, 0.5, 0.5), (0.03, 0.08, 0.25),
         (0.25, 0.25, 0.26), (0.6, 0.6, 0.58), (0.16, 0.02, 0.03), (0.05, 0.18, 0.16)]


def bike_materials(paint: tuple[float, float, float], tail: float = 0.0,
                   head: float = 0.0) -> list[Material]:
    """Paint, rubber, metal, seat, tail lamp, head lamp, mirror."""
    return [Material(np.array(paint, np.float32), 0.0, 0.5), Material(rgb(0.02, 0.02, 0.02)),
            Material(rgb(0.3, 0.3, 0.31), 0.0, 0.7), Material(rgb(0.02, 0.02, 0.022), 0.03, 0.1),
            Material(rgb(0.35, 0.02, 0.015), 0.0, 0.4, emit=rgb(1, 0.05, 0.03, tail)),
            Material(rgb(0.5, 0.5, 0.5), 0.0, 0.8, emit=rgb(1.0, 0.92, 0.8, head)),
            Material(rgb(0.08, 0.08, 0.09), 0.0, 0.6)]


def motorbike(x: float, y: float, heading: float, scooter: bool) -> list[Cone]:
    """Underbone or scooter standing on the ground at (x, y)."""
    f = np.array([np.sin(heading), np.cos(heading), 0.0], np.float32)
    lat = np.array([-np.cos(heading), np.sin(heading), 0.0], np.float32)
    root = np.array([x, y, 0.0], np.float32)

    def at(a: float, b: float, c: float) -> np.ndarray:
        return (root + f * a + lat * b + np.array([0, 0, c], np.float32)).astype(np.float32)

    out: list[Cone] = []
    wheel = 0.22 if scooter else 0.265
    for cx in (0.60, -0.58):
        ring = [at(cx + wheel * np.cos(t), 0, wheel + 0.035 + wheel * np.sin(t))
                for t in np.linspace(0, 2 * np.pi, 15)]
        out += [Cone(p, q, 0.04, 0.04, 1) for p, q in zip(ring[:-1], ring[1:])]
        out += [Cone(at(cx, 0, wheel + 0.035), p, 0.02, 0.008, 2) for p in ring[:-1:3]]
        out.append(Cone(at(cx, 0.05, wheel + 0.03), at(cx, -0.05, wheel + 0.03), 0.06, 0.06, 2))
    out += [Cone(at(0.60, s * 0.06, 0.27), at(0.42, s * 0.06, 0.78), 0.022, 0.03, 2)
            for s in (1, -1)]
    out += [Cone(at(0.62, 0, 0.57), at(0.45, 0, 0.6), 0.05, 0.055, 0),
            Cone(at(0.40, 0.05, 0.82), at(0.46, 0.04, 0.55), 0.10, 0.09, 0),
            Cone(at(0.40, -0.05, 0.82), at(0.46, -0.04, 0.55), 0.10, 0.09, 0),
            Cone(at(0.36, 0.30, 1.0), at(0.42, 0.05, 0.96), 0.022, 0.03, 1),
            Cone(at(0.36, -0.30, 1.0), at(0.42, -0.05, 0.96), 0.022, 0.03, 1),
            Cone(at(0.46, 0.07, 0.92), at(0.46, -0.07, 0.92), 0.085, 0.085, 0),
            Cone(at(0.535, 0.04, 0.91), at(0.535, -0.04, 0.91), 0.05, 0.05, 5)]
    for s in (1, -1):
        out += [Cone(at(0.38, s * 0.24, 1.0), at(0.36, s * 0.33, 1.16), 0.008, 0.008, 6),
                Cone(at(0.36, s * 0.31, 1.17), at(0.36, s * 0.38, 1.17), 0.035, 0.03, 6),
                Cone(at(-0.1, s * 0.08, 0.62), at(-0.66, s * 0.07, 0.70), 0.11, 0.06, 0),
                Cone(at(-0.15, s * 0.15, 0.24), at(-0.62, s * 0.17, 0.36), 0.04, 0.055, 2)]
    low = 0.40 if not scooter else 0.28
    out += [Cone(at(0.40, 0.0, 0.58), at(0.05, 0, low), 0.10, 0.10, 0),
            Cone(at(0.1, 0.07, 0.33), at(-0.2, 0.07, 0.33), 0.11, 0.12, 3),
            Cone(at(0.1, -0.07, 0.33), at(-0.2, -0.07, 0.33), 0.11, 0.12, 3),
            Cone(at(0.10, 0, 0.76), at(-0.62, 0, 0.80), 0.10, 0.085, 3),
            Cone(at(-0.74, 0.05, 0.72), at(-0.74, -0.05, 0.72), 0.045, 0.045, 4),
            Cone(at(-0.70, 0, 0.50), at(-0.80, 0, 0.38), 0.06, 0.05, 1)]
    if scooter:
        out += [Cone(at(0.30, s * 0.12, 0.32), at(-0.1, s * 0.12, 0.30), 0.07, 0.10, 0)
                for s in (1, -1)]
        out += [Cone(at(0.42, s * 0.10, 0.75), at(0.34, s * 0.12, 0.35), 0.11, 0.10, 0)
                for s in (1, -1)]
    return out


@dataclass
class Car:
    """Parked or moving car; profile points are (ahead, up) in metres."""

    x: float
    y: float
    heading: float
    paint: tuple[float, float, float]
    van: bool = False
    head: float = 0.0
    tail: float = 0.0

    def _profile(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        if self.van:
            body = [(-2.2, 0.3), (-2.25, 1.0), (-2.15, 1.85), (-1.9, 1.95), (0.9, 1.92),
                    (1.75, 1.1), (2.2, 0.95), (2.3, 0.6), (2.25, 0.3)]
            glass = [(-1.95, 1.15), (-1.9, 1.75), (0.85, 1.76), (1.5, 1.12)]
        else:
            body = [(-2.1, 0.3), (-2.15, 0.75), (-2.05, 0.98), (-1.5, 1.02), (-0.95, 1.42),
                    (-0.2, 1.5), (0.45, 1.42), (1.15, 1.0), (1.95, 0.84), (2.15, 0.6), (2.1, 0.3)]
            glass = [(-1.3, 1.02), (-0.85, 1.36), (-0.2, 1.42), (0.4, 1.34), (0.95, 1.0)]
        return body, glass

    def faces(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """World polygons with albedo and emission."""
        f = np.array([np.sin(self.heading), np.cos(self.heading), 0.0])
        lat = np.array([-np.cos(self.heading), np.sin(self.heading), 0.0])
        root = np.array([self.x, self.y, 0.0])
        body, glass = self._profile()

        def at(p: tuple[float, float], b: float) -> np.ndarray:
            tumble = b * (1.0 - 0.16 * max(p[1] - 0.95, 0.0))
            return root + f * p[0] + lat * tumble + np.array([0, 0, p[1]])

        paint, dark = np.array(self.paint), rgb(0.015, 0.018, 0.02)
        out = []
        for p, q in zip(body, body[1:] + body[:1]):
            steep = abs(q[1] - p[1]) > 0.25 and min(p[1], q[1]) > 0.7
            col = dark if steep else paint
            out.append((np.array([at(p, .86), at(q, .86), at(q, -.86), at(p, -.86)]), col, None))
        for s in (1.0, -1.0):
            out.append((np.array([at(p, s * 0.86) for p in body]), paint, None))
            out.append((np.array([at(p, s * 0.875) for p in glass]), dark, None))
            for cx in (1.35, -1.35):
                ring = [(cx + 0.31 * np.cos(t), 0.31 + 0.31 * np.sin(t))
                        for t in np.linspace(0, 2 * np.pi, 16, endpoint=False)]
                out.append((np.array([at(p, s * 0.88) for p in ring]), rgb(.012, .012, .012), None))
                hub = [(cx + 0.2 * np.cos(t), 0.31 + 0.2 * np.sin(t))
                       for t in np.linspace(0, 2 * np.pi, 12, endpoint=False)]
                out.append((np.array([at(p, s * 0.885) for p in hub]), rgb(.22, .22, .23), None))
            white, red = rgb(1, .93, .82, self.head), rgb(1, .04, .02, self.tail)
            for end, glow in ((2.2, white), (-2.2, red)):
                if self.van and end > 0:
                    end = 2.32
                z = 0.68 if end > 0 else 0.82
                quad = [root + f * end + lat * (s * b) + np.array([0, 0, z + c])
                        for b, c in ((.5, -.08), (.8, -.08), (.8, .08), (.5, .08))]
                base = rgb(.5, .5, .5) if end > 0 else rgb(.3, .02, .02)
                out.append((np.array(quad), base, glow))
        return out

    def lamps(self) -> np.ndarray:
        """World positions of the two head lamps."""
        f = np.array([np.sin(self.heading), np.cos(self.heading), 0.0])
        lat = np.array([-np.cos(self.heading), np.sin(self.heading), 0.0])
        root = np.array([self.x, self.y, 0.68])
        return np.array([root + f * 2.35 + lat * 0.65, root + f * 2.35 - lat * 0.65])

    def draw(self, frame: np.ndarray, cam: Camera, lights: list[Light], ambient: Ambient,
             depth: np.ndarray | None = None) -> np.ndarray:
        """Paint the car far faces first; returns its coverage mask."""
        items = []
        centre = np.array([self.x, self.y, 0.8])
        for poly, color, emit in self.faces():
            uvd = cam.project(poly)
            if uvd[:, 2].min() < 0.6:
                continue
            mid = poly.mean(axis=0)
            normal = np.cross(poly[1] - poly[0], poly[2] - poly[0])
            normal /= np.linalg.norm(normal) + 1e-6
            if normal @ (mid - centre) < 0:
                normal = -normal
            if normal @ (cam.pos - mid) <= 0:
                continue
            rgb_out = color * ambient.radiance(normal[None])[0]
            for light in lights:
                irr = light.irradiance(mid[None], normal[None], 0.1)[0]
                rgb_out = rgb_out + (color + 0.04) * irr * light.color
            if emit is not None:
                rgb_out = rgb_out + emit
            items.append((-float(np.linalg.norm(mid - cam.pos)), uvd, rgb_out))
        items.sort(key=lambda it: it[0])
        return _paint(frame, items, cam, depth)


def _paint(frame: np.ndarray, items: list[tuple[float, np.ndarray, np.ndarray]], cam: Camera,
           depth: np.ndarray | None) -> np.ndarray:
    """Fill projected polygons into the frame with soft edges."""
    h, w = frame.shape[:2]
    layer, cover = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.uint8)
    near = 1e9
    for _, uvd, col in items:
        pts = np.round(np.clip(uvd[:, :2], -8000, 8000) * 16).astype(np.int32)
        cv2.fillPoly(layer, [pts], [float(c) for c in col], cv2.LINE_8, 4)
        cv2.fillPoly(cover, [pts], 255, cv2.LINE_8, 4)
        near = min(near, float(uvd[:, 2].mean()))
    mask = cv2.GaussianBlur(cover, (0, 0), 0.5).astype(np.float32) / 255.0
    layer = cv2.GaussianBlur(layer, (0, 0), 0.5)
    if depth is not None:
        front = (near < depth + 0.5).astype(np.float32)
        mask, layer = mask * front, layer * front[..., None]
    frame[:] = frame * (1.0 - mask[..., None]) + layer
    return mask
