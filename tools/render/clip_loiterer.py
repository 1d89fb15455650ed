"""Demo clip: somebody hangs about a school gate at night."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .actor import Act, Actor
from .camera import Camera, Imaging, develop
from .gbuffer import GBuffer, Rect, flat
from .light import LAMP_COLOURS, Ambient, Light, rgb
from .noise import wobble
from .person import SKIN_TONES, Outfit, figure, materials
from .scene import Cable, Prop, Scene, lamp_post
from .solid import Cone, Material, bounds, paste, rasterise
from .textures import House, Road, plaster, sign, text_image
from .truth import Truth
from .vehicles import bike_materials, motorbike

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 15, 36
SEED = 0xDE302
WALL, GATE = 8.4, 2.1


def _bars(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solid parts of a two-leaf barred gate."""
    bar = np.mod(a + 0.02, 0.125) < 0.034
    rail = (np.abs(b - 0.18) < 0.045) | (np.abs(b - 1.15) < 0.035) | (np.abs(b - 1.98) < 0.04)
    leaf = (np.abs(np.abs(a) - GATE + 0.05) < 0.05) | (np.abs(a) < 0.06)
    plate = (b < 0.72) & (b > 0.18)
    return bar | rail | leaf | plate


def _board(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, None]:
    img = text_image("TRƯỜNG TIỂU HỌC", rgb(0.55, 0.42, 0.06), rgb(0.03, 0.06, 0.22))
    return sign((a + 2.3) / 4.6, (b - 2.75) / 0.62, img) * 0.9, None


def _pillar(color: tuple[float, float, float], seed: int):
    base = plaster(color, seed)

    def shade(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, None]:
        out, _ = base(a, b)
        joint = (np.mod(b, 0.16) < 0.014) | (np.mod(a + 0.11 * (np.mod(b, 0.32) < .16), .23) < .012)
        return np.where(joint[:, None], out * 0.7, out), None
    return shade


def build() -> Scene:
    """Gate, wall, yard behind, lamps, a parked motorbike and a tree trunk."""
    cam = Camera((1.1, 0.0, 3.0), -0.14, 0.235, 1.02, WIDTH, HEIGHT)
    gb = GBuffer(cam, rgb(0.006, 0.007, 0.012), 2)
    gb.add(Rect(2, 0.0, (-30, -2), (30, WALL + 12), Road(WALL - 2.9, 11, 0.085, False, True)))
    brick, cream = (0.20, 0.085, 0.05), (0.36, 0.30, 0.16)
    for lo, hi in ((-16.0, -2.6), (2.6, 16.0)):
        gb.add(Rect(1, WALL, (lo, 0.0), (hi, 2.25), plaster(cream, 21)))
        gb.add(Rect(1, WALL - 0.06, (lo, 2.15), (hi, 2.32), plaster((0.25, 0.2, 0.13), 4)))
    for side in (-1, 1):
        x0, x1 = sorted((side * 2.05, side * 2.65))
        for axis, off in ((1, WALL - 0.25), (0, x0), (0, x1)):
            lo = (x0, 0.0) if axis == 1 else (WALL - 0.25, 0.0)
            hi = (x1, 2.75) if axis == 1 else (WALL + 0.3, 2.75)
            gb.add(Rect(axis, off, lo, hi, _pillar(brick, 31)))
        gb.add(Rect(2, 2.75, (x0 - .05, WALL - .3), (x1 + .05, WALL + .3), flat(rgb(.3, .27, .2))))
    gb.add(Rect(1, WALL - 0.27, (-2.3, 2.75), (2.3, 3.37), _board))
    green = flat(rgb(0.05, 0.10, 0.075))
    gb.add(Rect(1, WALL, (-GATE, 0.08), (GATE, 2.02), green, _bars))
    for k in range(4):
        house = House(-13.0 + 6.2 * k, 6.2, 7.0, (0.42, 0.33, 0.14), (0.10, 0.13, 0.16), "gate",
                      77 + k, lit=0.10 if k == 1 else 0.0, lit_color=rgb(0.8, 0.9, 1.0))
        gb.add(Rect(1, WALL + 9.0, (house.a0, 0.0), (house.a0 + 6.2, 7.0), house))
    gb.finish()
    scene = Scene(cam, gb, [], Ambient(rgb(.020, .023, .030), rgb(.011, .010, .008)),
                  planes=[(2, 0.0), (1, WALL)])
    _lights(scene)
    _props(scene)
    return scene


def _lights(scene: Scene) -> None:
    warm, led = LAMP_COLOURS["warm"], LAMP_COLOURS["neutral"]
    for x, power in ((-2.35, 1.5), (2.35, 1.3)):
        pos = np.array([x, WALL - 0.2, 2.98], np.float32)
        scene.lights.append(Light(pos + np.array([0, -0.35, 0.05], np.float32), warm * power,
                                  radius=0.5))
        scene.globes.append((pos, 0.13, warm * 6.0))
    prop, lamp, globe = lamp_post(-4.6, 5.1, 5.6, 1.0, "neutral", 19.0)
    scene.props.append(prop)
    scene.lights.insert(0, lamp)
    scene.globes.append(globe)
    far = Light(np.array([7.5, 3.5, 5.5], np.float32), led * 6.0, 1.2)
    scene.lights.append(far)


def _props(scene: Scene) -> None:
    bike = motorbike(4.5, WALL - 0.95, 1.9, True)
    scene.props.append(Prop(bike, bike_materials((0.05, 0.12, 0.22)), 3))
    trunk = [Cone(np.array([-3.9, WALL - .6, 0], np.float32),
                  np.array([-3.8, WALL - .6, 4.8], np.float32), 0.17, 0.12, 0)]
    scene.props.append(Prop(trunk, [Material(rgb(0.10, 0.08, 0.06), 0.5)], 5))
    for z, y in ((4.3, 5.0), (4.5, 5.1), (4.7, 5.0), (4.45, 5.3)):
        scene.cables.append(Cable(np.array([-20, y, z], np.float32),
                                  np.array([16, y + 0.6, z + 0.2], np.float32), 0.35, 1.0))


def cast() -> list[tuple[Actor, Outfit]]:
    """The loiterer and a passer-by."""
    toward, away = np.pi, 0.0
    y = 6.75
    script = [
        Act(-0.9, y, speed=1.25), Act(seconds=2.4, heading=away + 0.2, manner="peer"),
        Act(seconds=2.2, heading=toward + 0.4, manner="look"), Act(0.9, y + .1, speed=0.8),
        Act(seconds=3.0, heading=toward - 0.3, manner="phone"),
        Act(seconds=2.0, heading=toward + 0.7, manner="look"), Act(-0.7, y - .1, speed=0.75),
        Act(seconds=2.6, heading=toward + 0.1, manner="pocket"), Act(0.5, y + .15, speed=0.8),
        Act(seconds=2.2, heading=away - 0.3, manner="peer"),
        Act(seconds=2.6, heading=toward + 0.2, manner="hips"), Act(-1.1, y, speed=0.8),
        Act(seconds=2.5, heading=toward - 0.6, manner="look"), Act(0.4, y, speed=0.75),
        Act(seconds=30.0, heading=toward + 0.15, manner="look")]
    him = Outfit(shirt=(0.30, 0.31, 0.33), shirt2=(0.2, 0.2, 0.22), trousers=(0.045, 0.055, 0.095),
                 shoes=(0.25, 0.25, 0.25), skin=SKIN_TONES[0], long_sleeve=False, girth=1.02,
                 loose=1.05)
    passer = Outfit(shirt=(0.30, 0.06, 0.05), shirt2=(0.05, 0.05, 0.06),
                    trousers=(0.10, 0.09, 0.08), skin=SKIN_TONES[1],
                    long_sleeve=True, bag="back", shoes=(0.05, 0.05, 0.05), girth=0.97)
    walk = [Act(seconds=15.2, heading=-np.pi / 2), Act(-9.0, 5.0, speed=1.3),
            Act(seconds=99.0, heading=-np.pi / 2)]
    return [(Actor(-4.9, 6.5, np.pi / 2, 1.68, script, 4), him),
            (Actor(7.2, 5.0, -np.pi / 2, 1.60, walk, 9), passer)]


def frames(truth: Truth, stride: int = 1) -> Iterator[np.ndarray]:
    """Developed frames; truth collects the person boxes. stride > 1 renders a preview."""
    rng = np.random.default_rng([SEED, 1])
    scene = build()
    base = scene.base()
    img = Imaging(exposure=2.3, bloom=0.05, vignette=0.3, noise=0.016, blur=0.55)
    actors = cast()
    for n in range(SECONDS * FPS):
        poses = [(actor.step(1.0 / FPS), actor, outfit) for actor, outfit in actors]
        if n % stride:
            continue
        frame = base * (1.0 + 0.006 * wobble(n * 0.9, 3))
        depth = scene.depth.copy()
        poses.sort(key=lambda p: -p[0].y)
        for pose, actor, outfit in poses:
            cones = figure(outfit, pose, actor.height)
            if bounds(cones, scene.cam) is None:
                continue
            scene.drop_shadow(frame, cones)
            sprite = rasterise(cones, materials(outfit), scene.cam, scene.lights, scene.ambient,
                               actor.seed)
            if sprite is not None:
                seen = paste(frame, depth, sprite, True)
                truth.person(n, sprite.x, sprite.y, seen)
        yield develop(frame, img, rng)
