"""What a model is falsely sure of, picture by picture, for `train.py --hard`.

    python3 models/training/mine.py --data CORPUS --model models/keng.onnx --out RUN/hard.json

Writes a JSON object from the names of training pictures to the best score of a box of fire or smoke
on those whose source says that there is none.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import cv2
from tqdm import tqdm

from data import corners, read_rows
from runtime import Detector

SOUGHT = ("fire", "smoke")


def hardest(detector: Detector, folder: Path) -> dict[str, float]:
    """The best false score of every picture that has one."""
    numbers = {name: number for number, name in detector.names.items() if name in SOUGHT}
    found: dict[str, float] = {}
    with (folder / "manifest.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in tqdm(rows, desc="mining"):
        name = Path(row["file"]).name
        truth = corners(read_rows(folder / "labels" / f"{Path(name).stem}.txt", 5))
        absent = {numbers[label] for label in row["labelled_classes"].split(";")
                  if label in numbers and not (truth[:, 0] == numbers[label]).any()}
        if not absent or (truth[:, 0] < len(SOUGHT)).any():
            continue
        seen = detector(cv2.imread(str(folder / "images" / name)), 0.02)
        best = max((float(score) for score, number in zip(seen.scores, seen.classes)
                    if number in absent), default=0.0)
        if best:
            found[name] = round(best, 3)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    found = hardest(Detector(args.model), args.data / "train")
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{args.out}: {len(found)} pictures, {sum(s > 0.3 for s in found.values())} over 0.3")


if __name__ == "__main__":
    main()
