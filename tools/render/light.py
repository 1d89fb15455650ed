"""Point lights and diffuse shading shared by scene, people and vehicles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Light:
    """A point light; cone > 0 narrows it around `aim` (cosine power)."""

    pos: np.ndarray
    color: np.ndarray
    cone: float = 0.0
    aim: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, -1.0], np.float32))
    radius: float = 0.6
    shadow: bool = True

    def irradiance(self, pos: np.ndarray, normal: np.ndarray, wrap: float = 0.0) -> np.ndarray:
        """Scalar irradiance at surface points (..., 3)."""
        to_light = self.pos.astype(np.float32) - pos
        dist2 = np.einsum("...i,...i->...", to_light, to_light)
        inv = 1.0 / np.sqrt(dist2 + 1e-6)
        cosine = np.einsum("...i,...i->...", to_light, normal) * inv
        diffuse = np.maximum((cosine + wrap) / (1.0 + wrap), 0.0)
        out = diffuse / (dist2 + self.radius**2)
        if self.cone > 0.0:
            along = -np.einsum("...i,i->...", to_light, self.aim.astype(np.float32)) * inv
            out = out * np.maximum(along, 0.0) ** self.cone
        return out


@dataclass
class Ambient:
    """Hemispheric fill light: sky from above, bounce from below."""

    sky: np.ndarray
    ground: np.ndarray

    def radiance(self, normal: np.ndarray) -> np.ndarray:
        """RGB fill for surface normals (..., 3)."""
        share = (0.5 + 0.5 * normal[..., 2])[..., None]
        return share * self.sky.astype(np.float32) + (1 - share) * self.ground.astype(np.float32)


def rgb(r: float, g: float, b: float, gain: float = 1.0) -> np.ndarray:
    """Linear RGB colour times a gain."""
    return np.array([r, g, b], np.float32) * np.float32(gain)


LAMP_COLOURS = {
    "sodium": rgb(1.0, 0.56, 0.16),
    "warm": rgb(1.0, 0.74, 0.42),
    "led": rgb(0.86, 0.95, 1.0),
    "neutral": rgb(1.0, 0.9, 0.72),
    "green": rgb(0.75, 1.0, 0.8),
}
