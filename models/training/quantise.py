"""Static int8 quantisation (QDQ) of the exported model, for a smaller file and faster kernels.

    python3 models/training/quantise.py --model models/keng.onnx --data ../corpus \
        --out models/keng-int8.onnx

Weights get a scale per channel, activations one from the ranges seen on calibration pictures. What
decodes the boxes stays in floating point: there a step of 1/256 of the widest box is too coarse.
Weights take seven bits: the kernels of x86 processors without VNNI add two products of eight bits
in sixteen, which overflows.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from runtime import Detector

METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile,
           "entropy": CalibrationMethod.Entropy}


class Pictures(CalibrationDataReader):
    """Calibration pictures as the daemon would feed them, drawn by a fixed seed."""

    def __init__(self, detector: Detector, folder: Path, count: int, seed: int = 7) -> None:
        with (folder / "manifest.csv").open(newline="") as handle:
            names = [Path(row["file"]).name for row in csv.DictReader(handle)]
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(names), min(count, len(names)), replace=False)
        self.detector = detector
        self.paths = iter([folder / "images" / names[i] for i in chosen])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, or `None` at the end."""
        path = next(self.paths, None)
        if path is None:
            return None
        return {self.detector.name: self.detector.prepare(cv2.imread(str(path)))[0]}


def float_nodes(model: onnx.ModelProto, first_only: bool) -> list[str]:
    """Names of the nodes that stay in floating point: all that is no convolution's neighbourhood.

    From each head's last convolution on, scores and boxes are decoded; these convolutions have a
    handful of channels and cost next to nothing. The first convolution sees the picture itself,
    whose steps matter.
    """
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    convolutions = [n for n in model.graph.node if n.op_type == "Conv"]
    tail: set[str] = set()

    def leads_to_convolution(node: onnx.NodeProto) -> bool:
        todo, seen = list(node.output), set()
        while todo:
            for after in consumers.get(todo.pop(), []):
                if after.name in seen:
                    continue
                if after.op_type == "Conv":
                    return True
                seen.add(after.name)
                todo += after.output
        return False

    for node in model.graph.node:
        if not leads_to_convolution(node):
            tail.add(node.name)
    if first_only:
        tail.add(convolutions[0].name)
    return sorted(tail)


def quantise(args: argparse.Namespace) -> None:
    """Write the quantised model beside its metadata."""
    source, out = args.model, args.out
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(prepared)
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"node_{number}"
        onnx.save(model, prepared)
        reader = Pictures(Detector(source), args.data / "train", args.pictures)
        quantize_static(
            str(prepared), str(out), reader, quant_format=QuantFormat.QDQ, per_channel=True,
            reduce_range=not args.full_range,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=METHODS[args.method],
            # With the ReLUs: else the range of what they cut off is kept, and each convolution's
            # output is turned into floats and back for nothing, a fifth of the time a frame.
            op_types_to_quantize=["Conv", "Relu", "Add", "Concat", "MaxPool", "Resize", "Split"],
            nodes_to_exclude=float_nodes(model, not args.whole),
            extra_options={"ActivationSymmetric": False, "QuantizeBias": True})
    written = onnx.load(out)
    properties = {p.key: p.value for p in onnx.load(source).metadata_props}
    properties["keng.version"] = properties.get("keng.version", "1") + "-int8"
    onnx.helper.set_model_props(written, properties)
    onnx.save(written, out)
    print(f"{out}: {out.stat().st_size} bytes")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--out", type=Path, default=Path("models/keng-int8.onnx"))
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--method", choices=sorted(METHODS), default="percentile")
    parser.add_argument("--full-range", action="store_true",
                        help="eight bits of weight, which processors without VNNI overflow on")
    parser.add_argument("--whole", action="store_true", help="the first convolution too")
    args = parser.parse_args()
    quantise(args)


if __name__ == "__main__":
    main()
