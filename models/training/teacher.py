"""What public detectors see in every picture, cached as boxes.

YOLOX-nano (COCO) and RTMDet-nano (people of COCO and Objects365), both Apache-2.0, draft labels.
Their people, fused, fill in for pictures whose source did not box them; the vehicles and other
objects of the first become the auxiliary classes. Neither file is shipped.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from runtime import iou_matrix, suppress

SIZE = 416
STRIDES = (8, 16, 32)
KEEP = 0.1
NMS_IOU = 0.55
VEHICLES = frozenset((1, 2, 3, 5, 6, 7))
PERSON = 0
# RTMDet's normalisation of BGR bytes, the multiple its input's sides must have, and the overlap from
# which a box of each teacher is the same person; one that a teacher alone sees counts so much.
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
MULTIPLE = 32
SAME_IOU, ALONE = 0.5, 0.6

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


def free_sides(model: onnx.ModelProto) -> None:
    """Let a fully convolutional network take pictures of any size."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    for side in ("batch", 3, "height", "width"):
        dim = model.graph.input[0].type.tensor_type.shape.dim.add()
        if isinstance(side, int):
            dim.dim_value = side
        else:
            dim.dim_param = side
    del model.graph.value_info[:]


class PeopleTeacher:
    """RTMDet-nano's people on one picture at a time."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        model = onnx.load(path)
        free_sides(model)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(model.SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, image: NDArray[np.uint8]) -> Floats:
        """Rows `(0, score, x0, y0, x1, y1)` with corners in 0..1."""
        rows, cols = image.shape[:2]
        scale = SIZE / max(rows, cols)
        new = (round(cols * scale), round(rows * scale))
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in (new[1], new[0]))
        board = np.full((height, width, 3), 114, np.float32)
        board[:new[1], :new[0]] = cv2.resize(image, new)
        feed = ((board - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
        maps = self.session.run(None, {self.input: np.ascontiguousarray(feed)})
        boxes, scores = [], []
        for stride, logits, sides in zip(STRIDES, maps[:3], maps[3:]):
            ys, xs = np.nonzero(logits[0, 0] > np.log(KEEP / (1 - KEEP)))
            reach = sides[0][:, ys, xs].T
            centre = np.stack((xs, ys), 1) * stride
            boxes.append(np.concatenate((centre - reach[:, :2], centre + reach[:, 2:]), 1))
            scores.append(1 / (1 + np.exp(-logits[0, 0, ys, xs])))
        found, score = np.concatenate(boxes), np.concatenate(scores)
        kept = suppress(found, score, NMS_IOU)
        corners = found[kept] / (np.array([cols, rows, cols, rows]) * scale)
        return np.concatenate((np.zeros((len(kept), 1)), score[kept, None], corners.clip(0, 1)),
                              1).astype(np.float32)


def fused(ours: Floats, theirs: Floats) -> Floats:
    """People of two teachers as one list, best first.

    A pair becomes the mean of its boxes, weighed by their scores, with the mean score; who is seen
    by one teacher alone keeps the box and a part of the score.
    """
    order = (-ours[:, 1]).argsort()
    rows, free = [], np.ones(len(theirs), bool)
    overlap = iou_matrix(ours[order, 2:], theirs[:, 2:])
    for row, ious in zip(ours[order], overlap):
        best = int(np.where(free, ious, -1).argmax()) if len(theirs) else -1
        if best >= 0 and free[best] and ious[best] >= SAME_IOU:
            free[best] = False
            other = theirs[best]
            box = (row[2:] * row[1] + other[2:] * other[1]) / (row[1] + other[1])
            rows.append(np.concatenate(([PERSON, (row[1] + other[1]) / 2], box)))
        else:
            rows.append(np.concatenate(([PERSON, row[1] * ALONE], row[2:])))
    for other in theirs[free]:
        rows.append(np.concatenate(([PERSON, other[1] * ALONE], other[2:])))
    every = np.array(rows, np.float32).reshape(-1, 6)
    return every[(-every[:, 1]).argsort()]


def stored_views(cache: Path) -> dict[str, Floats]:
    """The rows by picture that `cache` holds."""
    if not cache.exists():
        return {}
    with np.load(cache) as stored:
        return {name: stored[name] for name in stored.files}


def cached_views(images: dict[str, NDArray[np.uint8]], weights: Path, people: Path, cache: Path,
                 threads: int = 1) -> dict[str, Floats]:
    """The teachers' rows for every picture, computed once and kept in `cache`."""
    views = stored_views(cache)
    missing = images.keys() - views.keys()
    if not missing:
        return views
    teacher, second = Teacher(weights, threads), PeopleTeacher(people, threads)
    for name in tqdm(sorted(missing), desc="teachers"):
        rows = teacher(images[name])
        seen = rows[:, 0] == PERSON
        views[name] = np.concatenate((fused(second(images[name]), rows[seen]), rows[~seen]))
    np.savez(cache, **views)
    return views
