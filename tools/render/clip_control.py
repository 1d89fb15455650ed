"""Demo clip: an uneventful night street with every kind of harmless light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera, Imaging, develop
from .gbuffer import GBuffer, Rect
from .light import LAMP_COLOURS, Ambient, Light, rgb
from .noise import wobble
from .scene import Cable, Prop, Scene, add_glow, facades, lamp_post
from .textures import Road, sign, text_image
from .truth import Truth
from .vehicles import Car, bike_materials, motorbike

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 15, 36
SEED = 0xDE303
WALL = 5.6


@dataclass
class Passing:
    """A car that drives along the street: lane x, start time, start y, speed (m/s)."""

    lane: float
    start: float
    y0: float
    speed: float
    paint: tuple[float, float, float]
    van: bool = False
    brake: tuple[float, float] = (-1.0, -1.0)


TRAFFIC = [
    Passing(-1.6, 1.5, 75.0, -8.5, (0.4, 0.4, 0.42)),
    Passing(1.6, 7.0, -6.0, 7.0, (0.10, 0.02, 0.02), brake=(9.4, 12.5)),
    Passing(-1.6, 15.0, 75.0, -7.5, (0.05, 0.06, 0.09), van=True),
    Passing(1.6, 21.0, -6.0, 8.0, (0.5, 0.5, 0.5), brake=(24.0, 26.0)),
    Passing(-1.6, 26.0, 75.0, -9.0, (0.02, 0.02, 0.02)),
]


def build() -> Scene:
    """Wider street with lamps, shop signs, an orange-lit doorway and parked motorbikes."""
    rng = np.random.default_rng([SEED, 12])
    cam = Camera((-2.6, 0.0, 4.3), 0.16, 0.20, 1.10, WIDTH, HEIGHT)
    gb = GBuffer(cam, rgb(0.010, 0.009, 0.011), 2)
    gb.add(Rect(2, 0.0, (-30, -2), (30, 130), Road(3.6, 8, 0.075, True)))
    facades(gb, 0, WALL, -2.0, 80.0, rng, 0.9, -1.0)
    facades(gb, 0, -WALL, -2.0, 80.0, rng, 0.9, 1.0)
    facades(gb, 1, 80.0, -WALL - 4, WALL + 4, rng, 0.9, -1.0)
    gb.finish()
    scene = Scene(cam, gb, [], Ambient(rgb(.014, .016, .022), rgb(.008, .007, .006)),
                  planes=[(2, 0.0), (0, WALL), (0, -WALL)])
    for k, (y, side) in enumerate(((12.0, 1), (27.0, -1), (44.0, 1), (64.0, -1))):
        kind = "sodium" if k % 2 == 0 else "warm"
        prop, lamp, globe = lamp_post(side * 4.9, y, 6.2, -side * 1.5, kind, 13.0)
        scene.props.append(prop)
        scene.lights.append(lamp)
        scene.globes.append(globe)
    door = Light(np.array([WALL - 0.6, 17.5, 1.5], np.float32), rgb(1, 0.42, 0.10, 2.2), radius=0.4)
    scene.lights.append(door)
    for k, y in enumerate((11.0, 11.9, 14.2, 21.0)):
        bike = motorbike(4.6, y, 1.4 + 0.1 * k, k % 2 == 0)
        scene.props.append(Prop(bike, bike_materials(((.3, .02, .02), (.03, .03, .03),
                                                      (.05, .1, .3), (.3, .3, .3))[k])))
    for k in range(6):
        x = -4.9 if k < 3 else 4.9
        ends = np.array([[x, 1.0, 5.2 + 0.2 * k % 3], [x, 80.0, 5.4 + 0.2 * k % 3]], np.float32)
        scene.cables.append(Cable(ends[0], ends[1], 0.4 + 0.15 * k))
    return scene


class BlinkSign:
    """A lit box sign that sticks out of the wall and blinks red and yellow."""

    def __init__(self, scene: Scene) -> None:
        self.light = Light(np.array([WALL - 1.0, 13.6, 3.3], np.float32), rgb(1, 1, 1))
        self.wall = scene.gb.light_radiance(self.light)
        gb = GBuffer(scene.cam, rgb(0, 0, 0), 2)
        img = text_image("KARAOKE", rgb(1, 1, 1), rgb(0.12, 0.12, 0.12))

        def shade(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            col = sign((a - WALL + 1.7) / 1.6, (b - 2.9) / 0.75, img)
            return col * 0.0, col
        gb.emit[:] = 0.0
        gb.add(Rect(1, 13.8, (WALL - 1.7, 2.9), (WALL - 0.1, 3.65), shade))
        gb.finish()
        self.face = gb.emit
        self.cover = np.clip(gb.emit.max(axis=2) / 0.12, 0.0, 1.0)

    def draw(self, frame: np.ndarray, t: float) -> None:
        """Add the sign as it looks at time t."""
        phase = t % 2.4
        col, gain = (rgb(1, 0.08, 0.05), 1.6) if phase < 1.1 else (rgb(1, 0.55, 0.05), 1.5)
        if 1.1 <= phase < 1.3 or phase > 2.2:
            gain = 0.06
        frame *= (1.0 - self.cover)[..., None]
        frame += self.face * col * gain + self.wall * col * (gain * 0.35)


class Insects:
    """Blurred insects that cross near the lens, lit by the camera's lamp."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng([SEED, 5])
        self.items: list[list[float]] = []

    def draw(self, frame: np.ndarray, dt: float) -> None:
        """Move and draw; items hold x, y, vx, vy, radius, life."""
        rng = self.rng
        if rng.random() < 0.7 * dt:
            self.items.append([rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT),
                               rng.normal(0, 260), rng.normal(0, 160), rng.uniform(1.2, 4.5), 1.4])
        layer = np.zeros((HEIGHT, WIDTH), np.float32)
        for p in self.items:
            start = (int(p[0] * 8), int(p[1] * 8))
            p[2] += rng.normal(0, 900) * dt
            p[3] += rng.normal(0, 900) * dt
            p[0] += p[2] * dt
            p[1] += p[3] * dt
            p[5] -= dt
            cv2.line(layer, start, (int(p[0] * 8), int(p[1] * 8)), 0.16, max(int(p[4]), 1),
                     cv2.LINE_AA, 3)
        self.items = [p for p in self.items if p[5] > 0]
        frame += cv2.GaussianBlur(layer, (0, 0), 1.6)[..., None] * rgb(1.0, 0.95, 0.85)


def _drive(frame: np.ndarray, scene: Scene, item: Passing, t: float) -> None:
    """Draw one passing car with its beams, brake lights and glow on the road."""
    y = item.y0 + item.speed * (t - item.start)
    if t < item.start or not 7.0 < y < 74.0:
        return
    away = item.speed > 0
    brake = item.brake[0] <= t < item.brake[1]
    car = Car(item.lane, y, 0.0 if away else np.pi, item.paint, item.van, 26.0,
              9.0 if brake else 1.6)
    ahead = np.array([0.0, 1.0 if away else -1.0, 0.0], np.float32)
    nose = np.array([item.lane, y, 0.7], np.float32) + ahead * 2.3
    beam = Light(nose, rgb(1.0, 0.93, 0.8, 26.0), 10.0, ahead - rgb(0, 0, 0.10), shadow=False)
    frame += scene.gb.light_radiance(beam)
    rear = np.array([item.lane, y, 0.8], np.float32) - ahead * 2.5
    red = Light(rear, rgb(1, .04, .02, 1.4 if brake else 0.25), 1.5, -ahead, shadow=False)
    frame += scene.gb.light_radiance(red)
    shade = np.array([[item.lane + sx * 1.0, y + sy * 2.2, 0.0]
                      for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))], np.float32)
    dark = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(dark, np.round(scene.cam.project(shade)[:, :2]).astype(np.int32), 255)
    soft = cv2.GaussianBlur(dark, (0, 0), 2.5).astype(np.float32) / 255.0
    frame *= (1.0 - 0.75 * soft * scene.gb.ground)[..., None]
    car.draw(frame, scene.cam, scene.lights, scene.ambient, scene.depth)
    for lamp in car.lamps():
        if away:
            tail = lamp - ahead * 4.62 + np.array([0, 0, 0.14])
            add_glow(frame, scene.cam, tail, 0.10, rgb(1, .05, .025, car.tail), scene.depth)
        else:
            add_glow(frame, scene.cam, lamp, 0.15, rgb(1, .95, .84, 24.0), scene.depth)


def frames(truth: Truth, stride: int = 1) -> Iterator[np.ndarray]:
    """Developed frames; nothing in them is worth an alarm, so truth stays empty."""
    rng = np.random.default_rng([SEED, 1])
    scene = build()
    base = scene.base()
    board, insects = BlinkSign(scene), Insects()
    img = Imaging(exposure=2.1, bloom=0.07, vignette=0.3, noise=0.016, blur=0.5)
    door = np.array([WALL - 0.25, 17.5, 2.1], np.float32)
    for n in range(SECONDS * FPS):
        t = n / FPS
        if n % stride and stride > 1:
            continue
        frame = base * (1.0 + 0.008 * wobble(n * 0.8, 3))
        board.draw(frame, t)
        add_glow(frame, scene.cam, door, 0.16, LAMP_COLOURS["sodium"] * 6.0, scene.depth)
        for item in sorted(TRAFFIC, key=lambda p: -(p.y0 + p.speed * (t - p.start))):
            _drive(frame, scene, item, t)
        insects.draw(frame, stride / FPS)
        yield develop(frame, img, rng)
