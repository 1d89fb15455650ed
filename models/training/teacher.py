"""What a public COCO detector sees in every picture, cached as boxes.

The teacher (YOLOX nano, Apache-2.0) only drafts labels: its weights are neither shipped nor used to
start ours. Its people fill in for pictures whose source did not box them; its vehicles and other
objects become the auxiliary classes.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

SIZE = 416
STRIDES = (8, 16, 32)
KEEP = 0.1
NMS_IOU = 0.55
VEHICLES = frozenset((1, 2, 3, 5, 6, 7))
PERSON = 0

Floats = NDArray[np.float32]


def grid() -> tuple[Floats, Floats]:
    """Offsets [A,2] and strides [A,1] of the teacher's raw output."""
    offsets, strides = [], []
    for stride in STRIDES:
        side = SIZE // stride
        ys, xs = np.mgrid[:side, :side]
        offsets.append(np.stack((xs, ys), -1).reshape(-1, 2))
        strides.append(np.full((side * side, 1), stride))
    return np.concatenate(offsets).astype(np.float32), np.concatenate(strides).astype(np.float32)


class Teacher:
    """YOLOX nano on one picture at a time."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.offsets, self.strides = grid()

    def __call__(self, image: NDArray[np.uint8]) -> Floats:
        """Rows `(coco class, score, x0, y0, x1, y1)` with corners in 0..1."""
        rows, cols = image.shape[:2]
        scale = SIZE / max(rows, cols)
        board = np.full((SIZE, SIZE, 3), 114, np.uint8)
        new = (min(SIZE, round(cols * scale)), min(SIZE, round(rows * scale)))
        board[:new[1], :new[0]] = cv2.resize(image, new)
        feed = np.ascontiguousarray(board.transpose(2, 0, 1)[None], np.float32)
        raw = self.session.run(None, {self.input: feed})[0][0]
        scores = raw[:, 5:] * raw[:, 4:5]
        best = scores.argmax(1)
        score = scores[np.arange(len(best)), best]
        keep = score >= KEEP
        if not keep.any():
            return np.zeros((0, 6), np.float32)
        centre = (raw[keep, :2] + self.offsets[keep]) * self.strides[keep]
        size = np.exp(raw[keep, 2:4]) * self.strides[keep]
        boxes = np.concatenate((centre - size / 2, size), 1)
        best, score = best[keep], score[keep]
        chosen = cv2.dnn.NMSBoxesBatched(
            boxes.tolist(), score.tolist(), best.tolist(), KEEP, NMS_IOU)
        chosen = np.asarray(chosen, int).reshape(-1)
        corners = np.concatenate((boxes[chosen, :2], boxes[chosen, :2] + boxes[chosen, 2:]), 1)
        corners /= np.array([cols, rows, cols, rows]) * scale
        return np.concatenate((best[chosen, None], score[chosen, None], corners.clip(0, 1)),
                              1).astype(np.float32)


def cached_views(images: dict[str, NDArray[np.uint8]], weights: Path, cache: Path,
                 threads: int = 1) -> dict[str, Floats]:
    """The teacher's rows for every picture, computed once and kept in `cache`."""
    if cache.exists():
        with np.load(cache) as stored:
            views = {name: stored[name] for name in stored.files}
        if images.keys() <= views.keys():
            return views
    teacher = Teacher(weights, threads)
    views = {name: teacher(image) for name, image in tqdm(images.items(), desc="teacher")}
    np.savez(cache, **views)
    return views
