"""Collects what is visible in a clip, for the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Box = tuple[int, int, int, int]


@dataclass
class Truth:
    """Per-frame boxes in pixels by class name."""

    fps: int
    width: int
    height: int
    boxes: dict[int, list[tuple[str, Box]]] = field(default_factory=dict)

    def add(self, frame: int, name: str, box: Box | None) -> None:
        """Note a visible object."""
        if box is not None:
            self.boxes.setdefault(frame, []).append((name, box))

    def person(self, frame: int, x: int, y: int, seen: np.ndarray) -> None:
        """Note a person from the visible coverage of its sprite placed at (x, y)."""
        ys, xs = np.nonzero(seen > 0.35)
        if xs.size > 40:
            self.add(frame, "person", (x + int(xs.min()), y + int(ys.min()),
                                       x + int(xs.max()) + 1, y + int(ys.max()) + 1))

    def span(self, name: str) -> tuple[float, float] | None:
        """First and last second in which the class is visible."""
        hits = [n for n, items in self.boxes.items() if any(k == name for k, _ in items)]
        if not hits:
            return None
        return round(min(hits) / self.fps, 2), round((max(hits) + 1) / self.fps, 2)

    def at(self, frame: int) -> list[dict[str, object]]:
        """Boxes of one frame, normalised x0, y0, x1, y1."""
        w, h = self.width, self.height
        return [{"class": k, "box": [round(b[0] / w, 4), round(b[1] / h, 4), round(b[2] / w, 4),
                                     round(b[3] / h, 4)]} for k, b in self.boxes.get(frame, [])]
