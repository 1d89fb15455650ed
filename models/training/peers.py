"""Public COCO detectors, run as their authors meant them: what ours is measured beside.

Each gives the people of a BGR picture, as `runtime.Detector` gives all classes. Their weights are
no part of this project.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from runtime import Detections, Floats, suppress

NMS_IOU = 0.5
MOST = 300


def grid(rows: int, cols: int) -> Floats:
    """Column and row number [rows * cols, 2] of every cell."""
    ys, xs = np.mgrid[:rows, :cols]
    return np.stack((xs, ys), -1).reshape(-1, 2).astype(np.float32)


def sigmoid(x: Floats) -> Floats:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


class Peer:
    """A session, its input and how pixels of the input become pixels of the picture."""

    size = 416

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def letterbox(self, image: np.ndarray) -> tuple[Floats, float]:
        """The picture at the top left of a square padded with 114, and its scale."""
        scale = self.size / max(image.shape[:2])
        board = np.full((self.size, self.size, 3), 114, np.uint8)
        new = [min(self.size, round(side * scale)) for side in image.shape[:2]]
        board[:new[0], :new[1]] = cv2.resize(image, (new[1], new[0]))
        return board.astype(np.float32), scale

    def stretch(self, image: np.ndarray) -> Floats:
        """The whole picture, its sides squeezed to a square."""
        return cv2.resize(image, (self.size, self.size)).astype(np.float32)

    def run(self, picture: Floats) -> list[Floats]:
        """All outputs for one HWC picture."""
        feed = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
        return self.session.run(None, {self.input: feed})

    @staticmethod
    def chosen(boxes: Floats, scores: Floats, floor: float) -> Detections:
        """The people among the candidates, after suppression."""
        keep = np.flatnonzero(scores >= floor)
        keep = keep[scores[keep].argsort()[::-1][:MOST]]
        kept = suppress(boxes[keep], scores[keep], NMS_IOU)
        return Detections(boxes[keep][kept], scores[keep][kept], np.full(len(kept), 2, np.int64))


class YoloxNano(Peer):
    """YOLOX nano: raw centres and log sizes on strides 8, 16, 32, objectness, classes."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        super().__init__(path, threads)
        sides = [self.size // stride for stride in (8, 16, 32)]
        self.offsets = np.concatenate([grid(side, side) for side in sides])
        self.strides = np.concatenate(
            [np.full((side * side, 1), self.size // side, np.float32) for side in sides])

    def __call__(self, image: np.ndarray, floor: float = 0.01) -> Detections:
        picture, scale = self.letterbox(image)
        raw = self.run(picture)[0][0]
        centre = (raw[:, :2] + self.offsets) * self.strides
        half = np.exp(raw[:, 2:4]) * self.strides / 2
        return self.chosen(np.concatenate((centre - half, centre + half), 1) / scale,
                           raw[:, 4] * raw[:, 5], floor)


class NanodetM(Peer):
    """NanoDet-m: class scores and distances as distributions over eight bins, three levels."""

    mean = np.array((103.53, 116.28, 123.675), np.float32)
    deviation = np.array((57.375, 57.12, 58.395), np.float32)

    def __call__(self, image: np.ndarray, floor: float = 0.01) -> Detections:
        outputs = self.run((self.stretch(image) - self.mean) / self.deviation)
        boxes, scores = [], []
        for classes, bins in zip(outputs[:3], outputs[3:]):
            side = int(np.sqrt(classes.shape[1]))
            stride = self.size / side
            spread = np.exp(bins[0].reshape(-1, 4, 8))
            reach = (spread / spread.sum(2, keepdims=True) @ np.arange(8)) * stride
            centre = (grid(side, side) + 0.5) * stride
            boxes.append(np.concatenate((centre - reach[:, :2], centre + reach[:, 2:]), 1))
            person = classes[0, :, 0]
            scores.append(person if 0 <= person.min() and person.max() <= 1 else sigmoid(person))
        rows, cols = image.shape[:2]
        factor = np.array((cols, rows, cols, rows)) / self.size
        return self.chosen(np.concatenate(boxes) * factor, np.concatenate(scores), floor)


class FastestDet(Peer):
    """FastestDet: one level of 22 x 22 cells; objectness, offset, size, classes."""

    size = 352

    def __call__(self, image: np.ndarray, floor: float = 0.01) -> Detections:
        raw = self.run(self.stretch(image) / 255)[0][0]
        side = raw.shape[1]
        cells = raw.reshape(raw.shape[0], -1)
        score = cells[0] ** 0.6 * cells[5] ** 0.4
        centre = (np.tanh(cells[1:3]).T + grid(side, side)) / side
        half = sigmoid(cells[3:5]).T / 2
        rows, cols = image.shape[:2]
        boxes = np.concatenate((centre - half, centre + half), 1) * (cols, rows, cols, rows)
        return self.chosen(boxes, score, floor)


PEERS = {"yolox_nano_coco": YoloxNano, "nanodet_m_416_coco": NanodetM,
         "fastestdet_coco": FastestDet}


def found_in(folder: Path, threads: int = 1) -> dict[str, Peer]:
    """Those peers whose weights lie in `folder`."""
    return {name: peer(folder / f"{name}.onnx", threads) for name, peer in PEERS.items()
            if (folder / f"{name}.onnx").exists()}
