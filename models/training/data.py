"""The training pictures in memory: decoding, label rules, sampling weights, batches.

Rules that decide what the net is told about each class of a picture:

* A class named in `labelled_classes` is exhaustively boxed: its absence counts fully.
* A class that is not named is masked, except that
  - people and the auxiliary classes are filled in from the teachers: sure ones become boxes,
    doubtful ones regions to ignore, and elsewhere absence counts half; where no teacher has looked,
    they stay masked;
  - fire and smoke count as absent in the sources of `FIRE_FREE`, which show waiting rooms,
    construction sites and pedestrians.
"""

from __future__ import annotations

import csv
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from augment import Annotated, Augmenter, Floats
from compose import Patch, cut, lights
from mimic import FeatureTeacher
from net import TRAIN_CLASSES
from teacher import PERSON, VEHICLES, cached_views, stored_views

LONG_SIDE = 448
SURE_PERSON, SURE_OTHER = 0.4, 0.4
# How many times oftener a picture is drawn that a former model was wholly wrong about.
HARD_GAIN = 8.0
DRAFT_WEIGHT = 0.5
FIRE_FREE = frozenset(("css", "tud", "path", "room", "hseg"))
NO_PERSON_TRUTH = frozenset(("nightneg",))
SOURCE_WEIGHT = {"contfire": 0.5, "css": 0.8, "tud": 0.9, "webnight": 3.0, "glow": 4.0,
                 "supperjoy": 4.0, "nightneg": 2.0, "dark": 3.0, "road": 2.0, "room": 2.0,
                 "camvid": 1.2, "therm": 3.0, "coco": 3.5, "hseg": 2.5, "path": 1.5,
                 "xiapinquan": 1.2, "cctvfire8": 1.0, "dfire": 0.8, "ptrack": 0.8}
SYNTHETIC_PREFIX = "syn"


def read_rows(path: Path, columns: int) -> Floats:
    """Numbers of a label file, `columns` of them a row."""
    if not path.exists():
        return np.zeros((0, columns), np.float32)
    rows = [line.split()[:columns] for line in path.read_text().splitlines() if line.strip()]
    return np.array(rows, np.float32).reshape(-1, columns)


def corners(rows: Floats) -> Floats:
    """`(class, cx, cy, w, h)` to `(class, x0, y0, x1, y1)`."""
    half = rows[:, 3:5] / 2
    return np.concatenate((rows[:, :1], rows[:, 1:3] - half, rows[:, 1:3] + half), 1).clip(
        [0, 0, 0, 0, 0], [99, 1, 1, 1, 1]).astype(np.float32)


def overlaps(row: Floats, boxes: Floats, over_own_area: bool = False) -> bool:
    """Whether a box overlaps one of `boxes` by half, of the union or of its own area."""
    if not len(boxes):
        return False
    side = np.minimum(row[3:], boxes[:, 3:]) - np.maximum(row[1:3], boxes[:, 1:3])
    inter = side.clip(0).prod(1)
    own = float((row[3] - row[1]) * (row[4] - row[2]))
    other = (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2])
    base = own if over_own_area else own + other - inter
    return bool((inter / np.maximum(base, 1e-9) > 0.5).any())


def decode(path: Path) -> NDArray[np.uint8]:
    """A picture (BGR), at most `LONG_SIDE` long."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(path)
    scale = LONG_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return image


@dataclass
class Entry:
    """A sample and how often it is drawn."""

    name: str
    sample: Annotated
    weight: float


def annotate(name: str, image: NDArray[np.uint8], labelled: set[str], light: str, truth: Floats,
             drafts: Floats | None, confirmed: Floats) -> Entry:
    """Apply the label rules to one picture; `drafts` is `None` if no teacher has seen it."""
    prefix = name.split("_")[0]
    index = {label: i for i, label in enumerate(TRAIN_CLASSES)}
    negative = np.zeros(len(TRAIN_CLASSES), np.float32)
    for label in labelled:
        negative[index[label]] = 1.0
    if prefix in FIRE_FREE:
        negative[:2] = 1.0
    boxes, ignore = list(truth), []
    draft_person = "person" not in labelled and prefix not in NO_PERSON_TRUTH
    if draft_person:
        negative[2] = 0.0 if drafts is None else DRAFT_WEIGHT
    if prefix != SYNTHETIC_PREFIX:
        negative[3:] = 0.0 if drafts is None else DRAFT_WEIGHT
    flames = truth[truth[:, 0] == 0]
    people = truth[truth[:, 0] == 2]
    if draft_person:
        for row in confirmed:
            if not overlaps(row, people):
                boxes.append(row)
                people = np.concatenate((people, row[None]))
    for draft in drafts if drafts is not None else ():
        coco, score = int(draft[0]), float(draft[1])
        row = np.concatenate(([0.0], draft[2:])).astype(np.float32)
        if coco == PERSON:
            row[0] = 2
            if overlaps(row, people) or (not draft_person and score < SURE_PERSON):
                continue
            # Whom a source that boxes all people left out is neither taught nor punished.
            sure = (draft_person and score >= SURE_PERSON
                    and not overlaps(row, flames, over_own_area=True))
        else:
            row[0] = 3 if coco in VEHICLES else 4
            sure = score >= SURE_OTHER
        (boxes if sure else ignore).append(row)
    stack = [np.array(rows, np.float32).reshape(-1, 5) for rows in (boxes, ignore)]
    night = light.startswith(("night", "IR", "thermal"))
    sample = Annotated(image, stack[0], stack[1], negative, night)
    return Entry(name, sample, SOURCE_WEIGHT.get(prefix, 1.0))


def load_folder(root: Path, teachers: tuple[Path, Path, Path] | None = None,
                hard: dict[str, float] | None = None, drafting: bool = True) -> list[Entry]:
    """Decode and annotate every picture of a folder laid out as `images/ labels/ manifest.csv`.

    `teachers` names their two weights and the cache of their views; rendered pictures need none.
    `hard` tells by name how sure a former model was of what isn't there. Without `drafting` the
    teachers look at no further picture than the cache knows.
    """
    with (root / "manifest.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = [Path(row["file"]).name for row in rows]
    images = {name: decode(root / "images" / name) for name in tqdm(names, desc="decode")}
    views: dict[str, Floats] = {}
    if teachers:
        views = cached_views(images, *teachers) if drafting else stored_views(teachers[2])
    entries = []
    for row, name in zip(rows, names):
        stem = Path(name).stem
        truth = corners(read_rows(root / "labels" / f"{stem}.txt", 5))
        pseudo = root / "pseudo_person" / f"{stem}.txt"
        both = [line.split()[:5] for line in pseudo.read_text().splitlines()
                if line.endswith("both")] if pseudo.exists() else []
        confirmed = corners(np.array(both, np.float32).reshape(-1, 5))
        labelled = {c for c in row["labelled_classes"].split(";") if c}
        entries.append(annotate(name, images[name], labelled, row.get("light", ""), truth,
                                views.get(name), confirmed))
        entries[-1].weight *= 1 + HARD_GAIN * (hard or {}).get(name, 0.0)
    return entries


def cut_lights(entries: list[Entry]) -> tuple[list[Patch], list[Patch]]:
    """Patches to paste: the fires that can be keyed, and the lamps of fire-free pictures."""
    fires, lamps = [], []
    for entry in entries:
        sample = entry.sample
        rows, cols = sample.image.shape[:2]
        flames = sample.boxes[sample.boxes[:, 0] == 0]
        if len(flames):
            sized = flames[:, 1:] * np.array([cols, rows, cols, rows], np.float32)
            found = [cut(sample.image, tuple(map(float, box))) for box in sized[:3]]
            fires += [patch for patch in found if patch is not None]
        elif sample.negative[0] > 0:
            lamps += lights(sample.image)
    return fires, lamps


@dataclass
class Batch:
    """Arrays of one training step; the boxes of all pictures form one flat list."""

    images: NDArray[np.uint8]
    gt_image: NDArray[np.int64]
    gt_class: NDArray[np.int64]
    gt_box: Floats
    negative: Floats
    features: list[NDArray[np.float16]]


class Loader:
    """Draws samples by weight and prepares batches in background threads, the same for a seed."""

    def __init__(self, entries: list[Entry], synthetic: list[Entry], share: float, seed: int,
                 threads: int = 1, teacher: FeatureTeacher | None = None) -> None:
        self.teacher = teacher
        self.entries, self.synthetic, self.share, self.seed = entries, synthetic, share, seed
        weight = np.array([entry.weight for entry in entries])
        self.cumulative = np.cumsum(weight / weight.sum())
        self.threads = threads

    def draw(self, rng: np.random.Generator) -> Annotated:
        """One sample."""
        if self.synthetic and rng.random() < self.share:
            return self.synthetic[int(rng.integers(len(self.synthetic)))].sample
        place = int(np.searchsorted(self.cumulative, rng.random()))
        return self.entries[min(place, len(self.entries) - 1)].sample

    def batch(self, augmenter: Augmenter, size: int, step: int) -> Batch:
        """Batch number `step`, a function of the seed alone."""
        rng = np.random.default_rng((self.seed, step))
        canvases = [augmenter.build([self.draw(rng) for _ in range(4)], rng) for _ in range(size)]
        boxes = np.concatenate([canvas.boxes for canvas in canvases])
        owner = np.repeat(np.arange(size), [len(canvas.boxes) for canvas in canvases])
        images = np.stack([canvas.image for canvas in canvases])
        return Batch(
            images, owner.astype(np.int64),
            boxes[:, 0].astype(np.int64), np.ascontiguousarray(boxes[:, 1:], np.float32),
            np.stack([canvas.negative for canvas in canvases]),
            self.teacher(images) if self.teacher else [])

    def batches(self, augmenter: Augmenter, size: int, first: int) -> Iterator[Batch]:
        """Endless batches from step `first`, in order; close the generator to stop the threads."""
        stop = threading.Event()
        queues: list[queue.Queue[Batch]] = [queue.Queue(3) for _ in range(self.threads)]

        def work(lane: int) -> None:
            step = first + lane
            while not stop.is_set():
                ready = self.batch(augmenter, size, step)
                while not stop.is_set():
                    try:
                        queues[lane].put(ready, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                step += self.threads

        workers = [threading.Thread(target=work, args=(lane,), daemon=True)
                   for lane in range(self.threads)]
        for worker in workers:
            worker.start()
        try:
            turn = 0
            while True:
                yield queues[turn % self.threads].get()
                turn += 1
        finally:
            stop.set()
