#!/usr/bin/env python3
"""Render Kẻng's demo clips and labelled training pictures from code alone.

No photograph goes in: geometry, textures, flames, smoke and people are drawn by `tools/render/`.
Needs numpy, opencv-python-headless (5 or newer for the accents on signboards) and ffmpeg.

    python3 tools/render_demo.py                      # the three clips and their manifest
    python3 tools/render_demo.py --only night_fire    # one clip
    python3 tools/render_demo.py --samples 20 --out /tmp/samples   # training pictures to look at
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from render import clip_control, clip_fire, clip_loiterer  # noqa: E402
from render.sample import render_training_sample  # noqa: E402
from render.truth import Truth  # noqa: E402
from render.video import encode, sha256  # noqa: E402

__all__ = ["render_training_sample"]

ROOT = Path(__file__).resolve().parent.parent
Frames = Callable[[Truth], Iterator[np.ndarray]]


@dataclass
class Clip:
    """One demo clip: where its frames come from and how it is described."""

    name: str
    frames: Frames
    fps: int
    width: int
    height: int
    crf: int
    what: str
    times: tuple[float, ...]


CLIPS = [
    Clip("night_fire", clip_fire.frames, clip_fire.FPS, clip_fire.WIDTH, clip_fire.HEIGHT, 26,
         "night alley: quiet at first, then a fire starts at parked motorbikes and grows to a "
         "blaze with smoke and sparks that lasts to the end", (2, 6, 8, 12, 18, 25, 32)),
    Clip("night_loiterer", clip_loiterer.frames, clip_loiterer.FPS, clip_loiterer.WIDTH,
         clip_loiterer.HEIGHT, 26,
         "school gate at night: a person walks in and hangs about the gate to the end; a second "
         "person walks past on the road", (0, 3, 8, 14, 18, 24, 30, 35)),
    Clip("night_control", clip_control.frames, clip_control.FPS, clip_control.WIDTH,
         clip_control.HEIGHT, 26,
         "control: street lamps, a blinking sign, an orange lamp, passing cars with head and "
         "brake lights, insects; no fire, no smoke, no person", (5, 15, 30)),
]


def describe(clip: Clip, truth: Truth, count: int, path: Path) -> dict[str, object]:
    """Manifest entry of a rendered clip."""
    entry: dict[str, object] = {
        "file": path.name, "what": clip.what, "width": clip.width, "height": clip.height,
        "fps": clip.fps, "frames": count, "seconds": round(count / clip.fps, 2),
        "bytes": path.stat().st_size, "sha256": sha256(path), "visible": {}, "boxes": []}
    visible: dict[str, list[float]] = {}
    for name in ("fire", "smoke", "person"):
        span = truth.span(name)
        if span is not None:
            visible[name] = list(span)
    entry["visible"] = visible
    entry["boxes"] = [{"at": t, "objects": truth.at(int(t * clip.fps))} for t in clip.times]
    return entry


def render_clip(clip: Clip, folder: Path) -> dict[str, object]:
    """Render, encode and describe one clip."""
    truth = Truth(clip.fps, clip.width, clip.height)
    path = folder / f"{clip.name}.mp4"
    count = encode(clip.frames(truth), path, clip.width, clip.height, clip.fps, clip.crf)
    print(f"{path}: {count} frames, {path.stat().st_size / 1e6:.2f} MB", flush=True)
    return describe(clip, truth, count, path)


def write_manifest(path: Path, entries: list[dict[str, object]]) -> None:
    """Merge entries into the manifest, in the order of CLIPS."""
    known: dict[str, dict[str, object]] = {}
    if path.exists():
        known = {e["file"]: e for e in json.loads(path.read_text("utf-8"))["clips"]}
    known.update({str(e["file"]): e for e in entries})
    order = [f"{c.name}.mp4" for c in CLIPS]
    body = {
        "made_by": "tools/render_demo.py (procedural; no photograph or third-party picture)",
        "licence": "same as the project",
        "codec": "H.264 main profile, yuv420p, no B frames, closed groups of one second",
        "boxes": "normalised x0, y0, x1, y1; seconds count from the start of the clip",
        "clips": [known[name] for name in order if name in known]}
    text = json.dumps(body, indent=2, ensure_ascii=False)
    text = re.sub(r"\[\s+([-0-9.,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    path.write_text(text + "\n", "utf-8")


def write_samples(count: int, first: int, folder: Path) -> None:
    """Write labelled training pictures with their boxes drawn in."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = [(0, 0, 255), (255, 255, 0), (0, 255, 0)]
    for seed in range(first, first + count):
        image, labels = render_training_sample(seed)
        h, w = image.shape[:2]
        for kind, x0, y0, x1, y1 in labels:
            corner, other = (int(x0 * w), int(y0 * h)), (int(x1 * w), int(y1 * h))
            cv2.rectangle(image, corner, other, colours[kind], 1)
        cv2.imwrite(str(folder / f"{seed:06d}.png"), image)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Render the demo clips")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "demo")
    parser.add_argument("--only", choices=[c.name for c in CLIPS])
    parser.add_argument("--samples", type=int, default=0, help="write training pictures instead")
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.samples:
        write_samples(args.samples, args.first_seed, args.out)
        return
    args.out.mkdir(parents=True, exist_ok=True)
    clips = [c for c in CLIPS if args.only in (None, c.name)]
    write_manifest(args.out / "manifest.json", [render_clip(c, args.out) for c in clips])


if __name__ == "__main__":
    main()
