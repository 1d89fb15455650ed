"""Write the tiny scripted detectors that the Rust tests run: `tests/testdata/models/*.onnx`.

    python3 models/training/make_test_models.py [--out tests/testdata/models]

They are not trained. Each looks at the mean colour of every 8x8 cell of a 160x96 picture
(20 columns, 12 rows) and answers by colour alone (r, g, b in 0..1, means over the cell):

    fire   d = min(r - g, r - b)   pure red (1,0,0): 1; orange-red (1,0.4,0): 0.6
    smoke  d = min(g - r, g - b)   pure green (0,1,0): 1 (a stand-in: real smoke has no colour)
    person d = min(b - r, b - g)   pure blue (0,0,1): 1

The score of a class in a cell is `clip(2.25 * d - 0.45, 0, 0.95)`: 0 up to d = 0.2, 0.45 at 0.4,
0.9 at 0.6 and 0.95, the most, from 0.63 on. Black, grey, white and yellow score 0. A cell that
a patch covers in part has its mean colour, hence a lower score.

Boxes: each cell answers with the box of 24x24 pixels centred on it (the cell and its neighbours),
so that after non-maximum suppression a patch of 8n x 8m pixels leaves a few boxes inside or about
it; a patch of 8x8 pixels on the grid leaves exactly one, centred on the patch.

* `yolov8_like.onnx`: input `images` float [N,3,96,160], RGB, 0..1; output `output0` [N,7,240]:
  cx, cy, w, h in input pixels, then the scores of fire, smoke, person.
* `yolox_like.onnx`: input `images` float [N,3,96,160], BGR, 0..255; output `output` [N,240,8]:
  cx, cy as offsets in cells (0.5), log w, log h in cells (ln 3), objectness 1.0, three scores.
  One level of stride 8, rows before columns; metadata `keng.strides` = `8`.
* `end_to_end.onnx`: input `images` float [N,3,96,160], RGB, 0..1; output `output0` [N,10,6]:
  x0, y0, x1, y1 in input pixels, score, class (0, 1, 2), by falling score, cells that are no local
  maximum suppressed: one row for each solid patch of one cell. A picture without any colour gives
  rows of score 0.

Every file names its classes (`names`) and its family (`keng.family`) in the metadata.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH, CELL = 96, 160, 8
ROWS, COLS = HEIGHT // CELL, WIDTH // CELL
CELLS = ROWS * COLS
NAMES = "{0: 'fire', 1: 'smoke', 2: 'person'}"
SLOPE, OFFSET, CEILING = 2.25, -0.45, 0.95
BOX = 3.0
KEPT = 10


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: object, kind: type = np.float32) -> str:
        """Add an initialiser."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Add a node with one output."""
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def save(self, path: Path, output: str, shape: list[int | str], meta: dict[str, str]) -> None:
        """Check and write the model."""
        source = helper.make_tensor_value_info(
            "images", TensorProto.FLOAT, ["batch", 3, HEIGHT, WIDTH])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, path.stem, [source], [result], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                  producer_name="keng test models", ir_version=8)
        helper.set_model_props(model, meta)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def scores(graph: Graph, bgr: bool, scale: float) -> str:
    """Scores [N,3,ROWS,COLS]: how far each primary colour stands out of the other two."""
    pooled = graph.add("AveragePool", ["images"], "pooled", kernel_shape=[CELL, CELL],
                       strides=[CELL, CELL])
    channel = (2, 1, 0) if bgr else (0, 1, 2)
    halves = []
    for half in range(2):
        kernel = np.zeros((3, 3, 1, 1), np.float32)
        for target in range(3):
            kernel[target, channel[target]] = scale
            kernel[target, channel[(target + 1 + half) % 3]] = -scale
        weight = graph.constant(f"colour{half}", kernel)
        halves.append(graph.add("Conv", [pooled, weight], f"difference{half}"))
    least = graph.add("Min", halves, "least")
    graph.constant("slope", SLOPE)
    graph.constant("offset", OFFSET)
    graph.constant("floor", 0.0)
    graph.constant("ceiling", CEILING)
    graph.add("Mul", [least, "slope"], "steep")
    graph.add("Add", ["steep", "offset"], "shifted")
    return graph.add("Clip", ["shifted", "floor", "ceiling"], "scores")


def cell_boxes() -> np.ndarray:
    """cx, cy, w, h [4,CELLS] in input pixels."""
    ys, xs = np.mgrid[:ROWS, :COLS]
    side = np.full(CELLS, BOX * CELL)
    return np.stack(((xs.ravel() + 0.5) * CELL, (ys.ravel() + 0.5) * CELL, side, side))


def repeat_for_batch(graph: Graph, fixed: np.ndarray, like: str) -> str:
    """A constant repeated for each picture of the batch, to be joined with `like`."""
    graph.constant("fixed", fixed[None])
    graph.constant("zero", 0.0)
    graph.constant("axis", [1] if like == "flat" else [2], np.int64)
    graph.add("ReduceSum", [like, "axis"], "total", keepdims=1)
    graph.add("Mul", ["total", "zero"], "nothing")
    return graph.add("Add", ["fixed", "nothing"], "repeated")


def flat_scores(graph: Graph, bgr: bool = False, scale: float = 1.0) -> str:
    """Scores [N,3,CELLS]."""
    scores(graph, bgr, scale)
    graph.constant("flat_shape", [0, 3, CELLS], np.int64)
    return graph.add("Reshape", ["scores", "flat_shape"], "flat")


def yolov8_like(path: Path) -> None:
    """Decoded boxes and class scores, channels first."""
    graph = Graph()
    flat_scores(graph)
    repeat_for_batch(graph, cell_boxes(), "flat")
    graph.add("Concat", ["repeated", "flat"], "output0", axis=1)
    graph.save(path, "output0", ["batch", 7, CELLS],
               {"names": NAMES, "keng.family": "yolov8", "keng.color": "rgb",
                "keng.scale": "1/255", "keng.letterbox": "center", "keng.pad": "114"})


def yolox_like(path: Path) -> None:
    """Raw grid offsets, objectness and class scores, anchors first."""
    graph = Graph()
    flat_scores(graph, bgr=True, scale=1 / 255)
    graph.add("Transpose", ["flat"], "rows", perm=[0, 2, 1])
    fixed = np.tile(np.array([0.5, 0.5, np.log(BOX), np.log(BOX), 1.0]), (CELLS, 1))
    repeat_for_batch(graph, fixed, "rows")
    graph.add("Concat", ["repeated", "rows"], "output", axis=2)
    graph.save(path, "output", ["batch", CELLS, 8],
               {"names": NAMES, "keng.family": "yolox", "keng.color": "bgr", "keng.scale": "1",
                "keng.letterbox": "topleft", "keng.pad": "114", "keng.strides": str(CELL)})


def end_to_end(path: Path) -> None:
    """The best rows with corners, score and class, already suppressed."""
    graph = Graph()
    scores(graph, bgr=False, scale=1.0)
    graph.add("MaxPool", ["scores"], "peaks", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph.add("Equal", ["scores", "peaks"], "is_peak")
    graph.add("Cast", ["is_peak"], "peak_mask", to=TensorProto.FLOAT)
    graph.add("Mul", ["scores", "peak_mask"], "single")
    graph.constant("all_shape", [0, 3 * CELLS], np.int64)
    graph.add("Reshape", ["single", "all_shape"], "candidates")
    graph.constant("kept", [KEPT], np.int64)
    graph.nodes.append(helper.make_node("TopK", ["candidates", "kept"], ["best", "index"], axis=1))
    centre = cell_boxes()
    half = centre[2:] / 2
    corners = np.concatenate((centre[:2] - half, centre[:2] + half)).T
    graph.constant("table", np.concatenate(
        [np.concatenate((corners, np.full((CELLS, 1), c)), 1) for c in range(3)]))
    graph.add("Gather", ["table", "index"], "rows", axis=0)
    graph.constant("split", [4, 1], np.int64)
    graph.nodes.append(helper.make_node("Split", ["rows", "split"], ["box", "class"], axis=2))
    graph.constant("last", [2], np.int64)
    graph.add("Unsqueeze", ["best", "last"], "score")
    graph.add("Concat", ["box", "score", "class"], "output0", axis=2)
    graph.save(path, "output0", ["batch", KEPT, 6],
               {"names": NAMES, "keng.family": "end2end", "keng.color": "rgb",
                "keng.scale": "1/255", "keng.letterbox": "center", "keng.pad": "114"})


def main() -> None:
    """Write all three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tests/testdata/models"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for write in (yolov8_like, yolox_like, end_to_end):
        path = out / f"{write.__name__}.onnx"
        write(path)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
