"""Measure a model file: precision on labelled pictures, alarms on clips, cost beside its peers.

    python3 models/training/evaluate.py --corpus ../corpus --split val --model models/keng.onnx

A class counts only on pictures whose `labelled_classes` names it, since elsewhere its absence in
the labels means nothing. Peers, clips and the int8 variant are measured where they are. The last
line printed is one JSON object. Needs no torch.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from pathlib import Path

import cv2
import numpy as np

import replayed
from metrics import LOOSE, Tally
from peers import Peer, found_in
from runtime import Detector, Floats

DARK = ("night", "IR", "thermal", "dusk")
INFRARED = ("IR", "thermal")
# Side of a box in pixels of the detector's input.
SIZES = {"small": (0.0, 32.0), "medium": (32.0, 96.0), "large": (96.0, math.inf)}
GROUPS = ("all", "day", "night", "infrared", *SIZES)
Tallies = dict[str, dict[str, Tally]]
Rows = list[dict[str, str]]


def read_rows(root: Path, limit: int) -> Rows:
    """The manifest of a split."""
    with (root / "manifest.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))[:limit or None]


def read_truth(path: Path, width: int, height: int) -> tuple[np.ndarray, Floats]:
    """Classes and boxes in pixels of a label file."""
    rows = np.array([line.split()[:5] for line in path.read_text().splitlines() if line.strip()],
                    np.float64).reshape(-1, 5) if path.exists() else np.zeros((0, 5))
    half = rows[:, 3:] / 2
    boxes = np.concatenate((rows[:, 1:3] - half, rows[:, 1:3] + half), 1)
    return rows[:, 0].astype(np.int64), boxes * (width, height, width, height)


def evaluate(detector: Detector | Peer, names: dict[int, str], root: Path, rows: Rows,
             size: tuple[int, int]) -> Tallies:
    """Tallies by group and class; `size` is the input that sizes of boxes are told in."""
    tallies = {group: {name: Tally(*SIZES.get(group, (0.0, math.inf)))
                       for name in names.values()} for group in GROUPS}
    for row in rows:
        labelled = row["labelled_classes"].split(";")
        if not set(labelled) & set(names.values()):
            continue
        name = Path(row["file"]).name
        image = cv2.imread(str(root / "images" / name))
        found = detector(image)
        height, width = image.shape[:2]
        scale = min(size[0] / width, size[1] / height)
        classes, boxes = read_truth(root / "labels" / f"{Path(name).stem}.txt", width, height)
        light = row.get("light", "")
        groups = ["all", *SIZES]
        groups += ["night" if light.startswith(DARK) else "day"] if light else []
        groups += ["infrared"] if light.startswith(INFRARED) else []
        for number, label in names.items():
            if label in labelled:
                own = found.classes == number
                for group in groups:
                    tallies[group][label].add(found.boxes[own], found.scores[own],
                                              boxes[classes == number], scale)
    return tallies


def average_precisions(tallies: Tallies) -> dict[str, dict[str, float]]:
    """AP50 of each group and class that has boxes."""
    return {group: {name: round(t.average_precision(), 4)
                    for name, t in tallies[group].items() if t.truths} for group in GROUPS}


def print_precision(title: str, tallies: Tallies) -> None:
    """One line a class: AP50 over all, by light, by size."""
    print(f"\n{title:24} {'boxes':>6} {'AP50':>7} {'AP50-95':>8} {'AP30':>7} "
          + " ".join(f"{group:>8}" for group in GROUPS[1:]))
    for name, tally in tallies["all"].items():
        others = [tallies[group][name] for group in GROUPS[1:]]
        print(f"{name:24} {tally.truths:6} {tally.average_precision():7.4f} "
              f"{tally.average_over_ious():8.4f} {tally.average_precision(LOOSE):7.4f} "
              + " ".join(f"{t.average_precision():8.4f}" if t.truths else f"{'-':>8}"
                         for t in others))


def print_pictures(tallies: Tallies) -> None:
    """One line a class: what is found where few clean pictures, or few boxes in them, are false."""
    print(f"\n{'class':8} {'with':>5} {'clean':>5}  pictures found at 1 % and 5 % false ones, "
          "boxes found at one false box in 100 clean pictures (IoU 0.5, 0.3)")
    for name, tally in tallies["all"].items():
        figures = (tally.picture_recall(0.01), tally.picture_recall(0.05),
                   tally.recall_at_false_boxes(), tally.recall_at_false_boxes(level=LOOSE))
        print(f"{name:8} {len(tally.present_best):5} {tally.clean_pictures:5}  "
              + " ".join("    -" if f is None else f"{f:5.3f}" for f in figures))


def print_thresholds(tallies: Tallies, shipped: dict[str, float]) -> None:
    """Precision, recall and false alarms along thresholds; a star marks the shipped one."""
    print(f"\n{'class':8} {'threshold':>9}  precision recall  clean pictures with a false box")
    for name, tally in tallies["all"].items():
        for threshold in sorted({0.3, 0.4, 0.5, 0.6, shipped.get(name, 0.5)}):
            point = tally.at(threshold)
            mark = "*" if threshold == shipped.get(name) else " "
            print(f"{name:8} {threshold:8.2f}{mark}  {point['precision']:9.3f} "
                  f"{point['recall']:.3f}   {point['clean_false_alarm_share'] * 100:.1f} % of "
                  f"{point['clean_pictures']}")


def cost(models: dict[str, Path], runs: int = 40) -> dict[str, dict[str, float]]:
    """Median milliseconds a frame at one and two threads, all models by turns in one run."""
    result: dict[str, dict[str, float]] = {name: {} for name in models}
    for threads in (1, 2):
        peers = {name: Peer(path, threads) for name, path in models.items()}
        feeds = {}
        for name, peer in peers.items():
            shape = [side if isinstance(side, int) else 1
                     for side in peer.session.get_inputs()[0].shape]
            feeds[name] = {peer.input: np.random.default_rng(0).random(shape, np.float32)}
        times: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(runs):
            for name, peer in peers.items():
                begin = time.perf_counter()
                peer.session.run(None, feeds[name])
                times[name].append(time.perf_counter() - begin)
        for name, seconds in times.items():
            result[name][f"threads_{threads}"] = round(float(np.median(seconds)) * 1000, 2)
    return result


def print_cost(costs: dict[str, dict[str, float]], models: dict[str, Path]) -> None:
    """One line a model."""
    print(f"\n{'ms a frame':24} {'1 thread':>9} {'2 threads':>10} {'file':>9}")
    for name, ms in costs.items():
        print(f"{name:24} {ms['threads_1']:9.2f} {ms['threads_2']:10.2f} "
              f"{models[name].stat().st_size / 1e6:6.2f} MB")


def told(figures: dict[str, float | None]) -> dict[str, float]:
    """Those figures that there are, rounded."""
    return {name: round(value, 4) for name, value in figures.items() if value is not None}


def describe(tallies: Tallies, shipped: dict[str, float]) -> dict[str, object]:
    """What the JSON line says of one model."""
    every = tallies["all"]
    groups = average_precisions(tallies)
    return {"ap50": groups.pop("all"),
            "ap50_95": {n: round(t.average_over_ious(), 4) for n, t in every.items()},
            "ap30": {n: round(t.average_precision(LOOSE), 4) for n, t in every.items()},
            "picture_recall": told({n: t.picture_recall() for n, t in every.items()}),
            "recall_at_false_boxes": told({n: t.recall_at_false_boxes()
                                           for n, t in every.items()}),
            "ap50_by": groups,
            "boxes": {n: t.truths for n, t in every.items()},
            "pictures": {n: t.pictures for n, t in every.items()},
            "at_threshold": {n: t.at(shipped.get(n, 0.5)) for n, t in every.items()}}


def main() -> None:
    """Everything there is to measure, as tables, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--program", type=Path, default=Path("target/release/keng"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="only the first pictures")
    parser.add_argument("--only-pictures", action="store_true")
    parser.add_argument("--record", type=Path, help="a file of results to put the figures into")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    root = args.corpus / args.split
    rows = read_rows(root, args.limit)
    detector = Detector(args.model, args.threads)
    size, shipped = (detector.width, detector.height), detector.thresholds()
    variant = args.model.with_name(f"{args.model.stem}-int8.onnx")
    tallies = evaluate(detector, detector.names, root, rows, size)
    print_precision(args.model.name, tallies)
    print_pictures(tallies)
    print_thresholds(tallies, shipped)
    result: dict[str, object] = {"model": str(args.model), "split": args.split,
                                 **describe(tallies, shipped)}
    if not args.only_pictures:
        result["beside"] = beside(args, variant, rows, size)
    if args.record:
        record(args.record, result)
    print(json.dumps(result))


def record(path: Path, result: dict[str, object]) -> None:
    """Replace the section `eval` of the file of results that the documents take tables from."""
    results = json.loads(path.read_text()) if path.exists() else {}
    command = f"make eval CORPUS=DIR SPLIT={result['split']}"
    results["eval"] = {"machine": machine(), "command": command, **result}
    path.write_text(json.dumps(results, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def machine() -> str:
    """The processor and the load that the times were measured under."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")),
                 "unknown processor")
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"


def beside(args: argparse.Namespace, variant: Path, rows: Rows, size: tuple[int, int]
           ) -> dict[str, object]:
    """The int8 variant, the peers, what all of them cost, and the clips."""
    root, weights = args.corpus / args.split, args.corpus / "weights"
    result: dict[str, object] = {}
    models = {args.model.name: args.model}
    if variant.exists():
        models[variant.name] = variant
        detector = Detector(variant, args.threads)
        tallies = evaluate(detector, detector.names, root, rows, size)
        print_precision(variant.name, tallies)
        result["int8"] = describe(tallies, detector.thresholds())
    people = {}
    for name, peer in found_in(weights, args.threads).items():
        models[name] = weights / f"{name}.onnx"
        tallies = evaluate(peer, {2: "person"}, root, rows, size)
        print_precision(name, tallies)
        people[name] = average_precisions(tallies)
    if not people:
        print(f"skipped: the peers; no weights in {weights}")
    result["peers"] = people
    result["cost_ms"] = cost(models)
    print_cost(result["cost_ms"], models)
    clips = args.corpus / "clips"
    if not (clips / "manifest.csv").exists():
        print(f"skipped: the clips; there is no {clips / 'manifest.csv'}")
    elif not args.program.exists():
        print(f"skipped: the clips; there is no {args.program}, run make build first")
    else:
        lines = replayed.replay_all(args.program, args.model, clips)
        result["clips"] = replayed.print_table(lines)
    return result


if __name__ == "__main__":
    main()
