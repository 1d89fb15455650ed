"""Fill a folder with rendered night scenes, laid out as the corpus, for `train.py --synthetic`.

    python3 models/training/render.py --out /tmp/keng-scenes --count 600

The scenes come from the project's own renderer in `tools/`; fire and smoke are
exhaustively boxed, people only where they stand out from the dark.
Pictures that are already there are kept, so that the command can be repeated with a higher count.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import cv2
from tqdm import tqdm

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def label_lines(rows: list[tuple[int, float, float, float, float]]) -> str:
    """Corner boxes as lines `class cx cy w h`."""
    return "".join(f"{c} {(x0 + x1) / 2:.5f} {(y0 + y1) / 2:.5f} {x1 - x0:.5f} {y1 - y0:.5f}\n"
                   for c, x0, y0, x1, y1 in rows)


def main() -> None:
    """Render what is missing, then write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    sys.path.insert(0, str(TOOLS))
    from render_demo import render_training_sample

    cv2.setNumThreads(1)
    for folder in ("images", "labels"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for seed in tqdm(range(args.first_seed, args.first_seed + args.count)):
        name = f"syn_{seed:06d}"
        picture = args.out / "images" / f"{name}.jpg"
        if not picture.exists():
            image, rows = render_training_sample(seed)
            (args.out / "labels" / f"{name}.txt").write_text(label_lines(rows))
            cv2.imwrite(str(picture), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        names.append(picture.name)
        with (args.out / "manifest.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("file", "labelled_classes", "light"))
            writer.writerows((name, "fire;smoke", "night") for name in names)


if __name__ == "__main__":
    main()
