"""Random labelled pictures for training; classes: 0 fire, 1 smoke, 2 person."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera, Imaging, develop, recompress, tone_map
from .fire import Billboard, FireLook, compose, fire_light, flame_box, smoke_box
from .fluid import Plume, bed
from .light import Light, rgb
from .person import LIP, Arm, Pose, figure, materials, random_outfit, random_pose
from .scene import Scene, add_glow, random_scene
from .solid import Cone, Sprite, bounds, paste, rasterise
from .vehicles import PAINT, Car, bike_materials, motorbike

Label = tuple[int, float, float, float, float]
WIDTH, HEIGHT = 512, 288
POOL, SNAPS = 40, 14
# Every stream of this module starts from this tag; the demo clips use another one (see clips.py),
# so that no training picture can share a scene, plume or outfit with a demo clip.
TAG = 0x7EA1
MIN_PERSON_PX = 9


@lru_cache(maxsize=POOL)
def _plume_pool(index: int) -> list[Plume]:
    """Snapshots of one simulated fire, from small to full size."""
    rng = np.random.default_rng([TAG, 1, index])
    flame = float(rng.uniform(5.0, 13.0))
    wide = flame * float(rng.uniform(0.6, 1.5))
    h, w = 136, 96
    plume = Plume(w, h, h - 6.0, 1000 + index, flame, float(rng.uniform(0.12, 0.2)) * flame,
                  float(rng.uniform(14, 32)), float(rng.normal(0, 0.25)))
    soot = float(rng.uniform(0.02, 0.10))
    out: list[Plume] = []
    for n in range(40 + SNAPS * 5):
        half = wide * min(0.35 + n / 70.0, 1.0)
        plume.step(bed(plume, w / 2, half, flame * 0.28), w / 2, half, soot)
        if n >= 40 and n % 5 == 4:
            snap = object.__new__(Plume)
            snap.w, snap.h, snap.base, snap.rise = w, h, plume.base, plume.rise
            snap.heat, snap.smoke = plume.heat.copy(), plume.smoke.copy()
            out.append(snap)
    return out


class _Picture:
    """One picture in the making: linear frame, depth and labels."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene, self.rng = scene, rng
        self.frame = scene.base()
        self.depth = scene.depth if scene.depth is not None else scene.gb.depth
        self.labels: list[tuple[int, int, int, int, int]] = []
        self.people: list[tuple[Sprite, np.ndarray]] = []

    def shade(self, cones: list[Cone], strength: float = 1.0) -> None:
        """Darken the ground and walls where a figure stands in the way of the lamps."""
        scene = self.scene
        scene.contact(self.frame, cones, 0.5 * strength)
        for light, lit in list(zip(scene.lights, scene.layers))[:2]:
            self.frame -= strength * (lit - scene.shadowed(lit, light, cones, 0.8))
        np.maximum(self.frame, 0.0, out=self.frame)

    def put(self, sprite: Sprite | None) -> np.ndarray | None:
        """Paste a solid; returns its visible coverage."""
        if sprite is None:
            return None
        return paste(self.frame, self.depth, sprite, True)


def _spot(cam: Camera, rng: np.random.Generator, near: float, far: float) -> tuple[float, float]:
    """Random ground point inside the view."""
    for _ in range(20):
        u, v = rng.uniform(0.04, 0.96) * cam.width, rng.uniform(0.15, 1.05) * cam.height
        ray = (cam.fwd + cam.right * ((u - cam.width / 2) / cam.focal)
               - cam.up * ((v - cam.height / 2) / cam.focal))
        if ray[2] > -0.02:
            continue
        t = -cam.pos[2] / ray[2]
        if near < t < far:
            hit = cam.pos + ray * t
            return float(hit[0]), float(hit[1])
    hit = cam.pos + cam.fwd * rng.uniform(near, far)
    return float(hit[0]), float(hit[1])


def _rider(rng: np.random.Generator, x: float, y: float) -> tuple[list[Cone], list]:
    """A person riding a motorbike, as cones and a joined material table."""
    heading = float(rng.uniform(-np.pi, np.pi))
    outfit = random_outfit(rng)
    outfit.headgear, outfit.skirt = "helmet", False
    arm = Arm(0.85, 0.22, 0.45, 0.05)
    pose = Pose(x - 0.22 * np.sin(heading), y - 0.22 * np.cos(heading), heading,
                hip_height=0.535, lean=0.2, left=arm, right=arm,
                foot_left=(0.10, 0.2, 0.17), foot_right=(0.10, -0.2, 0.17))
    body, mats = figure(outfit, pose, 1.64), materials(outfit)
    bike = motorbike(x, y, heading, bool(rng.random() < 0.5))
    shift = len(mats)
    bike = [Cone(c.a, c.b, c.ra, c.rb, c.mat + shift) for c in bike]
    paint = PAINT[rng.integers(len(PAINT))]
    return body + bike, mats + bike_materials(paint, float(rng.uniform(0, 3)),
                                              float(rng.uniform(0, 8)))


def _add_people(pic: _Picture, count: int, grey: bool) -> None:
    cam, rng = pic.scene.cam, pic.rng
    spots = []
    for _ in range(count):
        near = float(rng.choice([2.2, 4.0, 8.0]))
        spots.append(_spot(cam, rng, near, near * 4.0))
    spots.sort(key=lambda p: -p[1])
    for x, y in spots:
        height = float(rng.normal(1.62, 0.09))
        if rng.random() < 0.12:
            cones, mats = _rider(rng, x, y)
        else:
            outfit = random_outfit(rng)
            cones, mats = figure(outfit, random_pose(rng, x, y), height), materials(outfit)
        body = bounds([c for c in cones if c.mat <= LIP], cam)
        if grey:
            for m in mats:
                m.color = np.full(3, m.color.mean() * 0.5 + rng.uniform(0.02, 0.4), np.float32)
                m.color2 = m.color * 0.7
        sprite = rasterise(cones, mats, cam, pic.scene.lights, pic.scene.ambient,
                           int(rng.integers(999)), 300)
        if sprite is None:
            continue
        pic.shade(cones)
        seen = pic.put(sprite)
        if seen is not None and body is not None:
            keep = np.zeros_like(seen)
            x0, y0, x1, y1 = body
            rows, cols = slice(y0 - sprite.y, y1 - sprite.y), slice(x0 - sprite.x, x1 - sprite.x)
            keep[rows, cols] = seen[rows, cols]
            pic.people.append((sprite, keep))


def _contrast(pic: _Picture, mask: np.ndarray, exposure: float) -> float:
    """Difference of tone between a figure and the rim around it, as the camera sees it."""
    tone = tone_map(pic.frame.mean(axis=2) * exposure)
    rim = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool) & ~mask
    if not rim.any():
        return 1.0
    inside, outside = tone[mask], tone[rim]
    return float(abs(inside.mean() - outside.mean()) + 0.7 * inside.std())


def _label_people(pic: _Picture, exposure: float) -> None:
    """Boxes of the parts that stay visible after nearer figures were drawn."""
    h, w = pic.frame.shape[:2]
    for k, (sprite, seen) in enumerate(pic.people):
        visible = np.zeros((h, w), np.float32)
        sh, sw = seen.shape
        visible[sprite.y:sprite.y + sh, sprite.x:sprite.x + sw] = seen
        full = float(sprite.alpha.sum())
        for other, cover in pic.people[k + 1:]:
            oh, ow = cover.shape
            visible[other.y:other.y + oh, other.x:other.x + ow] *= 1.0 - cover
        mask = visible > 0.35
        if mask.sum() < 0.25 * full or mask.sum() < 14:
            continue
        if _contrast(pic, mask, exposure) < 0.028:
            continue
        ys, xs = np.nonzero(mask)
        if ys.max() - ys.min() + 1 >= MIN_PERSON_PX:
            pic.labels.append((2, int(xs.min()), int(ys.min()), int(xs.max()) + 1,
                               int(ys.max()) + 1))


def _add_fire(pic: _Picture, exposure: float, day: bool) -> None:
    """One burning thing with smoke and its glow; labels the visible extent."""
    cam, rng, scene = pic.scene.cam, pic.rng, pic.scene
    plume = _plume_pool(int(rng.integers(POOL)))[int(rng.integers(SNAPS))]
    x, y = _spot(cam, rng, 4.0, 24.0)
    tall = float(np.exp(rng.uniform(np.log(0.5), np.log(4.5))))
    rows = np.nonzero(plume.heat.max(axis=1) > 0.12)[0]
    cell = tall / max(plume.base - rows.min() if rows.size else 10.0, 8.0)
    base = np.array([x, y, max(rng.uniform(-0.5, 1.0), 0.0)], np.float32)
    board = Billboard(base, cell, bool(rng.random() < 0.5))
    look = FireLook(gain=float(np.exp(rng.uniform(0.5, 2.4))) / exposure * (1.6 if day else 1.0),
                    green=float(rng.uniform(0.22, 0.42)), blue=float(rng.uniform(0.02, 0.08)),
                    smoke=float(rng.choice([0.0, 1.0, 2.5, 5.0, 8.0])),
                    soot=float(rng.choice([0.05, 0.12, 0.3, 0.55])))
    glow = fire_light(plume, board, look)
    glow.color *= float(rng.uniform(0.3, 1.0))
    pic.frame += scene.gb.light_radiance(glow)
    scene.lights.append(glow)
    before = tone_map(pic.frame * exposure)
    fill = scene.ambient.sky + sum((lt.color * 0.012 for lt in scene.lights[:2]), rgb(0, 0, 0))
    flame, opacity = compose(pic.frame, plume, board, cam, look, fill)
    change = np.abs(tone_map(pic.frame * exposure) - before).mean(axis=2)
    flame_on = cv2.dilate((flame * exposure > 0.25).astype(np.uint8), np.ones((5, 5), np.uint8))
    fire = flame_box(flame * exposure, 0.35)
    if fire and (fire[2] - fire[0]) >= 4 and (fire[3] - fire[1]) >= 4:
        pic.labels.append((0, *fire))
    smoke = smoke_box(np.where(flame_on > 0, 0.0, change * (opacity > 0.08)), 0.06)
    if smoke and (smoke[2] - smoke[0]) * (smoke[3] - smoke[1]) > 300:
        pic.labels.append((1, *smoke))


def _add_vehicles(pic: _Picture, night: bool) -> None:
    """Cars with head and brake lights: hard negatives."""
    cam, rng, scene = pic.scene.cam, pic.rng, pic.scene
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        x, y = _spot(cam, rng, 6.0, 26.0)
        on = night and rng.random() < 0.7
        car = Car(x, y, float(rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2]) + rng.normal(0, .15)),
                  PAINT[rng.integers(len(PAINT))], bool(rng.random() < 0.3),
                  float(on * rng.uniform(4, 25)), float(on * rng.uniform(0.5, 8)))
        if on:
            f = np.array([np.sin(car.heading), np.cos(car.heading), 0.0], np.float32)
            for lamp in car.lamps():
                beam = Light(lamp.astype(np.float32), rgb(1, 0.92, 0.8, 6.0), 14.0,
                             f - np.array([0, 0, 0.12], np.float32), shadow=False)
                pic.frame += scene.gb.light_radiance(beam)
        mask = car.draw(pic.frame, cam, scene.lights, scene.ambient, pic.depth)
        near = cam.project(np.array([[x, y, 0.5]], np.float32))[0, 2]
        pic.depth[mask > 0.5] = np.minimum(pic.depth[mask > 0.5], near)
        if on:
            facing = float(f @ (cam.pos - np.array([x, y, 1.0], np.float32))) > 0
            for lamp in car.lamps():
                spot = lamp if facing else lamp - f * 4.6
                col = rgb(1, .93, .82, car.head) if facing else rgb(1, .05, .02, car.tail)
                add_glow(pic.frame, cam, spot, 0.11, col)


def _add_distractors(pic: _Picture) -> None:
    """Coloured lamps, lanterns and reflections that must not be taken for fire."""
    cam, rng = pic.scene.cam, pic.rng
    for _ in range(int(rng.integers(0, 6))):
        x, y = _spot(cam, rng, 5.0, 35.0)
        col = [rgb(1, .5, .12), rgb(1, .1, .04), rgb(1, .9, .7), rgb(1, .75, .2),
               rgb(.2, 1, .4)][rng.integers(5)]
        pos = np.array([x, y, rng.uniform(0.3, 4.5)], np.float32)
        u, v, _ = cam.project(pos[None])[0]
        if any(x0 - 12 < u < x1 + 12 and y0 - 12 < v < y1 + 12
               for _, x0, y0, x1, y1 in pic.labels):
            continue
        add_glow(pic.frame, cam, pos, float(rng.uniform(0.04, 0.3)),
                 col * float(np.exp(rng.uniform(-0.5, 3.2))))


def _imaging(rng: np.random.Generator, light: str, grey: bool) -> Imaging:
    base = {"night": np.exp(rng.uniform(0.5, 2.0)), "dusk": rng.uniform(1.0, 2.4),
            "day": rng.uniform(0.9, 1.9)}[light]
    tint = tuple(float(t) for t in rng.normal(1.0, 0.05, 3))
    return Imaging(exposure=float(base), bloom=float(rng.uniform(0.02, 0.12)),
                   vignette=float(rng.uniform(0, 0.5)), blur=float(rng.uniform(0.2, 1.0)),
                   noise=float(rng.uniform(0.004, 0.05) if light == "night" else 0.006),
                   grey=grey, tint=tint, saturation=float(rng.uniform(0.7, 1.25)))


def render_training_sample(seed: int) -> tuple[np.ndarray, list[Label]]:
    """Random labelled picture: BGR uint8 (288, 512, 3) and normalised boxes.

    Deterministic by seed (any non-negative integer).
    """
    if seed < 0:
        raise ValueError("seed must not be negative")
    rng = np.random.default_rng([TAG, 0, seed])
    light = str(rng.choice(["night", "dusk", "day"], p=[0.7, 0.12, 0.18]))
    grey = bool(light == "night" and rng.random() < 0.22)
    scene = random_scene(rng, WIDTH, HEIGHT, light)
    img = _imaging(rng, light, grey)
    if grey:
        scene.lights = scene.lights[:int(rng.integers(0, 2))]
        scene.lights.append(Light(scene.cam.pos + np.array([0.1, 0.1, 0.0], np.float32),
                                  rgb(1, 1, 1, float(rng.uniform(4, 18))), 3.0, scene.cam.fwd,
                                  shadow=False))
    pic = _Picture(scene, rng)
    _add_vehicles(pic, light == "night")
    fires = int(rng.choice([0, 1, 2], p=[0.5, 0.42, 0.08]))
    behind = rng.random() < 0.5
    people = int(rng.choice([0, 1, 2, 3, 4], p=[0.2, 0.32, 0.24, 0.14, 0.1]))
    if not behind:
        _add_people(pic, people, grey)
    for _ in range(fires):
        _add_fire(pic, img.exposure, light == "day")
    if behind:
        _add_people(pic, people, grey)
    _label_people(pic, img.exposure)
    if light != "day":
        _add_distractors(pic)
    bgr = develop(pic.frame, img, rng)
    bgr = recompress(bgr, int(rng.integers(35, 95)))
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float64)
    return bgr, [(c, *(float(v) for v in np.array(b) / scale)) for c, *b in pic.labels]
