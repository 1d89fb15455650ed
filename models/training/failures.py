"""Show where the detector fails, on rendered scenes that it was not trained on.

    python3 models/training/render.py --out SCENES --count 100 --first-seed 900000
    python3 models/training/failures.py --scenes SCENES --out models/failures.jpg

Takes what is missed of the largest fires, smoke and people, and the surest boxes where nothing of
the kind is, at the thresholds in the model's metadata. The scenes are of the project's own
renderer: pictures of others are not shown.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluate import read_truth
from runtime import Detections, Detector, Floats, iou_matrix

# A box that overlaps the truth by so much has found it, loose as boxes of fire are.
FOUND_IOU = 0.2
COLUMNS, WIDTH, HEIGHT = 3, 512, 288
GREEN, RED, YELLOW = (80, 200, 80), (60, 60, 255), (0, 220, 255)


@dataclass
class Failure:
    """A picture, and the one thing that is wrong about it."""

    picture: Path
    words: str
    box: Floats
    colour: tuple[int, int, int]
    weight: float


def failures_of(picture: Path, area: int, truth: tuple[NDArray[np.int64], Floats],
                found: Detections, labelled: set[str], names: dict[int, str]) -> list[Failure]:
    """What is missed in a picture of so many pixels, and what is found where it is not."""
    classes, boxes = truth
    failures = []
    for number, name in names.items():
        ours, theirs = found.classes == number, classes == number
        overlap = iou_matrix(boxes[theirs], found.boxes[ours])
        for box, overlaps in zip(boxes[theirs], overlap):
            if not (overlaps >= FOUND_IOU).any():
                size = float(np.sqrt((box[2:] - box[:2]).prod() / area))
                failures.append(Failure(picture, f"{name} missed", box, RED, size))
        if name not in labelled:
            continue
        scores = found.scores[ours]
        for box, score, overlaps in zip(found.boxes[ours], scores, overlap.T):
            if not (overlaps >= FOUND_IOU).any():
                words = f"no {name}, {score:.2f}"
                failures.append(Failure(picture, words, box, YELLOW, float(score)))
    return failures


def tile(failure: Failure, found: Detections, names: dict[int, str]) -> NDArray[np.uint8]:
    """The picture with what was found, and what is wrong about it."""
    image = cv2.imread(str(failure.picture))
    scale = np.array([WIDTH / image.shape[1], HEIGHT / image.shape[0]] * 2, np.float32)
    image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)

    def draw(box: Floats, words: str, colour: tuple[int, int, int]) -> None:
        x0, y0, x1, y1 = (int(side) for side in box * scale)
        cv2.rectangle(image, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA)
        place = (max(2, min(x0, WIDTH - 130)), y0 - 5 if y0 > 20 else min(y1 + 14, HEIGHT - 4))
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    for box, score, number in zip(found.boxes, found.scores, found.classes):
        if not np.array_equal(box, failure.box):
            draw(box, f"{names[int(number)]} {score:.2f}", GREEN)
    draw(failure.box, failure.words, failure.colour)
    return image


def legend() -> NDArray[np.uint8]:
    """What the colours mean."""
    image = np.full((HEIGHT, WIDTH, 3), 24, np.uint8)
    words = (("found, with its score", GREEN), ("missed", RED), ("nothing of the kind", YELLOW))
    for line, (text, colour) in enumerate(words):
        place = (32, 100 + 40 * line)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    return image


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=Path, required=True, help="folder of rendered scenes")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    detector = Detector(args.model)
    limits = np.array([detector.thresholds()[detector.names[i]] for i in sorted(detector.names)])
    kinds: dict[str, Failure] = {}
    seen: dict[Path, Detections] = {}
    with (args.scenes / "manifest.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    counts, there = dict[str, int](), np.zeros(len(detector.names), int)
    for row in rows:
        picture = args.scenes / "images" / row["file"]
        image = cv2.imread(str(picture))
        all_of_it = detector(image)
        sure = all_of_it.scores >= limits[all_of_it.classes]
        found = Detections(all_of_it.boxes[sure], all_of_it.scores[sure], all_of_it.classes[sure])
        labelled = set(row["labelled_classes"].split(";"))
        height, width = image.shape[:2]
        truth = read_truth(args.scenes / "labels" / f"{picture.stem}.txt", width, height)
        there += np.bincount(truth[0], minlength=len(there))
        area = width * height
        for failure in failures_of(picture, area, truth, found, labelled, detector.names):
            kind = failure.words.split(",")[0]
            counts[kind] = counts.get(kind, 0) + 1
            if kind not in kinds or failure.weight > kinds[kind].weight:
                kinds[kind], seen[picture] = failure, found
    tiles = [tile(failure, seen[failure.picture], detector.names)
             for _, failure in sorted(kinds.items())]
    tiles.append(legend())
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    lines = [np.concatenate(tiles[i:i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(args.out), np.concatenate(lines), [cv2.IMWRITE_JPEG_QUALITY, 80])
    shown = ", ".join(f"{there[i]} x {name}" for i, name in detector.names.items())
    failed = ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
    print(f"{args.out}: {len(rows)} scenes show {shown}; {failed}")


if __name__ == "__main__":
    main()
