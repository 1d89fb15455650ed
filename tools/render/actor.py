"""A person who follows a script: walks to places, stands about, looks around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import wobble
from .person import Arm, Pose, stand_pose, walk_pose


@dataclass
class Act:
    """One line of a script: go to (x, y) or, with `seconds`, stay there in a manner."""

    x: float = 0.0
    y: float = 0.0
    seconds: float = 0.0
    heading: float = 0.0
    manner: str = "idle"
    speed: float = 1.0


def _turn(now: float, goal: float, most: float) -> float:
    """Turn an angle towards a goal by at most `most` radians."""
    diff = (goal - now + np.pi) % (2 * np.pi) - np.pi
    return now + float(np.clip(diff, -most, most))


def _mix(a: float, b: float, w: float) -> float:
    return a + (b - a) * w


def _mix_arm(a: Arm, b: Arm, w: float) -> Arm:
    return Arm(_mix(a.pitch, b.pitch, w), _mix(a.abduct, b.abduct, w),
               _mix(a.elbow, b.elbow, w), _mix(a.inward, b.inward, w))


def _mix3(a: tuple[float, float, float], b: tuple[float, float, float],
          w: float) -> tuple[float, float, float]:
    return (_mix(a[0], b[0], w), _mix(a[1], b[1], w), _mix(a[2], b[2], w))


def blend(a: Pose, b: Pose, w: float) -> Pose:
    """Pose between a (w = 0) and b (w = 1), at b's place."""
    return Pose(
        x=b.x, y=b.y, heading=b.heading, ground=b.ground,
        hip_height=_mix(a.hip_height, b.hip_height, w), shift=_mix(a.shift, b.shift, w),
        lean=_mix(a.lean, b.lean, w), twist=_mix(a.twist, b.twist, w),
        head_yaw=_mix(a.head_yaw, b.head_yaw, w), head_pitch=_mix(a.head_pitch, b.head_pitch, w),
        left=_mix_arm(a.left, b.left, w), right=_mix_arm(a.right, b.right, w),
        foot_left=_mix3(a.foot_left, b.foot_left, w),
        foot_right=_mix3(a.foot_right, b.foot_right, w),
        toe_left=_mix(a.toe_left, b.toe_left, w), toe_right=_mix(a.toe_right, b.toe_right, w))


class Actor:
    """Plays a script in time steps; the last act repeats for ever."""

    def __init__(self, x: float, y: float, heading: float, height: float, script: list[Act],
                 seed: int) -> None:
        self.x, self.y, self.heading, self.height = x, y, heading, height
        self.script, self.seed = list(script), seed
        self.speed, self.phase, self.clock, self.waited = 0.0, 0.0, 0.0, 0.0
        self.turning = 0.0
        self.rest = stand_pose(x, y, heading)
        self.speed = script[0].speed if script and script[0].seconds == 0 else 0.0

    def _move(self, act: Act, dt: float) -> bool:
        """Walk towards an act's place; True when there."""
        dx, dy = act.x - self.x, act.y - self.y
        dist = float(np.hypot(dx, dy))
        if dist < 0.06:
            return True
        goal = float(np.arctan2(dx, dy))
        before = self.heading
        self.heading = _turn(self.heading, goal, 2.6 * dt)
        self.turning = abs(self.heading - before) / dt
        off = abs((goal - self.heading + np.pi) % (2 * np.pi) - np.pi)
        want = min(act.speed, 0.25 + 1.1 * dist) * (1.0 if off < 0.6 else 0.15)
        self.speed += float(np.clip(want - self.speed, -2.0 * dt, 1.6 * dt))
        step = min(self.speed * dt, dist)
        self.x += np.sin(self.heading if off > 0.3 else goal) * step
        self.y += np.cos(self.heading if off > 0.3 else goal) * step
        return False

    def _manner(self, act: Act) -> Pose:
        """Target resting pose of an act."""
        t, s = self.clock, self.seed
        pose = stand_pose(self.x, self.y, self.heading, np.clip(1.5 * wobble(t * 0.35, s), -1, 1))
        pose.head_yaw = 0.35 * wobble(t * 0.5, s + 3)
        if act.manner == "look":
            pose.head_yaw = 1.0 * np.sin(t * 1.15 + s)
            pose.twist = 0.3 * pose.head_yaw
        elif act.manner == "phone":
            pose.right, pose.head_pitch = Arm(0.5, 0.12, 1.5, 0.55), 0.45
            pose.left = Arm(0.0, 0.10, 0.5, 0.6)
        elif act.manner == "hips":
            pose.left = pose.right = Arm(-0.35, 0.5, 1.25, 0.9)
        elif act.manner == "peer":
            pose.lean, pose.head_pitch = 0.22, 0.1
            pose.left, pose.right = Arm(1.0, 0.2, 0.9, 0.1), Arm(0.75, 0.2, 1.0, 0.1)
        elif act.manner == "pocket":
            pose.left, pose.right = Arm(-0.12, 0.28, 0.75, 0.5), Arm(-0.12, 0.28, 0.75, 0.5)
        return pose

    def step(self, dt: float) -> Pose:
        """Advance by dt seconds and return the pose."""
        self.clock += dt
        act = self.script[0]
        self.turning = 0.0
        if act.seconds > 0.0:
            self.speed = max(self.speed - 2.5 * dt, 0.0)
            before = self.heading
            self.heading = _turn(self.heading, act.heading, 1.8 * dt)
            self.turning = abs(self.heading - before) / dt
            self.waited += dt
            done = self.waited >= act.seconds
        else:
            done = self._move(act, dt)
        if done and len(self.script) > 1:
            self.script.pop(0)
            self.waited = 0.0
        manner = act if act.seconds > 0.0 else Act(manner="idle")
        self.rest = blend(self.rest, self._manner(manner), 1.0 - np.exp(-dt / 0.28))
        pace = max(self.speed, 0.22 * min(self.turning, 1.5))
        vigour = float(np.clip(pace / 1.1, 0.0, 1.15))
        stride = 0.68 * (0.55 + 0.45 * vigour) * self.height
        self.phase += pace * dt / stride
        walk = walk_pose(self.x, self.y, self.heading, self.phase, max(vigour, 0.25))
        pose = blend(self.rest, walk, float(np.clip(pace / 0.45, 0.0, 1.0)))
        pose.x, pose.y, pose.heading = self.x, self.y, self.heading
        return pose
