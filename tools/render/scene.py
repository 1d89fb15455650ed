"""Street scenes: facades, road, lamps, cables, parked motorbikes, and their lighting."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .camera import Camera
from .gbuffer import GBuffer, Rect, box, flat
from .light import LAMP_COLOURS, Ambient, Light, rgb
from .solid import Cone, Material, paste, rasterise, shadow_mask
from .textures import House, Road
from .vehicles import PAINT, bike_materials, motorbike


@dataclass
class Prop:
    """A static solid in the scene."""

    cones: list[Cone]
    mats: list[Material]
    seed: int = 0
    shadow: bool = True


@dataclass
class Cable:
    """Sagging overhead cable between two points."""

    a: np.ndarray
    b: np.ndarray
    sag: float
    thick: float = 1.0


@dataclass
class Scene:
    """Everything that does not move, with its lights."""

    cam: Camera
    gb: GBuffer
    lights: list[Light]
    ambient: Ambient
    props: list[Prop] = field(default_factory=list)
    cables: list[Cable] = field(default_factory=list)
    globes: list[tuple[np.ndarray, float, np.ndarray]] = field(default_factory=list)
    planes: list[tuple[int, float]] = field(default_factory=lambda: [(2, 0.0)])
    depth: np.ndarray | None = None
    layers: list[np.ndarray] = field(default_factory=list)
    detail: int = 420

    def shadowed(self, radiance: np.ndarray, light: Light, cones: list[Cone],
                 strength: float = 0.85) -> np.ndarray:
        """Radiance of one light with the shadow of a solid taken out."""
        out = radiance
        for axis, offset in self.planes:
            mask = shadow_mask(cones, light, self.cam, axis, offset)
            if mask.max() > 0.0:
                on = np.abs(self.gb.pos[..., axis] - offset) < 0.04
                out = out * (1.0 - strength * (mask * on))[..., None]
        return out

    def drop_shadow(self, frame: np.ndarray, cones: list[Cone], strength: float = 0.85) -> None:
        """Take a moving solid's shadows out of a frame made by base()."""
        self.contact(frame, cones)
        for light, lit in zip(self.lights, self.layers):
            if light.shadow:
                frame -= lit - self.shadowed(lit, light, cones, strength)
        np.maximum(frame, 0.0, out=frame)

    def light_layer(self, light: Light) -> np.ndarray:
        """Surfaces and props lit by one light only (black elsewhere)."""
        none = Ambient(rgb(0, 0, 0), rgb(0, 0, 0))
        frame = self.gb.light_radiance(light)
        if light.shadow:
            for prop in self.props:
                if prop.shadow:
                    frame = self.shadowed(frame, light, prop.cones, 0.8)
        depth = self.gb.depth.copy()
        for prop in self.props:
            mats = [Material(m.color, m.wrinkle, m.gloss, m.pattern, m.color2, None, m.wrap)
                    for m in prop.mats]
            sprite = rasterise(prop.cones, mats, self.cam, [light], none, prop.seed,
                               self.detail)
            if sprite is not None:
                paste(frame, depth, sprite, True)
        return frame

    def base(self) -> np.ndarray:
        """Linear radiance of the whole static scene; also fixes the depth buffer."""
        frame = self.gb.ambient_radiance(self.ambient) + self.gb.emit
        for prop in self.props:
            self.contact(frame, prop.cones)
        self.layers = []
        for light in self.lights:
            lit = self.gb.light_radiance(light)
            self.layers.append(lit)
            for prop in self.props:
                if prop.shadow and light.shadow:
                    lit = self.shadowed(lit, light, prop.cones, 0.8)
            frame += lit
        self.depth = self.gb.depth.copy()
        for prop in self.props:
            sprite = rasterise(prop.cones, prop.mats, self.cam, self.lights, self.ambient,
                               prop.seed, self.detail)
            if sprite is not None:
                paste(frame, self.depth, sprite, True)
        self._draw_cables(frame)
        for pos, radius, color in self.globes:
            add_glow(frame, self.cam, pos, radius, color, self.depth)
        return frame

    def contact(self, frame: np.ndarray, cones: list[Cone], strength: float = 0.55) -> None:
        """Ambient contact shadow under a solid."""
        points = np.array([c.a for c in cones] + [c.b for c in cones], np.float32)
        top = np.append(points[:, :2].mean(axis=0), 12.0).astype(np.float32)
        mask = shadow_mask(cones, Light(top, rgb(1, 1, 1)), self.cam, 2, 0.0, 0.10)
        frame *= (1.0 - strength * mask * self.gb.ground)[..., None]

    def _draw_cables(self, frame: np.ndarray) -> None:
        layer = np.zeros(frame.shape[:2], np.float32)
        t = np.linspace(0.0, 1.0, 24)[:, None].astype(np.float32)
        for c in self.cables:
            pts = c.a + (c.b - c.a) * t
            pts[:, 2] -= c.sag * 4.0 * (t * (1 - t))[:, 0]
            uvd = self.cam.project(pts)
            ok = uvd[:, 2] > 0.5
            if ok.sum() > 1:
                line = np.clip(uvd[ok, :2], -4000, 4000)
                cv2.polylines(layer, [np.round(line * 16).astype(np.int32)], False,
                              0.85 * min(c.thick, 1.0), max(int(c.thick), 1), cv2.LINE_AA, 4)
        frame *= (1.0 - layer)[..., None]
        frame += layer[..., None] * 0.004


def add_glow(frame: np.ndarray, cam: Camera, pos: np.ndarray, radius: float, color: np.ndarray,
             depth: np.ndarray | None = None) -> None:
    """Add a small bright source (lamp, head light) as a soft disc."""
    u, v, d = cam.project(np.asarray(pos, np.float32)[None])[0]
    if d < 0.5:
        return
    h, w = frame.shape[:2]
    if depth is not None and 0 <= u < w and 0 <= v < h and depth[int(v), int(u)] < d - 0.3:
        return
    r = max(radius * cam.px(float(d)), 0.7)
    reach = int(4 * r) + 2
    x0, x1 = max(int(u) - reach, 0), min(int(u) + reach + 1, w)
    y0, y1 = max(int(v) - reach, 0), min(int(v) + reach + 1, h)
    if x1 <= x0 or y1 <= y0:
        return
    gx, gy = np.arange(x0, x1)[None, :] + 0.5 - u, np.arange(y0, y1)[:, None] + 0.5 - v
    q = (gx * gx + gy * gy) / (r * r)
    soft = np.exp(-(q**1.5)) + 0.02 * np.maximum(1.0 - q / 16.0, 0.0) ** 2
    frame[y0:y1, x0:x1] += soft[..., None].astype(np.float32) * color


def lamp_post(x: float, y: float, height: float, arm: float, kind: str, power: float,
              across: bool = False) -> tuple[Prop, Light, tuple[np.ndarray, float, np.ndarray]]:
    """Street lamp: pole with arm, light and visible globe; the arm reaches along x (or y)."""
    col = LAMP_COLOURS[kind]
    reach = np.array([0.0, arm, 0.0] if across else [arm, 0.0, 0.0], np.float32)
    foot = np.array([x, y, 0.0], np.float32)
    top = foot + np.array([0, 0, height], np.float32)
    mats = [Material(rgb(0.25, 0.25, 0.25), 0.0, 0.1)]
    cones = [Cone(foot, top, 0.10, 0.07, 0),
             Cone(top, top + reach + np.array([0, 0, 0.2], np.float32), 0.04, 0.03, 0)]
    bulb = top + reach + np.array([0, 0, 0.1], np.float32)
    light = Light(bulb - np.array([0, 0, 0.12], np.float32), col * power, cone=1.2)
    return Prop(cones, mats, shadow=False), light, (bulb, 0.13, col * 14.0)


def facades(gb: GBuffer, axis: int, offset: float, start: float, stop: float,
            rng: np.random.Generator, glow: float, toward: float) -> None:
    """A row of tube houses on the plane coordinate[axis] = offset, with awnings."""
    at = start
    while at < stop:
        house = House.random(at, rng, glow)
        house.mirror = axis == 0 and toward < 0
        gb.add(Rect(axis, offset, (at, 0.0), (at + house.width, house.height), house))
        if rng.random() < 0.45:
            depth = float(rng.uniform(0.5, 1.3)) * toward
            lo, hi = sorted((offset, offset + depth))
            tone = flat(np.array(house.metal, np.float32) * 0.9)
            z = float(rng.uniform(2.6, 2.8))
            ends = ((lo, at + 0.15, z), (hi, at + house.width - 0.15, z + 0.06))
            if axis == 1:
                ends = tuple((p[1], p[0], p[2]) for p in ends)  # type: ignore[assignment]
            for rect in box(ends[0], ends[1], tone):
                gb.add(rect)
        at += house.width


def random_scene(rng: np.random.Generator, width: int, height: int, light: str) -> Scene:
    """A random street: an alley seen lengthwise or a row of houses seen from across."""
    alley = bool(rng.random() < 0.5)
    half = float(rng.uniform(1.8, 4.0))
    wall = half + float(rng.uniform(0.8, 2.5))
    cam = Camera((float(rng.uniform(-0.6, 0.6)) * half, 0.0, float(rng.uniform(2.4, 5.5))),
                 float(rng.normal(0, 0.25)), float(rng.uniform(0.12, 0.42)),
                 float(rng.uniform(0.75, 1.5)), width, height)
    skies = {"night": (rgb(0.006, 0.007, 0.012), 1.0), "dusk": (rgb(0.10, 0.12, 0.2), 0.6),
             "day": (rgb(0.75, 0.85, 1.0), 0.12)}
    sky, glow = skies[light]
    gb = GBuffer(cam, sky * float(rng.uniform(0.5, 1.8)))
    seed = int(rng.integers(1 << 16))
    tone = float(rng.uniform(0.05, 0.14))
    far = float(rng.uniform(6.0, 15.0))
    if alley:
        gb.add(Rect(2, 0.0, (-30, -5), (30, 90), Road(half, seed, tone, rng.random() < 0.4)))
        facades(gb, 0, wall, -3.0, 55.0, rng, glow, -1.0)
        facades(gb, 0, -wall, -3.0, 55.0, rng, glow, 1.0)
        facades(gb, 1, 56.0, -wall - 2, wall + 2, rng, glow, -1.0)
        planes = [(2, 0.0), (0, wall), (0, -wall)]
    else:
        road = Road(far - float(rng.uniform(1.2, 3.0)), seed, tone, rng.random() < 0.4, True)
        gb.add(Rect(2, 0.0, (-60, -5), (60, 90), road))
        facades(gb, 1, far, -28.0, 28.0, rng, glow, -1.0)
        planes = [(2, 0.0), (1, far)]
    gb.finish()
    scene = Scene(cam, gb, [], _random_ambient(rng, light), planes=planes, detail=160)
    _random_lights(scene, rng, light, alley, wall, far)
    _random_clutter(scene, rng, alley, wall, far)
    return scene


def _random_ambient(rng: np.random.Generator, light: str) -> Ambient:
    level = {"night": rng.uniform(0.006, 0.05), "dusk": rng.uniform(0.08, 0.3),
             "day": rng.uniform(0.5, 1.0)}[light]
    tint = rgb(0.8, 0.9, 1.1) if rng.random() < 0.6 else rgb(1.1, 0.9, 0.7)
    return Ambient(tint * np.float32(level), tint * np.float32(level * 0.45))


def _random_lights(scene: Scene, rng: np.random.Generator, light: str, alley: bool, wall: float,
                   far: float) -> None:
    if light == "day" and rng.random() < 0.6:
        sun = np.array([rng.uniform(-60, 60), rng.uniform(-30, 40), 60.0], np.float32)
        scene.lights.append(Light(sun, rgb(1, 0.95, 0.85, 6000.0)))
        return
    count = int(rng.integers(1, 4))
    kinds = list(LAMP_COLOURS)
    for k in range(count):
        kind = kinds[rng.integers(len(kinds))]
        power = float(rng.uniform(3.0, 14.0)) * (1.0 if light == "night" else 0.8)
        if alley:
            side = -1.0 if rng.random() < 0.5 else 1.0
            args = (side * (wall - 0.4), 6.0 + 11.0 * k + rng.uniform(-2, 3))
            prop, lamp, globe = lamp_post(*args, rng.uniform(4.2, 6.5), -side * 1.2, kind, power)
        else:
            args = (rng.uniform(-9, 9), far - 0.5)
            prop, lamp, globe = lamp_post(*args, rng.uniform(4.0, 6.0), -1.2, kind, power, True)
        scene.props.append(prop)
        scene.lights.append(lamp)
        scene.globes.append(globe)


def _random_clutter(scene: Scene, rng: np.random.Generator, alley: bool, wall: float,
                    far: float) -> None:
    for _ in range(int(rng.integers(0, 4))):
        if alley:
            side = -1.0 if rng.random() < 0.5 else 1.0
            x, y = side * (wall - rng.uniform(0.6, 1.2)), rng.uniform(5, 20)
        else:
            x, y = rng.uniform(-6, 6), far - rng.uniform(0.7, 1.4)
        cones = motorbike(float(x), float(y), float(rng.uniform(0, 6.28)), rng.random() < 0.5)
        scene.props.append(Prop(cones, bike_materials(PAINT[rng.integers(len(PAINT))])))
    for _ in range(int(rng.integers(0, 9))):
        z = float(rng.uniform(4.0, 6.5))
        if alley:
            x = float(rng.choice([-1.0, 1.0])) * (wall - 0.4)
            ends = ((x, 3.0, z), (x + rng.normal(0, 0.6), 55.0, z))
        else:
            ends = ((-25.0, far - 0.5, z), (25.0, far - 0.5 + rng.normal(0, 1.0), z))
        scene.cables.append(Cable(np.array(ends[0], np.float32), np.array(ends[1], np.float32),
                                  float(rng.uniform(0.1, 0.7)), float(rng.choice([1, 1, 2]))))
