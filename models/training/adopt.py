"""Turn the published weights of YOLOX-nano (COCO) into a checkpoint that training can go on from.

    python3 models/training/adopt.py --weights yolox_nano_coco.onnx --data ../corpus --out RUN/start.pt
    python3 models/training/train.py --family yolox_nano --start RUN/start.pt ...

The published file (Apache-2.0) is no part of this project: what training makes of it is, with its
notice. Its convolutions are taken over one by one, its batch norms are put back (`unfold.py`), and its
last layers begin anew, but for the scores of people and of vehicles.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from net import TRAIN_CLASSES
from runtime import Detector
from teacher import PERSON
from unfold import drawn, unfold
from yolox import YoloxNano, folded_convolutions, stem_weights

# Of COCO's classes: bicycle, car, motorcycle, bus, truck.
VEHICLES = [1, 2, 3, 5, 7]
# The published score is multiplied by objectness, which here is part of the score.
OBJECTNESS = 2.0
LAST = ("cls_preds", "reg_preds", "obj_preds")


def convolutions(path: Path) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
    """Kernels and biases in the order of running: all but the last layers, and those for classes."""
    graph = onnx.load(path).graph
    known = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    inner, classes = [], []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        pair = known[node.input[1]], known[node.input[2]]
        if not any(name in node.input[1] for name in LAST):
            inner.append(pair)
        elif LAST[0] in node.input[1]:
            classes.append(pair)
    return inner, classes


def adopted(path: Path) -> YoloxNano:
    """The network with the published weights and batch norms that only add the biases."""
    net = YoloxNano().eval()
    inner, classes = convolutions(path)
    ours = folded_convolutions(net)
    if len(inner) != len(ours):
        raise SystemExit(f"{path} has {len(inner)} convolutions, this network {len(ours)}: it holds "
                         "another one")
    for number, (module, (kernels, bias)) in enumerate(zip(ours, inner)):
        norm = module[1]
        module[0].weight.data.copy_(kernels if number else stem_weights(kernels))
        norm.weight.data.fill_(1.0)
        norm.bias.data.copy_(bias)
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
    person, vehicle = TRAIN_CLASSES.index("person"), TRAIN_CLASSES.index("vehicle")
    for head, (kernels, bias) in zip(net.heads, classes):
        head.cls.weight.data[person] = kernels[PERSON]
        head.cls.bias.data[person] = bias[PERSON] - OBJECTNESS
        head.cls.weight.data[vehicle] = kernels[VEHICLES].mean(0)
        head.cls.bias.data[vehicle] = bias[VEHICLES].mean(0) - OBJECTNESS
    return net


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"),
                        help="a model of this project, whose input the pictures are made for")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    net = adopted(args.weights)
    pictures = drawn(Detector(args.model), args.data / "train", args.pictures, args.seed)
    with torch.no_grad():
        before = net(pictures[:8])[0]
        unfold(net, pictures)
        after = net(pictures[:8])[0]
    np.testing.assert_allclose(after.numpy(), before.numpy(), rtol=1e-2, atol=2e-2)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"ema": net.state_dict(), "family": "yolox_nano"}, args.out)
    print(f"{args.out}: the published weights, their batch norms and last layers anew")


if __name__ == "__main__":
    main()
