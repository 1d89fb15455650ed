"""Demo clip: a fire breaks out at parked motorbikes in a night alley."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .camera import Camera, Imaging, develop, tone_map
from .fire import Billboard, FireLook, Sparks, compose, fire_light, flame_box, smoke_box
from .fluid import Plume, bed
from .gbuffer import GBuffer, Rect, box, flat
from .light import Ambient, Light, rgb
from .noise import smoothstep, wobble
from .scene import Cable, Prop, Scene, facades, lamp_post
from .textures import Road
from .truth import Truth
from .vehicles import bike_materials, motorbike

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 15, 36
SEED = 0xDE301
START, GROWN = 5.0, 15.0
WALL = 3.9
FIRE = (2.75, 10.6, 0.12)
SUBSTEPS = 3


def build() -> Scene:
    """Alley between tube houses with lamps, cables and parked motorbikes."""
    rng = np.random.default_rng([SEED, 3])
    cam = Camera((-1.0, 0.0, 3.5), 0.17, 0.20, 1.08, WIDTH, HEIGHT)
    gb = GBuffer(cam, rgb(0.008, 0.009, 0.015), 2)
    gb.add(Rect(2, 0.0, (-30, -2), (30, 80), Road(2.6, 5, 0.085)))
    facades(gb, 0, WALL, -2.0, 46.0, rng, 0.8, -1.0)
    facades(gb, 0, -WALL, -2.0, 46.0, rng, 0.8, 1.0)
    facades(gb, 1, 46.0, -WALL - 2, WALL + 2, rng, 0.6, -1.0)
    for rect in box((3.3, 15.2, 0.0), (3.9, 16.4, 1.1), flat(rgb(0.16, 0.10, 0.06))):
        gb.add(rect)
    gb.finish()
    scene = Scene(cam, gb, [], Ambient(rgb(.014, .017, .026), rgb(.008, .007, .006)),
                  planes=[(2, 0.0), (0, WALL), (0, -WALL)])
    for x, y, arm, kind, power in ((-3.5, 8.5, 1.2, "sodium", 8.0), (3.5, 24.0, -1.2, "led", 9.0),
                                   (-3.5, 38.0, 1.2, "sodium", 9.0)):
        prop, lamp, globe = lamp_post(x, y, 5.2, arm, kind, power)
        scene.props.append(prop)
        scene.lights.append(lamp)
        scene.globes.append(globe)
    bikes = ((3.0, 13.4, 1.2, 0), (2.9, 12.3, 1.35, 1), (2.85, 10.7, 1.3, 0), (-3.1, 12.0, -1.2, 1),
             (-3.0, 18.0, -1.4, 0), (3.0, 19.6, 1.3, 1))
    paints = ((.02, .02, .02), (.3, .02, .02), (.03, .04, .07), (.25, .25, .26), (.03, .06, .2),
              (.3, .3, .28))
    for (x, y, heading, kind), paint in zip(bikes, paints):
        scene.props.append(Prop(motorbike(x, y, heading, bool(kind)), bike_materials(paint)))
    for k in range(7):
        x, z = (-3.4, 4.6 + 0.17 * k) if k < 5 else (3.4, 4.9 + 0.2 * k - 1.0)
        ends = np.array([[x, 1.0, z], [x + 0.3 * (k % 3), 46.0, z + 0.2]], np.float32)
        scene.cables.append(Cable(ends[0], ends[1], 0.25 + 0.1 * (k % 3), 1.0 + (k == 2)))
    scene.cables.append(Cable(np.array([-3.5, 8.6, 5.1], np.float32),
                              np.array([3.8, 13.0, 4.6], np.float32), 0.3))
    return scene


class Blaze:
    """The fire's state over the clip."""

    def __init__(self) -> None:
        self.board = Billboard(np.array(FIRE, np.float32), 0.0195)
        self.plume = Plume(290, 310, 300.0, 4242, 6.0, 1.4, 16.0, 0.10, 0.2)
        self.look = FireLook(gain=5.0, green=0.30, smoke=2.8, soot=0.55)
        self.sparks = Sparks(SEED)

    def step(self, t: float) -> float:
        """Advance one video frame at time t; returns the fire's size 0..1."""
        size = float(smoothstep(START, GROWN, t)) * (1.0 + 0.06 * wobble(t * 1.3, 8))
        if t < START - 0.1:
            return 0.0
        p = self.plume
        p.flame = 7.0 + 16.0 * size
        p.speed = 1.2 + 2.1 * size
        p.tall = 13.0 + 17.0 * size
        p.wind = 0.10 + 0.12 * wobble(t * 0.4, 2)
        half = 4.0 + 48.0 * size
        strength = float(smoothstep(START - 0.1, START + 0.8, t))
        middle = p.w / 2 + 5.0 * wobble(t * 0.9, 6) * size
        for _ in range(SUBSTEPS):
            source = bed(p, p.w / 2, half, 3.0 + 15.0 * size) * strength
            p.step(source, middle, half, 0.04 + 0.05 * size)
        self.sparks.step(self.board, 26.0 * size, 1.0 / FPS, half * self.board.cell * 2)
        return size


def _responses(scene: Scene) -> list[np.ndarray]:
    """Scene lit by a unit fire light, low and high."""
    x, y, z = FIRE
    out = []
    for up in (0.7, 1.9):
        pos = np.array([x - 0.25, y - 0.45, z + up], np.float32)
        out.append(scene.light_layer(Light(pos, rgb(1.0, 0.43, 0.11), radius=0.7)))
    return out


def frames(truth: Truth, stride: int = 1) -> Iterator[np.ndarray]:
    """Developed frames; truth collects fire and smoke boxes."""
    rng = np.random.default_rng([SEED, 1])
    scene = build()
    base = scene.base()
    low, high = _responses(scene)
    img = Imaging(exposure=2.2, bloom=0.06, vignette=0.3, noise=0.016, blur=0.5,
                  saturation=1.2)
    blaze = Blaze()
    iris = 1.0
    for n in range(SECONDS * FPS):
        t = n / FPS
        size = blaze.step(t)
        glow = fire_light(blaze.plume, blaze.board, blaze.look)
        power = 0.8 * float(glow.color[0])
        iris += (1.0 / (1.0 + 0.035 * power) - iris) * 0.05
        if n % stride:
            continue
        frame = base * (1.0 + 0.006 * wobble(n * 0.8, 3))
        rise = float(np.clip((glow.pos[2] - FIRE[2] - 0.5) / 1.4, 0.0, 1.0))
        frame = frame + power * ((1.0 - rise) * low + rise * high)
        img.exposure = 2.2 * iris
        if size > 0.0:
            before = tone_map(frame * img.exposure)
            fill = rgb(0.05, 0.05, 0.055) + rgb(0.012, 0.008, 0.0045) * power
            flame, opacity = compose(frame, blaze.plume, blaze.board, scene.cam, blaze.look, fill)
            change = np.abs(tone_map(frame * img.exposure) - before).mean(axis=2)
            blaze.sparks.draw(frame, blaze.board, scene.cam)
            truth.add(n, "fire", flame_box(flame * img.exposure, 0.35))
            hidden = (flame * img.exposure > 0.25) | (opacity < 0.08)
            truth.add(n, "smoke", smoke_box(np.where(hidden, 0.0, change), 0.06))
        yield develop(frame, img, rng)
