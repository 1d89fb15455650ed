"""Train the detector from a folder of data.

    python3 models/training/train.py --data ../corpus --out /tmp/keng-run --minutes 100

The learning rate and the input size follow the progress of the run, which is the share of
`--steps` done or of `--minutes` spent, whichever is further (steps alone repeat exactly for a
seed). Minutes are of the training thread's own processor time: a machine that is busy with
something else, or stops the run for a while, shortens no schedule. `--resume` goes on from the
last checkpoint in `--out`; `--start` begins a new run with another's averaged weights, wherever
names and shapes agree, and `--from` lets it begin at a later progress than nothing. `--clock`
counts the minutes of the clock instead, for a run that must end on time.

Runs in bfloat16 on processors that have it (`--float32` elsewhere, where it is emulated) and on a
CUDA GPU unchanged. On a CPU shared with other work one compute thread is faster than two.

A run that goes on from the public start (`adopt.py`), or from one that did:

    python3 models/training/mine.py --data CORPUS --model models/candidate.onnx --out RUN/hard.json
    python3 models/training/train.py --data CORPUS --out RUN --family yolox_nano \
        --start RUN/start.pt --from 0.62 --lr 1e-3 --freeze --hard RUN/hard.json --without mimicry
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from augment import PARTS, Augmenter
from compose import Patch
from data import Batch, Loader, cut_lights, load_folder
from loss import detection_loss
import mimic
from mimic import FeatureTeacher, Mimic
from families import FAMILIES, network
from net import TRAIN_CLASSES, anchor_points

# Progress at which a stage ends, input size, share of mosaics, batch size, whether the pictures are
# altered less: at last as they come, as in YOLOX (Ge et al., 2021).
STAGES = (
    (0.62, (320, 192), 0.5, 16, False),
    (0.82, (416, 256), 0.4, 16, False),
    (0.92, (512, 288), 0.2, 16, False),
    (1.01, (512, 288), 0.0, 16, True),
)
WARMUP_STEPS = 300
FINAL_LR = 0.02


class Average:
    """Exponential moving average of the weights: what is evaluated and shipped."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval()
        self.steps, self.decay = 0, decay

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move towards the present weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        ours, theirs = self.net.state_dict(), net.state_dict()
        floats = [k for k, v in ours.items() if v.is_floating_point()]
        torch._foreach_lerp_([ours[k] for k in floats], [theirs[k] for k in floats], 1 - decay)
        for key in ours.keys() - set(floats):
            ours[key].copy_(theirs[key])


def parameter_groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for convolution kernels only."""
    trained = [p for p in net.parameters() if p.requires_grad]
    kernels = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def stage_at(progress: float) -> int:
    """Index of the stage that holds at this progress."""
    return next(i for i, stage in enumerate(STAGES) if progress < stage[0])


def learning_rate(progress: float, step: int, peak: float, warmup: int) -> float:
    """Linear warm-up, then a cosine down to a small share of the peak."""
    cosine = FINAL_LR + (1 - FINAL_LR) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return peak * cosine * min(1.0, (step + 1) / warmup)


def to_input(images: np.ndarray, device: torch.device) -> Tensor:
    """NHWC bytes to a channels-last picture tensor in 0..1."""
    tensor = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    return tensor.float().div_(255).contiguous(memory_format=torch.channels_last)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and weights/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, help="folder of rendered scenes, laid out alike")
    parser.add_argument("--synthetic-share", type=float, default=0.08)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--clock", action="store_true", help="minutes are the clock's")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=WARMUP_STEPS, help="steps")
    parser.add_argument("--ema", type=float, default=0.9995, help="decay of the averaged weights")
    parser.add_argument("--family", choices=sorted(FAMILIES), default="keng")
    parser.add_argument("--freeze", action="store_true", help="keep the first parts as they start")
    parser.add_argument("--hard", type=Path, help="false scores of pictures, from mine.py")
    parser.add_argument("--cached-drafts", action="store_true",
                        help="let the teachers look at no further picture")
    parser.add_argument("--float32", action="store_true", help="where bfloat16 is emulated")
    parser.add_argument("--weight-decay", type=float, default=0.03)
    parser.add_argument("--without", nargs="*", default=[], choices=[*PARTS, "mimicry"],
                        help="parts of the augmentation, or the feature teacher, to leave out")
    parser.add_argument("--threads", type=int, default=1, help="compute threads")
    parser.add_argument("--loader-threads", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=120.0, help="seconds")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=Path, help="checkpoint of another run to begin with")
    parser.add_argument("--from", type=float, default=0.0, dest="begin", help="first progress")
    return parser.parse_args()


class Run:
    """State of a training run and its checkpoints."""

    def __init__(self, args: argparse.Namespace, patches: tuple[list[Patch], list[Patch]]
                 ) -> None:
        self.args, self.patches = args, patches
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = network(args.family).to(self.device, memory_format=torch.channels_last).train()
        if args.freeze:
            self.net.freeze()
        groups = parameter_groups(self.net, args.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
        self.average = Average(self.net, args.ema)
        self.mimic = Mimic(self.net.channels).to(self.device)
        self.mimic_optimiser = torch.optim.AdamW(self.mimic.parameters(), lr=args.lr)
        self.step, self.seconds = 0, 0.0
        self.path = args.out / "last.pt"
        if args.resume and self.path.exists():
            self.restore()
        elif args.start:
            self.borrow(args.start)

    def restore(self) -> None:
        """Load the last checkpoint."""
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["ema"])
        self.average.steps = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        if "mimic" in state:
            self.mimic.load_state_dict(state["mimic"])
            self.mimic_optimiser.load_state_dict(state["mimic_optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def borrow(self, path: Path) -> None:
        """Take another run's averaged weights, wherever names and shapes agree."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        ours = self.net.state_dict()
        taken = {name: value for name, value in state["ema"].items()
                 if name in ours and ours[name].shape == value.shape}
        print(f"{len(taken)} of {len(ours)} tensors are {path}'s", flush=True)
        self.net.load_state_dict(ours | taken)
        self.average = Average(self.net, self.args.ema)
        if "mimic" in state:
            self.mimic.load_state_dict(state["mimic"])

    def save(self) -> None:
        """Write a checkpoint, replacing the former in one move."""
        state = {"net": self.net.state_dict(), "ema": self.average.net.state_dict(),
                 "optimiser": self.optimiser.state_dict(), "mimic": self.mimic.state_dict(),
                 "mimic_optimiser": self.mimic_optimiser.state_dict(), "step": self.step,
                 "seconds": self.seconds, "family": self.args.family}
        partial = self.path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.path)

    def progress(self) -> float:
        """Share of the run that is done."""
        done = max(self.step / self.args.steps, self.seconds / 60 / self.args.minutes)
        return self.args.begin + (1 - self.args.begin) * done

    def train_batch(self, batch: Batch, points: Tensor, strides: Tensor) -> list[float]:
        """One optimiser step; returns the class, the box and the mimicry loss."""
        rate = learning_rate(self.progress(), self.step, self.args.lr, self.args.warmup)
        for group in (*self.optimiser.param_groups, *self.mimic_optimiser.param_groups):
            group["lr"] = rate
        images = to_input(batch.images, self.device)
        features = [torch.from_numpy(f).to(self.device) for f in batch.features]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=not self.args.float32):
            pyramid = self.net.pyramid(images)
            logits, bins = self.net.predict(pyramid)
            mimicry = self.mimic(pyramid, features) if features else logits.new_zeros(())
        truth = [torch.from_numpy(a).to(self.device)
                 for a in (batch.gt_image, batch.gt_class, batch.gt_box, batch.negative)]
        total, class_loss, box_loss = detection_loss(logits, bins, points, strides, *truth)
        self.optimiser.zero_grad(set_to_none=True)
        self.mimic_optimiser.zero_grad(set_to_none=True)
        (total + mimic.GAIN * mimicry).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimiser.step()
        if features:
            self.mimic_optimiser.step()
        self.average.update(self.net)
        self.step += 1
        return [float(class_loss), float(box_loss), float(mimicry)]

    def train(self, loader: Loader) -> None:
        """All stages that remain."""
        log = (self.args.out / "log.jsonl").open("a")
        timer = time.monotonic if self.args.clock else time.thread_time
        while self.progress() < 1.0:
            stage = stage_at(self.progress())
            _, (width, height), mosaic, size, calm = STAGES[stage]
            augmenter = Augmenter(width, height, len(TRAIN_CLASSES), mosaic, self.args.seed,
                                  *self.patches, calm=calm,
                                  without=frozenset(self.args.without))
            points, strides = anchor_points(height, width, self.device)
            batches = loader.batches(augmenter, size, self.step)
            bar = tqdm(desc=f"{width}x{height}", unit="step", mininterval=5.0)
            saved, last = time.monotonic(), timer()
            sums, counted = np.zeros(3), 0
            while self.progress() < 1.0 and stage_at(self.progress()) == stage:
                losses = self.train_batch(next(batches), points, strides)
                now, spent = time.monotonic(), timer()
                self.seconds, last = self.seconds + spent - last, spent
                sums, counted = sums + losses, counted + 1
                bar.update()
                if self.step % 50 == 0:
                    means = sums / counted
                    entry = {"step": self.step, "minutes": round(self.seconds / 60, 2),
                             "progress": round(self.progress(), 4), "width": width,
                             "class_loss": round(float(means[0]), 4),
                             "box_loss": round(float(means[1]), 4),
                             "mimicry": round(float(means[2]), 4)}
                    log.write(json.dumps(entry) + "\n")
                    log.flush()
                    bar.set_postfix_str(f"{entry['class_loss']} {entry['box_loss']} "
                                        f"{entry['mimicry']} "
                                        f"{entry['progress']:.3f}")
                    sums, counted = np.zeros(3), 0
                if now - saved > self.args.save_every:
                    self.save()
                    saved = now
            batches.close()
            bar.close()
            self.save()


def main() -> None:
    """Load everything, then train."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    weights = args.data / "weights" / "yolox_nano_coco.onnx"
    people = args.data / "weights" / "rtmdet_nano_person_640.onnx"
    hard = json.loads(args.hard.read_text()) if args.hard else {}
    entries = load_folder(args.data / "train", (weights, people, args.out / "teacher.npz"), hard,
                          drafting=not args.cached_drafts)
    synthetic = load_folder(args.synthetic) if args.synthetic else []
    teacher = None if "mimicry" in args.without else FeatureTeacher(weights)
    loader = Loader(entries, synthetic, args.synthetic_share, args.seed, args.loader_threads,
                    teacher)
    patches = cut_lights(entries)
    print(f"{len(patches[0])} fires and {len(patches[1])} lamps to paste", flush=True)
    Run(args, patches).train(loader)


if __name__ == "__main__":
    main()
