"""Turn a checkpoint into the shipped ONNX file: fused, decoded, with its metadata.

    python3 models/training/export.py --checkpoint RUN/last.pt --out models/keng.onnx

The averaged weights are taken, the auxiliary classes are cut off, batch norms are folded into their
convolutions, and decoding is part of the graph. The result is compared with the network itself.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from net import CLASSES, ConvBnAct, KengNet, anchor_points, decode_boxes

WIDTH, HEIGHT = 512, 288
# Scores as they come out of training at which a class is worth its alarms: chosen on clips and val.
OPERATING = {"fire": 0.15, "smoke": 0.3, "person": 0.35}
# What the daemon's configuration asks for by default; the shipped scores are shifted to meet it.
DEFAULTS = {"fire": 0.45, "smoke": 0.5, "person": 0.45}


class Shipped(nn.Module):
    """The network with decoding: `[N,3,H,W]` to `[N,4+3,A]` (cx, cy, w, h, class scores)."""

    def __init__(self, net: KengNet) -> None:
        super().__init__()
        self.net = net
        points, strides = anchor_points(HEIGHT, WIDTH)
        self.register_buffer("points", points)
        self.register_buffer("strides", strides)

    def forward(self, images: Tensor) -> Tensor:
        """Decode the raw outputs into the shipped layout."""
        logits, bins = self.net(images)
        boxes = decode_boxes(bins, self.points, self.strides)
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2
        size = boxes[..., 2:] - boxes[..., :2]
        return torch.cat((centre, size, logits.sigmoid()), -1).transpose(1, 2)


def cut_auxiliary(net: KengNet) -> None:
    """Keep only the shipped classes."""
    for head in net.heads:
        kept = nn.Conv2d(head.cls.in_channels, len(CLASSES), 1)
        kept.weight.data = head.cls.weight.data[:len(CLASSES)].clone()
        kept.bias.data = head.cls.bias.data[:len(CLASSES)].clone()
        head.cls = kept


def calibrate(net: KengNet, operating: dict[str, float]) -> None:
    """Shift each class's logits so that its operating score becomes the daemon's default.

    Rank and average precision stay as they are; only what a score of 0.45 means is set.
    """
    def logit(score: float) -> float:
        return math.log(score / (1.0 - score))

    shift = torch.tensor([logit(DEFAULTS[name]) - logit(operating[name]) for name in CLASSES])
    for head in net.heads:
        head.cls.bias.data += shift


def fold_batch_norms(net: nn.Module) -> None:
    """Fold every batch norm into the convolution before it."""
    for module in net.modules():
        if isinstance(module, ConvBnAct):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()


def multiply_adds(net: nn.Module) -> int:
    """Multiply-adds of all convolutions for one picture."""
    total = 0

    def count(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        nonlocal total
        total += output.shape[2] * output.shape[3] * module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 3, HEIGHT, WIDTH))
    for hook in hooks:
        hook.remove()
    return total


def export(checkpoint: Path, out: Path, version: str, operating: dict[str, float]) -> None:
    """Write and verify the model file."""
    net = KengNet()
    net.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"])
    net.eval()
    cut_auxiliary(net)
    calibrate(net, operating)
    fold_batch_norms(net)
    model = Shipped(net).eval()
    sample = torch.rand(2, 3, HEIGHT, WIDTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (sample,), str(out), input_names=["images"],
                          output_names=["output0"], opset_version=17, dynamo=False,
                          dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}})
    loaded = onnx.load(out)
    loaded.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4 + len(CLASSES)
    onnx.helper.set_model_props(loaded, {
        "names": str(dict(enumerate(CLASSES))), "keng.family": "yolov8", "keng.color": "rgb",
        "keng.scale": "1/255", "keng.letterbox": "center", "keng.pad": "114",
        "keng.version": version, "keng.thresholds": str(DEFAULTS)})
    onnx.checker.check_model(loaded, full_check=True)
    onnx.save(loaded, out)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for batch in (1, 2):
        got = session.run(None, {"images": sample[:batch].numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(got, model(sample[:batch]).numpy(), rtol=1e-3, atol=1e-2)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{out}: {out.stat().st_size} bytes, {parameters} parameters, "
          f"{multiply_adds(net) / 1e9:.3f} GMAC, output {got.shape}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--version", default="1")
    for name, value in OPERATING.items():
        parser.add_argument(f"--{name}", type=float, default=value,
                            help="training score that becomes the daemon's default threshold")
    args = parser.parse_args()
    export(args.checkpoint, args.out, args.version, {name: getattr(args, name) for name in CLASSES})


if __name__ == "__main__":
    main()
