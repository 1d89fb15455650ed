"""Draw the training log as `models/training.png`.

    python3 models/training/curve.py --log RUN/log.jsonl --out models/training.png

Points of a validation history (`history.jsonl` beside the log, one JSON object of evaluate.py with
an added "minutes" a line) are drawn below the losses when there are any.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

COLOURS = {"fire": "#d9480f", "smoke": "#868e96", "person": "#1c7ed6"}


def read(path: Path) -> list[dict]:
    """Objects of a file with one a line."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def main() -> None:
    """Two panels: losses, and AP50 on the validation pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/training.png"))
    args = parser.parse_args()
    log, history = read(args.log), read(args.log.with_name("history.jsonl"))
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(9, 7), sharex=True, dpi=110)
    minutes = [entry["minutes"] for entry in log]
    upper.plot(minutes, [entry["class_loss"] for entry in log], label="class loss", lw=1)
    upper.plot(minutes, [10 * entry["box_loss"] for entry in log], label="10 x box loss", lw=1)
    for before, after in zip(log, log[1:]):
        if after["width"] != before["width"]:
            for panel in (upper, lower):
                panel.axvline(after["minutes"], color="#adb5bd", ls="--", lw=0.8)
            upper.annotate(f"{after['width']} px wide", (after["minutes"], 6.8), fontsize=7,
                           va="top", ha="right", rotation=90)
    upper.set_ylim(0, 7)
    upper.set_ylabel("loss on augmented pictures")
    upper.legend()
    for name, colour in COLOURS.items():
        lower.plot([h["minutes"] for h in history], [h["ap50"][name] for h in history], "o-",
                   color=colour, label=name)
    lower.set_ylabel("AP50 on val, averaged weights, 512x288")
    lower.set_xlabel("minutes of training")
    lower.set_ylim(0, None)
    lower.grid(alpha=0.3)
    lower.legend()
    figure.tight_layout()
    figure.savefig(args.out)


if __name__ == "__main__":
    main()
