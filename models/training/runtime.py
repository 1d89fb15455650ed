"""Run a shipped detector as the daemon does: letterbox, ONNX Runtime, suppression per class.

Needs only numpy, OpenCV and onnxruntime. How to feed a model stands in its own metadata.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass
class Detections:
    """Boxes (x0, y0, x1, y1) in pixels of the picture, scores and class numbers."""

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """IoU [len(a), len(b)] of boxes (x0, y0, x1, y1)."""
    side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inter = side.clip(0).prod(2)
    area_a = (a[:, 2:] - a[:, :2]).prod(1)
    area_b = (b[:, 2:] - b[:, :2]).prod(1)
    return inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9)


def suppress(boxes: Floats, scores: Floats, limit: float) -> NDArray[np.int64]:
    """Indices kept by greedy non-maximum suppression, best first."""
    order = scores.argsort()[::-1]
    overlap = iou_matrix(boxes[order], boxes[order])
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1:] &= overlap[i, i + 1:] <= limit
    return order[alive]


class Detector:
    """A model file of the layout `[N, 4 + classes, anchors]` with its metadata."""

    def __init__(self, path: Path, threads: int = 1, nms_iou: float = 0.5) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        source = self.session.get_inputs()[0]
        self.name, self.nms_iou = source.name, nms_iou
        self.height, self.width = int(source.shape[2]), int(source.shape[3])
        self.meta = dict(self.session.get_modelmeta().custom_metadata_map)
        self.names: dict[int, str] = ast.literal_eval(self.meta["names"])
        self.scale = 1 / 255 if self.meta.get("keng.scale", "1/255") == "1/255" else 1.0
        self.rgb = self.meta.get("keng.color", "rgb") == "rgb"
        self.pad = int(self.meta.get("keng.pad", "114"))
        self.centred = self.meta.get("keng.letterbox", "center") == "center"

    def thresholds(self) -> dict[str, float]:
        """The recommended thresholds, by class name."""
        raw = ast.literal_eval(self.meta.get("keng.thresholds", "{}"))
        return {str(name): float(value) for name, value in raw.items()}

    def prepare(self, image: NDArray[np.uint8]) -> tuple[Floats, float, float, float]:
        """Input tensor, scale and offsets of the letterbox."""
        rows, cols = image.shape[:2]
        scale = min(self.width / cols, self.height / rows)
        new = (max(1, round(cols * scale)), max(1, round(rows * scale)))
        mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        left = (self.width - new[0]) // 2 if self.centred else 0
        top = (self.height - new[1]) // 2 if self.centred else 0
        board = np.full((self.height, self.width, 3), self.pad, np.uint8)
        board[top:top + new[1], left:left + new[0]] = cv2.resize(image, new, interpolation=mode)
        if self.rgb:
            board = board[:, :, ::-1]
        tensor = np.ascontiguousarray(board.transpose(2, 0, 1)[None], np.float32) * self.scale
        return tensor.astype(np.float32), scale, left, top

    def __call__(self, image: NDArray[np.uint8], floor: float = 0.01,
                 most: int = 300) -> Detections:
        """Detections of a BGR picture with a score of at least `floor`."""
        tensor, scale, left, top = self.prepare(image)
        raw = self.session.run(None, {self.name: tensor})[0][0]
        boxes_out, scores_out, classes_out = [], [], []
        for number in self.names:
            score = raw[4 + number]
            keep = np.flatnonzero(score >= floor)
            keep = keep[score[keep].argsort()[::-1][:most]]
            centre, half = raw[:2, keep].T, raw[2:4, keep].T / 2
            boxes = (np.concatenate((centre - half, centre + half), 1)
                     - (left, top, left, top)) / scale
            boxes = boxes.clip(0, (image.shape[1], image.shape[0]) * 2)
            chosen = suppress(boxes, score[keep], self.nms_iou)
            boxes_out.append(boxes[chosen])
            scores_out.append(score[keep][chosen])
            classes_out.append(np.full(len(chosen), number, np.int64))
        return Detections(np.concatenate(boxes_out), np.concatenate(scores_out),
                          np.concatenate(classes_out))
