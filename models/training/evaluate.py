"""Average precision of a model file on a split of labelled pictures, class by class.

    python3 models/training/evaluate.py --corpus ../corpus --split val --model models/keng.onnx

A class counts only on pictures whose `labelled_classes` names it, since elsewhere its absence in
the labels means nothing. The last line printed is one JSON object. Needs no torch.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime import Detections, Detector, Floats, iou_matrix

IOUS = np.arange(0.5, 0.96, 0.05)
DARK = ("night", "IR", "thermal", "dusk")


@dataclass
class Tally:
    """Scores of all detections of a class and whether each was right at each IoU."""

    truths: int = 0
    pictures: int = 0
    scores: list[Floats] = field(default_factory=list)
    hits: list[NDArray[np.bool_]] = field(default_factory=list)
    clean_pictures: int = 0
    clean_best: list[float] = field(default_factory=list)

    def add(self, boxes: Floats, scores: Floats, truth: Floats) -> None:
        """Match one picture's detections to its boxes, best score first, at every IoU."""
        self.pictures += 1
        self.truths += len(truth)
        order = scores.argsort()[::-1]
        hits = np.zeros((len(IOUS), len(order)), bool)
        if len(truth) and len(order):
            overlap = iou_matrix(boxes[order], truth)
            for level, limit in enumerate(IOUS):
                free = np.ones(len(truth), bool)
                for i, row in enumerate(overlap):
                    best = int(np.where(free, row, -1).argmax())
                    if free[best] and row[best] >= limit:
                        free[best], hits[level, i] = False, True
        if not len(truth):
            self.clean_pictures += 1
            self.clean_best.append(float(scores.max()) if len(scores) else 0.0)
        self.scores.append(scores[order])
        self.hits.append(hits)

    def curves(self, level: int) -> tuple[Floats, Floats, Floats]:
        """Scores, precision and recall along falling scores."""
        scores = np.concatenate(self.scores) if self.scores else np.zeros(0)
        hits = np.concatenate([h[level] for h in self.hits]) if self.hits else np.zeros(0, bool)
        order = np.argsort(-scores, kind="stable")
        right = np.cumsum(hits[order])
        return scores[order], right / (np.arange(len(order)) + 1), right / max(self.truths, 1)

    def average_precision(self, level: int) -> float:
        """Area under the precision envelope, sampled at 101 recalls as COCO does."""
        _, precision, recall = self.curves(level)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        index = np.searchsorted(recall, np.linspace(0, 1, 101), "left")
        return float(np.append(envelope, 0.0)[np.minimum(index, len(envelope))].mean())

    def at(self, threshold: float) -> dict[str, float]:
        """Precision, recall and share of clean pictures with a false alarm at a threshold."""
        scores, precision, recall = self.curves(0)
        count = int((scores >= threshold).sum())
        false_alarms = float((np.array(self.clean_best) >= threshold).mean()) \
            if self.clean_best else 0.0
        return {"threshold": threshold,
                "precision": round(float(precision[count - 1]), 4) if count else 0.0,
                "recall": round(float(recall[count - 1]), 4) if count else 0.0,
                "clean_pictures": self.clean_pictures,
                "clean_false_alarm_share": round(false_alarms, 4)}


def read_truth(path: Path, width: int, height: int) -> tuple[NDArray[np.int64], Floats]:
    """Classes and boxes in pixels of a label file."""
    rows = np.array([line.split()[:5] for line in path.read_text().splitlines() if line.strip()],
                    np.float64).reshape(-1, 5) if path.exists() else np.zeros((0, 5))
    half = rows[:, 3:] / 2
    boxes = np.concatenate((rows[:, 1:3] - half, rows[:, 1:3] + half), 1)
    return rows[:, 0].astype(np.int64), boxes * (width, height, width, height)


def evaluate(detector: Detector, root: Path, limit: int) -> dict[str, dict[str, Tally]]:
    """Tallies by class, over all pictures and over those by day and by night."""
    with (root / "manifest.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))[:limit or None]
    groups = ("all", "day", "night")
    tallies = {g: {name: Tally() for name in detector.names.values()} for g in groups}
    for done, row in enumerate(rows, 1):
        name = Path(row["file"]).name
        image = cv2.imread(str(root / "images" / name))
        found: Detections = detector(image)
        height, width = image.shape[:2]
        classes, boxes = read_truth(root / "labels" / f"{Path(name).stem}.txt", width, height)
        labelled = row["labelled_classes"].split(";")
        light = row.get("light", "")
        group = "night" if light.startswith(DARK) else "day" if light else ""
        for number, label in detector.names.items():
            if label not in labelled:
                continue
            own = found.classes == number
            for key in ("all", group) if group else ("all",):
                tallies[key][label].add(found.boxes[own], found.scores[own],
                                        boxes[classes == number])
        if done % 200 == 0:
            print(f"{done}/{len(rows)} pictures", flush=True)
    return tallies


def main() -> None:
    """Evaluate and print a table, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="only the first pictures")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    detector = Detector(args.model, args.threads)
    tallies = evaluate(detector, args.corpus / args.split, args.limit)
    shipped = detector.thresholds()
    result: dict[str, object] = {"model": str(args.model), "split": args.split}
    overall = tallies["all"]
    result["ap50"] = {n: round(t.average_precision(0), 4) for n, t in overall.items()}
    result["ap50_95"] = {
        n: round(float(np.mean([t.average_precision(i) for i in range(len(IOUS))])), 4)
        for n, t in overall.items()}
    result["ap50_night"] = {n: round(t.average_precision(0), 4)
                            for n, t in tallies["night"].items() if t.truths}
    result["boxes"] = {n: t.truths for n, t in overall.items()}
    result["pictures"] = {n: t.pictures for n, t in overall.items()}
    result["at_threshold"] = {n: t.at(shipped.get(n, 0.5)) for n, t in overall.items()}
    print(f"{'class':8} {'boxes':>6} {'AP50':>7} {'AP50-95':>8}  precision recall  false alarms")
    for name, tally in overall.items():
        for threshold in sorted({0.3, 0.4, 0.5, 0.6, shipped.get(name, 0.5)}):
            point = tally.at(threshold)
            mark = "*" if threshold == shipped.get(name) else " "
            print(f"{name:8} {tally.truths:6} {result['ap50'][name]:7.4f} "
                  f"{result['ap50_95'][name]:8.4f}  {point['precision']:.3f} {point['recall']:.3f}"
                  f"  {point['clean_false_alarm_share']:.3f} of {point['clean_pictures']} clean"
                  f" at {threshold:.2f}{mark}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
