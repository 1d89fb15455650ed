"""Articulated human figure: body, outfit, poses and gait as rounded cones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .light import rgb
from .solid import Cone, Material

SHIRT, TROUSERS, SKIN, HAIR, SHOES, EXTRA, DARK, SLEEVE, SHIN, MASK, LIP = range(11)
SKIN_TONES = [(0.46, 0.27, 0.17), (0.36, 0.20, 0.12), (0.54, 0.34, 0.23), (0.28, 0.15, 0.09)]


@dataclass
class Outfit:
    """What a person wears; colours are linear RGB."""

    shirt: tuple[float, float, float] = (0.35, 0.36, 0.38)
    shirt2: tuple[float, float, float] = (0.6, 0.6, 0.6)
    pattern: int = 0
    trousers: tuple[float, float, float] = (0.05, 0.06, 0.09)
    shoes: tuple[float, float, float] = (0.04, 0.04, 0.04)
    hair: tuple[float, float, float] = (0.012, 0.011, 0.010)
    skin: tuple[float, float, float] = SKIN_TONES[0]
    long_sleeve: bool = False
    shorts: bool = False
    skirt: bool = False
    long_hair: bool = False
    headgear: str = ""
    mask: bool = False
    bag: str = ""
    girth: float = 1.0
    loose: float = 1.0


@dataclass
class Arm:
    """Arm angles in radians: shoulder forward pitch, abduction, elbow, forearm inward."""

    pitch: float = 0.0
    abduct: float = 0.14
    elbow: float = 0.25
    inward: float = 0.0


@dataclass
class Pose:
    """Full body pose on the ground at (x, y), heading 0 looks along +y."""

    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0
    hip_height: float = 0.53
    shift: float = 0.0
    lean: float = 0.03
    twist: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    left: Arm = field(default_factory=Arm)
    right: Arm = field(default_factory=Arm)
    foot_left: tuple[float, float, float] = (0.0, 0.10, 0.0)
    foot_right: tuple[float, float, float] = (0.0, -0.10, 0.0)
    toe_left: float = 0.0
    toe_right: float = 0.0
    ground: float = 0.0


def random_outfit(rng: np.random.Generator) -> Outfit:
    """Everyday Vietnamese street clothes."""
    palette = [(0.55, 0.55, 0.55), (0.03, 0.03, 0.035), (0.05, 0.07, 0.16), (0.35, 0.05, 0.05),
               (0.10, 0.20, 0.12), (0.5, 0.42, 0.12), (0.30, 0.30, 0.32), (0.12, 0.22, 0.38),
               (0.6, 0.35, 0.38), (0.35, 0.22, 0.12), (0.62, 0.6, 0.52), (0.16, 0.14, 0.12)]
    pick = lambda: tuple(np.clip(np.array(palette[rng.integers(len(palette))])  # noqa: E731
                                 * rng.uniform(0.6, 1.3), 0.015, 0.75))
    legs = [(0.03, 0.035, 0.05), (0.05, 0.07, 0.12), (0.12, 0.11, 0.09), (0.3, 0.26, 0.18),
            (0.02, 0.02, 0.02), (0.25, 0.25, 0.27)]
    long_hair = bool(rng.random() < 0.3)
    return Outfit(
        shirt=pick(), shirt2=pick(), pattern=int(rng.choice([0, 0, 0, 1, 2, 3])),
        trousers=tuple(np.array(legs[rng.integers(6)]) * rng.uniform(0.6, 1.4)),
        shoes=pick(), skin=SKIN_TONES[rng.integers(4)],
        hair=tuple(np.array([0.016, 0.013, 0.011]) * rng.uniform(0.6, 2.5)),
        long_sleeve=bool(rng.random() < 0.45), shorts=bool(rng.random() < 0.22),
        skirt=bool(long_hair and rng.random() < 0.3), long_hair=long_hair,
        headgear=str(rng.choice(["", "", "", "", "cap", "helmet", "cone", "hood"])),
        mask=bool(rng.random() < 0.25), bag=str(rng.choice(["", "", "", "back", "side"])),
        girth=float(rng.uniform(0.88, 1.2)), loose=float(rng.uniform(0.9, 1.3)))


def materials(o: Outfit) -> list[Material]:
    """Material table indexed by the constants of this module."""
    c = lambda t: np.array(t, np.float32)  # noqa: E731
    cap = {"cap": o.shirt2, "helmet": o.shirt2, "cone": (0.5, 0.42, 0.25), "hood": o.shirt}
    return [
        Material(c(o.shirt), 0.22, 0.0, o.pattern, c(o.shirt2)),
        Material(c(o.trousers), 0.20),
        Material(c(o.skin), 0.03, 0.05, wrap=0.25),
        Material(c(o.hair), 0.25, 0.06),
        Material(c(o.shoes), 0.05, 0.10),
        Material(c(cap.get(o.headgear, o.shirt2)), 0.03, 0.25 if o.headgear == "helmet" else 0.0),
        Material(rgb(0.025, 0.02, 0.018), 0.0),
        Material(c(o.shirt) if o.long_sleeve else c(o.skin), 0.18 if o.long_sleeve else 0.03,
                 wrap=0.1),
        Material(c(o.skin) if o.shorts or o.skirt else c(o.trousers),
                 0.03 if o.shorts or o.skirt else 0.20),
        Material(rgb(0.35, 0.45, 0.55), 0.06),
        Material(c(o.skin) * rgb(0.62, 0.42, 0.42)),
    ]


class _Frame:
    """Body frame: forward, left, up unit vectors for a heading."""

    def __init__(self, heading: float) -> None:
        self.f = np.array([np.sin(heading), np.cos(heading), 0.0], np.float32)
        self.l = np.array([-np.cos(heading), np.sin(heading), 0.0], np.float32)
        self.u = np.array([0.0, 0.0, 1.0], np.float32)

    def at(self, ahead: float, left: float, up: float) -> np.ndarray:
        """Vector with these body-frame components."""
        return self.f * ahead + self.l * left + self.u * up


def _knee(hip: np.ndarray, ankle: np.ndarray, thigh: float, shin: float,
          ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics; returns knee and the reachable ankle."""
    leg = ankle - hip
    dist = float(np.linalg.norm(leg))
    reach = min(dist, (thigh + shin) * 0.997)
    axis = leg / max(dist, 1e-4)
    along = (thigh**2 - shin**2 + reach**2) / (2.0 * reach)
    off = np.sqrt(max(thigh**2 - along**2, 0.0))
    bend = ahead - axis * float(ahead @ axis)
    bend = bend / max(float(np.linalg.norm(bend)), 1e-4)
    return hip + axis * along + bend * off, hip + axis * reach


def _arm_points(fr: _Frame, shoulder: np.ndarray, side: float, arm: Arm,
                upper: float, fore: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elbow, wrist and hand tip of an arm."""
    def direction(pitch: float, out: float) -> np.ndarray:
        return fr.at(np.sin(pitch) * np.cos(out), side * np.sin(out),
                     -np.cos(pitch) * np.cos(out))
    elbow = shoulder + direction(arm.pitch, arm.abduct) * upper
    d = direction(arm.pitch + arm.elbow, arm.abduct * 0.4 - arm.inward)
    return elbow, elbow + d * fore, elbow + d * (fore * 1.36)


def _legs(o: Outfit, pose: Pose, fr: _Frame, pelvis: np.ndarray, root: np.ndarray,
          h: float) -> list[Cone]:
    """Hips, legs and shoes."""
    g = h * o.girth
    out: list[Cone] = []
    tro = 1.08 * o.loose
    for side, foot, toe in ((1.0, pose.foot_left, pose.toe_left),
                            (-1.0, pose.foot_right, pose.toe_right)):
        hip = pelvis + fr.l * (side * 0.052 * h)
        heel_up = max(toe, 0.0) * 0.09 * h
        ankle = root + fr.at(foot[0] * h, foot[1] * 0.62 * h, foot[2] * h + 0.045 * h + heel_up)
        knee, ankle = _knee(hip, ankle, 0.245 * h, 0.246 * h, fr.f + fr.l * side * 0.18)
        thigh_mat, k_r, a_r = TROUSERS, 0.037 * tro, 0.030 * tro
        if o.shorts or o.skirt:
            k_r, a_r = 0.031, 0.021
        out.append(Cone(hip + fr.u * 0.01 * h, knee, 0.057 * g * o.loose**0.5, k_r * g,
                        thigh_mat))
        out.append(Cone(knee, ankle + fr.u * 0.012 * h, k_r * g * 0.97, a_r * g, SHIN))
        if not (o.shorts or o.skirt):
            out.append(Cone(ankle + fr.u * 0.05 * h, ankle - fr.u * 0.012 * h, a_r * g,
                            a_r * g * 1.12, TROUSERS))
        else:
            calf = knee + (ankle - knee) * 0.32 - fr.f * 0.008 * h
            out.append(Cone(knee, calf, 0.028 * g, 0.034 * g, SHIN))
            out.append(Cone(hip, knee + (hip - knee) * 0.12, 0.058 * g, 0.05 * g * o.loose,
                            TROUSERS))
        pitch = toe * 0.8
        fwd = fr.f * np.cos(pitch) + fr.l * (side * 0.2) - fr.u * np.sin(pitch)
        heel = ankle - fwd * 0.018 * h - fr.u * 0.022 * h
        out.append(Cone(heel, heel + fwd * 0.105 * h - fr.u * 0.004 * h, 0.024 * h, 0.019 * h,
                        SHOES))
    return out


def _head(o: Outfit, pose: Pose, neck: np.ndarray, h: float) -> list[Cone]:
    """Head with face, hair, mask and headgear."""
    fr = _Frame(pose.heading + pose.head_yaw)
    sin_p, cos_p = np.sin(pose.head_pitch), np.cos(pose.head_pitch)
    f, u = fr.f * cos_p - fr.u * sin_p, fr.u * cos_p + fr.f * sin_p
    c = neck + u * 0.072 * h + f * 0.012 * h
    at = lambda a, b, e: c + (f * a + fr.l * b + u * e) * h  # noqa: E731
    r = 0.0465 * h
    out = [Cone(neck - fr.u * 0.03 * h, neck + u * 0.04 * h, 0.033 * h, 0.029 * h, SKIN),
           Cone(at(0.008, 0, 0.012), at(0.012, 0, -0.012), r, 0.041 * h, SKIN),
           Cone(at(0.012, 0, -0.012), at(0.026, 0, -0.050), 0.040 * h, 0.021 * h, SKIN),
           Cone(at(0.047, 0, -0.006), at(0.056, 0, -0.017), 0.006 * h, 0.009 * h, SKIN)]
    for s in (1.0, -1.0):
        out.append(Cone(at(0.0, s * 0.044, -0.002), at(-0.004, s * 0.046, -0.018),
                        0.010 * h, 0.007 * h, SKIN))
        out.append(Cone(at(0.0475, s * 0.012, 0.002), at(0.043, s * 0.024, 0.002),
                        0.0062 * h, 0.0058 * h, DARK))
        out.append(Cone(at(0.0505, s * 0.010, 0.013), at(0.043, s * 0.028, 0.013),
                        0.0038 * h, 0.003 * h, HAIR))
    if o.mask:
        out.append(Cone(at(0.016, 0, -0.014), at(0.031, 0, -0.046), 0.0415 * h, 0.025 * h, MASK))
    else:
        out.append(Cone(at(0.0475, 0.010, -0.032), at(0.0475, -0.010, -0.032), 0.0042 * h,
                        0.0042 * h, LIP))
    out.append(Cone(at(-0.012, 0, 0.026), at(0.006, 0, 0.026), 0.0505 * h, 0.046 * h, HAIR))
    out.append(Cone(at(-0.018, 0, 0.012), at(-0.022, 0, -0.020), 0.045 * h, 0.032 * h, HAIR))
    if o.long_hair:
        out.append(Cone(at(-0.022, 0, 0.0), at(-0.035, 0, -0.11), 0.046 * h, 0.036 * h, HAIR))
    return out + _headgear(o, at, h)


def _headgear(o: Outfit, at, h: float) -> list[Cone]:
    """Cap, helmet, conical hat or hood."""
    if o.headgear == "cap":
        return [Cone(at(-0.008, 0, 0.030), at(0.008, 0, 0.030), 0.052 * h, 0.049 * h, EXTRA),
                Cone(at(0.05, 0.018, 0.024), at(0.05, -0.018, 0.024), 0.02 * h, 0.02 * h, EXTRA)]
    if o.headgear == "helmet":
        return [Cone(at(-0.014, 0, 0.028), at(0.012, 0, 0.034), 0.062 * h, 0.056 * h, EXTRA),
                Cone(at(-0.024, 0, 0.005), at(-0.02, 0, 0.03), 0.052 * h, 0.058 * h, EXTRA)]
    if o.headgear == "cone":
        return [Cone(at(0, 0, 0.10), at(0.115 * np.cos(t), 0.115 * np.sin(t), 0.028),
                     0.012 * h, 0.024 * h, EXTRA)
                for t in np.linspace(0.0, 2 * np.pi, 13)[:-1]]
    if o.headgear == "hood":
        return [Cone(at(-0.02, 0, 0.022), at(-0.022, 0, -0.03), 0.056 * h, 0.052 * h, EXTRA),
                Cone(at(-0.004, 0, 0.034), at(-0.02, 0, 0.03), 0.050 * h, 0.05 * h, EXTRA)]
    return []


def _torso(o: Outfit, fr: _Frame, tw: _Frame, pelvis: np.ndarray, chest: np.ndarray,
           h: float) -> list[Cone]:
    """Pelvis to shoulders, shirt hem, bag."""
    g = h * o.girth
    hem = 1.0 + 0.10 * (o.loose - 0.9)
    out = [Cone(pelvis + fr.l * 0.045 * h, pelvis - fr.l * 0.045 * h, 0.062 * g, 0.062 * g,
                TROUSERS)]
    waist = pelvis * 0.62 + chest * 0.38
    edge = fr.l * (0.046 * g)
    drop = fr.u * 0.014 * h
    out.append(Cone(pelvis + edge - drop, pelvis - edge - drop, 0.064 * g, 0.064 * g, SHIRT))
    for s in (1.0, -1.0):
        low = pelvis + fr.l * (s * 0.040 * g) + fr.u * 0.008 * h
        mid = waist + fr.l * (s * 0.034 * g)
        top = chest + tw.l * (s * 0.048 * g) - fr.u * 0.012 * h
        out.append(Cone(low, mid, 0.066 * g * hem, 0.058 * g * hem, SHIRT))
        out.append(Cone(mid, top, 0.058 * g * hem, 0.064 * g, SHIRT))
        out.append(Cone(chest + tw.l * (s * 0.028 * h) + fr.u * 0.046 * h,
                        chest + tw.l * (s * 0.094 * h) + fr.u * 0.018 * h,
                        0.034 * g, 0.034 * g, SHIRT))
    mid_f = waist + fr.f * 0.012 * h
    out.append(Cone(mid_f, chest + fr.f * 0.008 * h, 0.062 * g, 0.066 * g, SHIRT))
    if o.skirt:
        for s in (1.0, 0.0, -1.0):
            out.append(Cone(pelvis + fr.l * s * 0.035 * h,
                            pelvis + fr.l * s * 0.06 * h - fr.u * 0.24 * h,
                            0.066 * g, 0.075 * h * o.loose, TROUSERS))
    if o.bag == "back":
        out.append(Cone(chest - tw.f * 0.105 * h, waist - tw.f * 0.11 * h, 0.062 * h, 0.07 * h,
                        EXTRA))
    elif o.bag == "side":
        out.append(Cone(pelvis + fr.l * 0.115 * h, pelvis + fr.l * 0.12 * h + fr.f * 0.06 * h,
                        0.05 * h, 0.05 * h, EXTRA))
    return out


def figure(o: Outfit, pose: Pose, height: float = 1.65) -> list[Cone]:
    """Build the whole person as rounded cones in world space."""
    h = height
    fr = _Frame(pose.heading)
    tw = _Frame(pose.heading + pose.twist)
    root = np.array([pose.x, pose.y, pose.ground], np.float32)
    pelvis = root + fr.at(0.0, pose.shift, pose.hip_height * h)
    spine = fr.at(np.sin(pose.lean), -0.35 * pose.shift, np.cos(pose.lean))
    chest = pelvis + spine * 0.245 * h
    neck = chest + spine * 0.075 * h + fr.f * 0.008 * h
    cones = _legs(o, pose, fr, pelvis, root, h) + _torso(o, fr, tw, pelvis, chest, h)
    for side, arm in ((1.0, pose.left), (-1.0, pose.right)):
        shoulder = chest + tw.l * (side * 0.104 * h * o.girth**0.5) + fr.u * 0.016 * h
        elbow, wrist, tip = _arm_points(tw, shoulder, side, arm, 0.172 * h, 0.145 * h)
        half = shoulder + (elbow - shoulder) * 0.85
        g = h * o.girth
        sleeve = 0.034 * g * o.loose**0.3
        out_r = 0.030 * g if o.long_sleeve else 0.034 * g
        cones.append(Cone(shoulder, half, sleeve, out_r, SHIRT))
        cones.append(Cone(shoulder, elbow, 0.030 * g, 0.025 * g, SLEEVE))
        fat = 1.15 if o.long_sleeve else 1.0
        cones.append(Cone(elbow, wrist, 0.025 * g * fat, 0.018 * g * fat, SLEEVE))
        hand = wrist + (tip - wrist) * 0.55
        cones.append(Cone(wrist, hand, 0.016 * h, 0.021 * h, SKIN))
        cones.append(Cone(hand, tip, 0.020 * h, 0.012 * h, SKIN))
    return cones + _head(o, pose, neck, h)


def walk_pose(x: float, y: float, heading: float, phase: float, vigour: float = 1.0) -> Pose:
    """Walking pose at gait phase (cycles); the stride is 0.68 of the height."""
    stride = 0.68 * (0.55 + 0.45 * vigour)
    feet, toes = [], []
    for off in (0.0, 0.5):
        p = (phase + off) % 1.0
        if p < 0.6:
            s = p / 0.6
            fwd, lift = 0.6 * stride * (0.5 - s), 0.0
            toe = 0.9 * max((s - 0.72) / 0.28, 0.0) ** 1.2 - 0.35 * max(1.0 - s / 0.15, 0.0)
        else:
            s = (p - 0.6) / 0.4
            ease = s * s * (3 - 2 * s)
            fwd = 0.6 * stride * (ease - 0.5)
            lift = 0.055 * np.sin(np.pi * s) * vigour
            toe = 0.9 * max(1.0 - s / 0.6, 0.0) - 0.35 * max((s - 0.75) / 0.25, 0.0)
        feet.append((float(fwd), float(lift)))
        toes.append(float(toe))
    swing = np.sin(2 * np.pi * (phase - 0.05)) * 0.42 * vigour
    bob = 0.013 * vigour * np.cos(4 * np.pi * (phase - 0.05))
    return Pose(
        x=x, y=y, heading=heading, hip_height=0.529 - 0.012 * vigour - bob,
        shift=0.012 * np.cos(2 * np.pi * (phase - 0.3)), lean=0.06 * vigour,
        twist=-0.12 * np.cos(2 * np.pi * phase) * vigour,
        left=Arm(-swing * 0.9 - 0.02, 0.13, 0.28 + 0.2 * max(-swing, 0.0), 0.1),
        right=Arm(swing * 0.9 - 0.02, 0.13, 0.28 + 0.2 * max(swing, 0.0), 0.1),
        foot_left=(feet[0][0], 0.07, feet[0][1]), foot_right=(feet[1][0], -0.07, feet[1][1]),
        toe_left=toes[0], toe_right=toes[1])


def stand_pose(x: float, y: float, heading: float, weight: float = 0.0) -> Pose:
    """Relaxed standing pose; weight -1..1 shifts to the right or left leg."""
    return Pose(x=x, y=y, heading=heading, hip_height=0.527 - 0.006 * abs(weight),
                shift=0.035 * weight, lean=0.02,
                left=Arm(0.05, 0.12, 0.2, 0.15), right=Arm(0.02, 0.13, 0.25, 0.12),
                foot_left=(0.01, 0.115, 0.0), foot_right=(-0.015, -0.115, 0.0))


def random_pose(rng: np.random.Generator, x: float, y: float) -> Pose:
    """Walking, standing, phone, hands on hips, crouching or reaching."""
    heading = float(rng.uniform(-np.pi, np.pi))
    kind = rng.choice(["walk", "walk", "stand", "stand", "phone", "hips", "crouch", "reach"])
    if kind == "walk":
        return walk_pose(x, y, heading, float(rng.random()), float(rng.uniform(0.6, 1.15)))
    pose = stand_pose(x, y, heading, float(rng.uniform(-1, 1)))
    pose.head_yaw = float(rng.normal(0, 0.5))
    pose.head_pitch = float(rng.uniform(-0.1, 0.35))
    if kind == "phone":
        pose.right = Arm(0.5, 0.1, 1.5, 0.5)
        pose.head_pitch = 0.45
    elif kind == "hips":
        pose.left = pose.right = Arm(-0.35, 0.55, 1.2, 0.9)
    elif kind == "reach":
        pose.right = Arm(float(rng.uniform(0.8, 1.6)), 0.2, 0.4, 0.1)
    elif kind == "crouch":
        pose.hip_height = float(rng.uniform(0.2, 0.36))
        pose.lean = float(rng.uniform(0.35, 0.8))
        pose.left = pose.right = Arm(0.7, 0.1, 0.5, 0.2)
    return pose
