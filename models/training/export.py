"""Turn a checkpoint into the shipped ONNX file: fused, decoded, with its metadata.

    python3 models/training/export.py --checkpoint RUN/last.pt --out models/keng.onnx

The averaged weights are taken, the auxiliary classes are cut off, batch norms are folded into their
convolutions, and decoding is part of the graph. The result is compared with the network itself.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from families import averaged
from net import BINS, CLASSES, ConvBnAct, Detection, anchor_points, decode_boxes

WIDTH, HEIGHT = 512, 288
# The exponential of more would leave single precision.
MAX_LOGIT = 60.0
# Scores as they come out of training at which a class is worth its alarms: chosen on clips and val.
OPERATING = {"fire": 0.13, "smoke": 0.3, "person": 0.47}
# What the daemon's configuration asks for by default; the shipped scores are shifted to meet it.
DEFAULTS = {"fire": 0.45, "smoke": 0.5, "person": 0.45}


class Shipped(nn.Module):
    """The network with decoding: `[N,3,H,W]` to `[N,4+3,A]` (cx, cy, w, h, class scores).

    A side's mean is the quotient of two sums over its bins' exponentials, which one product of
    matrices takes: a softmax would have the runtime turn everything around twice.
    """

    def __init__(self, net: Detection) -> None:
        super().__init__()
        self.net = net
        points, strides = anchor_points(HEIGHT, WIDTH)
        self.register_buffer("points", points.T.contiguous())
        self.register_buffer("strides", strides.T.contiguous())
        side = torch.eye(4).repeat_interleave(BINS, 1)
        distances = torch.arange(BINS, dtype=torch.float32).repeat(4)
        self.register_buffer("sums", torch.cat((side * distances, side)))

    def forward(self, images: Tensor) -> Tensor:
        """Decode the raw outputs into the shipped layout."""
        logits, bins = self.net.maps(self.net.pyramid(images))
        sums = self.sums @ bins.clamp(max=MAX_LOGIT).exp()
        reach = sums[:, :4] / sums[:, 4:] * self.strides
        low, high = self.points - reach[:, :2], self.points + reach[:, 2:]
        return torch.cat(((low + high) / 2, high - low, logits.sigmoid()), 1)


def cut_auxiliary(net: Detection) -> None:
    """Keep only the shipped classes."""
    for head in net.heads:
        kept = nn.Conv2d(head.cls.in_channels, len(CLASSES), 1)
        kept.weight.data = head.cls.weight.data[:len(CLASSES)].clone()
        kept.bias.data = head.cls.bias.data[:len(CLASSES)].clone()
        head.cls = kept


def calibrate(net: Detection, operating: dict[str, float], back: bool = False) -> None:
    """Shift each class's logits so that its operating score becomes the daemon's default.

    Rank and average precision stay as they are; only what a score of 0.45 means is set. `back`:
    undo that.
    """
    def logit(score: float) -> float:
        return math.log(score / (1.0 - score))

    shift = torch.tensor([logit(DEFAULTS[name]) - logit(operating[name]) for name in CLASSES])
    for head in net.heads:
        head.cls.bias.data[:len(CLASSES)] += -shift if back else shift


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
    net, family = averaged(checkpoint)
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
        "keng.version": version, "keng.thresholds": str(DEFAULTS),
        "keng.training": json.dumps({"family": family, "operating": operating})})
    onnx.checker.check_model(loaded, full_check=True)
    onnx.save(loaded, out)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for batch in (1, 2):
        got = session.run(None, {"images": sample[:batch].numpy()})[0]
        with torch.no_grad():
            np.testing.assert_allclose(got, model(sample[:batch]).numpy(), rtol=1e-3, atol=1e-2)
            _, bins = net(sample[:batch])
            boxes = decode_boxes(bins, *anchor_points(HEIGHT, WIDTH)).numpy()
        centre, half = got[:, :2].transpose(0, 2, 1), got[:, 2:4].transpose(0, 2, 1) / 2
        corners = np.concatenate((centre - half, centre + half), -1)
        np.testing.assert_allclose(corners, boxes, rtol=1e-3, atol=2e-2)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{out}: {out.stat().st_size} bytes, {parameters} parameters, "
          f"{multiply_adds(net) / 1e9:.3f} GMAC, output {got.shape}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--version", default="3")
    for name, value in OPERATING.items():
        parser.add_argument(f"--{name}", type=float, default=value,
                            help="training score that becomes the daemon's default threshold")
    parser.add_argument("--unshifted", action="store_true",
                        help="leave the scores as they come out of training")
    args = parser.parse_args()
    operating = {name: getattr(args, name) for name in CLASSES}
    export(args.checkpoint, args.out, args.version, DEFAULTS if args.unshifted else operating)


if __name__ == "__main__":
    main()
