"""Average precision as COCO counts it, for one class and one group of pictures or sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from runtime import Floats, iou_matrix

# COCO's ten, and one at which where a box ends hardly matters.
IOUS = np.append(np.arange(0.5, 0.96, 0.05), 0.3)
STRICT, LOOSE = range(10), 10
# The least clean pictures from which a share of them says anything.
FEWEST_CLEAN = 20


@dataclass
class Tally:
    """Scores of all detections of a class and whether each was right at each IoU.

    `low` and `high` bound the side (root of the area, in pixels of the detector's input) of the
    boxes that count: others are neither to be found nor wrong.
    """

    low: float = 0.0
    high: float = math.inf
    truths: int = 0
    pictures: int = 0
    scores: list[Floats] = field(default_factory=list)
    hits: list[NDArray[np.bool_]] = field(default_factory=list)
    clean_pictures: int = 0
    clean_best: list[float] = field(default_factory=list)
    clean_scores: list[Floats] = field(default_factory=list)
    present_best: list[float] = field(default_factory=list)

    def counts(self, boxes: Floats, scale: float) -> NDArray[np.bool_]:
        """Which boxes are of this tally's size; `scale` turns their pixels into the input's."""
        sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)) * scale
        return (sides >= self.low) & (sides < self.high)

    def add(self, boxes: Floats, scores: Floats, truth: Floats, scale: float = 1.0) -> None:
        """Match one picture's detections to its boxes, best score first, at every IoU."""
        self.pictures += 1
        order = scores.argsort()[::-1]
        boxes, scores = boxes[order], scores[order]
        wanted = self.counts(truth, scale)
        self.truths += int(wanted.sum())
        hits = np.zeros((len(IOUS), len(order)), bool)
        judged = np.repeat(self.counts(boxes, scale)[None], len(IOUS), 0)
        overlap = iou_matrix(boxes, truth) if len(truth) and len(order) else np.zeros((0, 0))
        for level, limit in enumerate(IOUS):
            free = np.ones(len(truth), bool)
            for i, row in enumerate(overlap):
                # A box that counts is preferred to one that doesn't.
                best = int(np.where(free, row + (wanted & (row >= limit)), -1).argmax())
                if free[best] and row[best] >= limit:
                    free[best], hits[level, i] = False, wanted[best]
                    judged[level, i] = wanted[best]
        best_score = float(scores.max()) if len(scores) else 0.0
        if len(truth):
            self.present_best.append(best_score)
        else:
            self.clean_pictures += 1
            self.clean_best.append(best_score)
            self.clean_scores.append(scores)
        # What isn't judged ranks last and wrong, which leaves the curve before it alone.
        ranked = np.where(judged, scores[None], -1.0)
        self.scores.append(ranked.astype(np.float32))
        self.hits.append(hits)

    def curves(self, level: int) -> tuple[Floats, Floats, Floats]:
        """Scores, precision and recall along falling scores."""
        scores = np.concatenate([s[level] for s in self.scores]) if self.scores else np.zeros(0)
        hits = np.concatenate([h[level] for h in self.hits]) if self.hits else np.zeros(0, bool)
        hits, scores = hits[scores >= 0], scores[scores >= 0]
        order = np.argsort(-scores, kind="stable")
        right = np.cumsum(hits[order])
        return scores[order], right / (np.arange(len(order)) + 1), right / max(self.truths, 1)

    def average_precision(self, level: int = 0) -> float:
        """Area under the precision envelope, sampled at 101 recalls as COCO does."""
        _, precision, recall = self.curves(level)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        index = np.searchsorted(recall, np.linspace(0, 1, 101), "left")
        return float(np.append(envelope, 0.0)[np.minimum(index, len(envelope))].mean())

    def average_over_ious(self) -> float:
        """AP50-95."""
        return float(np.mean([self.average_precision(i) for i in STRICT]))

    def picture_recall(self, share: float = 0.01) -> float | None:
        """Share of the pictures with the class whose best score is over that of all but `share` of
        the pictures without it; `None` where there are too few of these."""
        if self.clean_pictures < FEWEST_CLEAN or not self.present_best:
            return None
        limit = np.quantile(self.clean_best, 1 - share)
        return float((np.array(self.present_best) > limit).mean())

    def recall_at_false_boxes(self, per_picture: float = 0.01, level: int = 0) -> float | None:
        """Share of the boxes found where clean pictures hold `per_picture` false boxes each."""
        if self.clean_pictures < FEWEST_CLEAN or not self.truths:
            return None
        false = np.sort(np.concatenate(self.clean_scores))[::-1]
        allowed = int(per_picture * self.clean_pictures)
        limit = false[allowed] if allowed < len(false) else -1.0
        scores, _, recall = self.curves(level)
        count = int((scores > limit).sum())
        return float(recall[count - 1]) if count else 0.0

    def threshold_at_clean_share(self, share: float) -> float:
        """The score that the best boxes of `share` of the clean pictures reach."""
        return float(np.quantile(self.clean_best, 1 - share)) if self.clean_best else 1.0

    def threshold_at_precision(self, least: float) -> float:
        """The lowest score from which on boxes are right as often as `least`."""
        scores, precision, _ = self.curves(0)
        good = np.flatnonzero(precision >= least)
        return float(scores[good[-1]]) if len(good) else 1.0

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
