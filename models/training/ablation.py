"""What each part of the training brings: short runs that each leave one out.

    python3 models/training/ablation.py --data ../corpus --synthetic SCENES --out /tmp/ablation \\
        --start RUN/last.pt --steps 1500

All begin with the same weights (or none), the same seed and the same number of steps, and go
through all stages from `--from` on. Prints each run's AP50 on `val`, and what the whole recipe has
more. A short run tells of differences of some points only: `--seeds` repeats all with other seeds
and shows how far equal runs lie apart. What was done before is taken from `--out`, so that a run
that was cut short goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from augment import PARTS

HERE = Path(__file__).parent
CLASSES = ("fire", "smoke", "person")
WHOLE = "the whole recipe"
Precisions = dict[str, float]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--synthetic", type=Path, help="folder of rendered scenes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="checkpoint to begin with")
    parser.add_argument("--from", type=float, default=0.0, dest="begin", help="first progress")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[7])
    parser.add_argument("--parts", nargs="*", help="only these")
    args = parser.parse_args()
    known = [*PARTS, "mimicry", *(["scenes"] if args.synthetic else [])]
    args.parts = args.parts or known
    if unknown := set(args.parts) - set(known):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return args


def python(script: str, *words: object) -> str:
    """Run another script of this folder; its output."""
    command = [sys.executable, str(HERE / script), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def precision(args: argparse.Namespace, part: str, seed: int) -> Precisions:
    """AP50 by class of a run without `part`, trained where that was not done before."""
    out = args.out / f"{part.replace(' ', '-')}-{seed}"
    told = out / "ap50.json"
    if not told.exists():
        out.mkdir(parents=True, exist_ok=True)
        for drafts in args.out.glob("teacher*.npz"):
            shutil.copy(drafts, out)
        words = ["--data", args.data, "--out", out, "--steps", args.steps, "--seed", seed,
                 "--lr", args.lr, "--from", args.begin, "--resume"]
        words += ["--start", args.start] if args.start else []
        if args.synthetic and part != "scenes":
            words += ["--synthetic", args.synthetic]
        words += ["--without", part] if part in (*PARTS, "mimicry") else []
        python("train.py", *words)
        for drafts in out.glob("teacher*.npz"):
            shutil.copy(drafts, args.out)
        model = out / "model.onnx"
        python("export.py", "--checkpoint", out / "last.pt", "--out", model)
        found = python("evaluate.py", "--corpus", args.data, "--model", model, "--only-pictures")
        told.write_text(json.dumps(json.loads(found.splitlines()[-1])["ap50"]))
    return json.loads(told.read_text())


def main() -> None:
    """All runs, and their table."""
    args = arguments()
    print("| without | " + " | ".join(CLASSES) + " | what it brings, mean of the classes |")
    print("| --- |" + " --- |" * (len(CLASSES) + 1))
    means: dict[str, float] = {}
    for part in (WHOLE, *args.parts):
        runs = [precision(args, part, seed) for seed in args.seeds]
        mean = {name: sum(run[name] for run in runs) / len(runs) for name in CLASSES}
        means[part] = sum(mean.values()) / len(CLASSES)
        row = " | ".join(f"{mean[name]:.3f}" for name in CLASSES)
        each = [sum(run[name] for name in CLASSES) / len(CLASSES) for run in runs]
        apart = f"; seeds {max(each) - min(each):.3f} apart" if len(each) > 1 else ""
        name = part if part == WHOLE else f"`{part}`"
        print(f"| {name} | {row} | {means[WHOLE] - means[part]:+.3f}{apart} |", flush=True)


if __name__ == "__main__":
    main()
