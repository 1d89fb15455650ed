"""Choose on labelled pictures the scores that the export makes the daemon's default thresholds.

    python3 models/training/export.py --checkpoint RUN/last.pt --out RUN/raw.onnx --unshifted
    python3 models/training/thresholds.py --corpus ../corpus --model RUN/raw.onnx

Prints the options for `export.py`. Fire and smoke take the score that is exceeded in a given share
of the pictures without them. People take the lowest score at which boxes are right often enough,
since too few pictures are free of people for a share of them to be told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from evaluate import evaluate, read_rows
from runtime import Detector

CLEAN_SHARES = {"fire": 0.04, "smoke": 0.01}
PRECISIONS = {"person": 0.75}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    root, detector = args.corpus / args.split, Detector(args.model)
    size = (detector.width, detector.height)
    tallies = evaluate(detector, detector.names, root, read_rows(root, 0), size)["all"]
    chosen = {name: tallies[name].threshold_at_clean_share(share)
              for name, share in CLEAN_SHARES.items()}
    chosen |= {name: tallies[name].threshold_at_precision(least)
               for name, least in PRECISIONS.items()}
    for name, threshold in chosen.items():
        print(f"{name}: {tallies[name].at(threshold)}")
    print(" ".join(f"--{name} {threshold:.2f}" for name, threshold in chosen.items()))


if __name__ == "__main__":
    main()
