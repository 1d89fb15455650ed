"""How long a model holds on to what it sees in clips: the longest track of each class.

    python3 models/training/clips.py --model models/keng.onnx ../corpus/clips/*.mp4

Every clip is sampled at `--fps`. Detections above the threshold are chained by overlap, with gaps
of at most a second; a track counts with the seconds it spans if it was hit in at least 60 % of its
frames. The daemon's own tracker is stricter: this is for choosing thresholds, not a promise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime import Detections, Detector, Floats, iou_matrix

GAP_SECONDS = 1.0
MIN_HIT_SHARE = 0.6
CHAIN_IOU = 0.15


@dataclass
class Track:
    """A chain of detections of one class."""

    box: Floats
    first: float
    last: float
    hits: int = 1


def frames(path: Path, fps: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Time and picture of the clip, thinned to about `fps`."""
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    step = max(1, round(rate / fps))
    number = 0
    while capture.grab():
        if number % step == 0:
            yield number / rate, capture.retrieve()[1]
        number += 1


def longest(found: list[tuple[float, Detections]], number: int, threshold: float) -> float:
    """Seconds of the longest steady track of a class at a threshold."""
    if len(found) < 2:
        return 0.0
    interval = (found[-1][0] - found[0][0]) / (len(found) - 1)
    alive: list[Track] = []
    best = 0.0
    for when, seen in found:
        own = (seen.classes == number) & (seen.scores >= threshold)
        for box in seen.boxes[own]:
            overlap = iou_matrix(box[None], np.array([t.box for t in alive]).reshape(-1, 4))[0]
            if len(overlap) and overlap.max() >= CHAIN_IOU:
                track = alive[int(overlap.argmax())]
                if track.last < when:
                    track.hits += 1
                track.box, track.last = box, when
            else:
                alive.append(Track(box, when, when))
        for track in alive:
            span = track.last - track.first
            if track.hits * interval >= MIN_HIT_SHARE * span:
                best = max(best, span)
        alive = [t for t in alive if when - t.last <= GAP_SECONDS]
    return best


def main() -> None:
    """Print one line a clip and class, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--thresholds", type=float, nargs="*", default=[0.3, 0.4, 0.5, 0.6])
    args = parser.parse_args()
    cv2.setNumThreads(1)
    detector = Detector(args.model)
    result = {}
    for clip in args.clips:
        found = [(when, detector(image, 0.1)) for when, image in frames(clip, args.fps)]
        result[clip.stem] = {}
        for number, label in detector.names.items():
            peaks = np.array([d.scores[d.classes == number].max(initial=0) for _, d in found])
            spans = {str(t): round(longest(found, number, t), 1) for t in args.thresholds}
            share = {str(t): round(float((peaks >= t).mean()), 2) for t in args.thresholds}
            result[clip.stem][label] = {"max": round(float(peaks.max()), 3),
                                        "longest_track_s": spans, "frame_share": share}
            print(f"{clip.stem:32} {label:7} max {peaks.max():.2f}  longest track s "
                  + " ".join(f"{t}:{s:5.1f}" for t, s in spans.items()) + "  frames "
                  + " ".join(f"{t}:{s:4.2f}" for t, s in share.items()), flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
