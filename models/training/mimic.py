"""Learning from the features of a public COCO detector, on every picture as it is augmented.

The teacher (YOLOX nano, Apache-2.0) has seen a thousand times more pictures than the corpus holds.
What its head knows at each cell just before it names a class and a box is matched by a linear view
of our pyramid, by correlation of each channel over the batch (PKD; Cao et al., "General Distillation
Framework for Object Detectors via Pearson Correlation Coefficient", NeurIPS 2022). So our net learns
what cars, lamps and bags look like without a label. The linear view is thrown away after training;
none of the teacher's weights are shipped or used to start ours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx.utils import Extractor
from torch import Tensor, nn

LEVELS = 3
CHANNELS = 128
GAIN = 4.0

Halves = NDArray[np.float16]


class FeatureTeacher:
    """The teacher cut off before its predictions, for batches of any size."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        model = onnx.load(path)
        inputs = {}
        for node in model.graph.node:
            for branch in ("cls", "reg"):
                for level in range(LEVELS):
                    if f"head.{branch}_preds.{level}.weight" in node.input:
                        inputs[branch, level] = node.input[0]
        self.outputs = [inputs[branch, level] for level in range(LEVELS)
                        for branch in ("cls", "reg")]
        source = model.graph.input[0]
        known = {value.name for value in model.graph.value_info}
        for name in self.outputs:
            if name not in known:
                model.graph.value_info.append(
                    onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        cut = Extractor(model).extract_model([source.name], self.outputs)
        for value in (*cut.graph.input, *cut.graph.output):
            value.type.tensor_type.ClearField("shape")
        for side in ("batch", 3, "height", "width"):
            dim = cut.graph.input[0].type.tensor_type.shape.dim.add()
            if isinstance(side, int):
                dim.dim_value = side
            else:
                dim.dim_param = side
        del cut.graph.value_info[:]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(cut.SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])
        self.input = source.name

    def __call__(self, images: NDArray[np.uint8]) -> list[Halves]:
        """Features [N, CHANNELS, H/s, W/s] of RGB pictures [N, H, W, 3] for strides 8, 16, 32."""
        feed = np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        parts = self.session.run(self.outputs, {self.input: feed})
        return [np.concatenate(parts[2 * i:2 * i + 2], 1).astype(np.float16)
                for i in range(LEVELS)]


class Mimic(nn.Module):
    """Linear views of our pyramid's levels, as wide as the teacher's features."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.views = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1) for width in channels)

    def forward(self, pyramid: list[Tensor], features: list[Tensor]) -> Tensor:
        """One minus the mean correlation of ours and the teacher's channels, 0..2."""
        losses = []
        for view, ours, theirs in zip(self.views, pyramid, features):
            a = view(ours).float().transpose(0, 1).flatten(1)
            b = theirs.float().transpose(0, 1).flatten(1)
            a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
            correlation = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)
            losses.append(1 - correlation.mean())
        return torch.stack(losses).mean()
