"""Turn the shipped ONNX file back into a checkpoint that training can go on from.

    python3 models/training/unfold.py --model models/keng.onnx --data ../corpus --out RUN/start.pt
    python3 models/training/train.py --start RUN/start.pt --from 0.62 ...

The export folded every batch norm into its convolution. Here each gets one back that changes
nothing: it takes away what the convolution gives on training pictures, mean and deviation, and adds
it again. From there on it works as in any net in training. The shift of the scores is undone, too.
Of which family the network is, and by how much scores were shifted, the file says itself.
What was cut off at the export is lost: auxiliary classes and optimiser begin anew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export import OPERATING, calibrate
from families import network
from net import CLASSES, ConvBnAct, Detection
from quantise import Pictures
from runtime import Detector

PREFIX = "net."


def folded(net: Detection, tensors: dict[str, Tensor]) -> None:
    """Put the file's weights into `net`, with batch norms that only add the convolutions' biases.

    Raises `SystemExit` where a tensor is missing or of another shape: the file is of another net.
    """
    left = dict(tensors)

    def take(name: str, into: Tensor) -> None:
        found = left.pop(name, None)
        if found is None or found.shape[1:] != into.shape[1:] or len(found) > len(into):
            raise SystemExit(f"the model's {name} is "
                             f"{'missing' if found is None else list(found.shape)}, where this net "
                             f"has {list(into.shape)}: it was exported from another one")
        into.data[:len(found)] = found

    for path, module in net.named_modules():
        if isinstance(module, ConvBnAct):
            norm = module[1]
            take(f"{path}.0.weight", module[0].weight)
            take(f"{path}.0.bias", norm.bias)
            norm.weight.data.fill_(1.0)
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
        elif path.endswith((".cls", ".bins")):
            take(f"{path}.weight", module.weight)
            take(f"{path}.bias", module.bias)
    if left:
        raise SystemExit(f"this net has no {', '.join(sorted(left))}: the model was exported from "
                         "another one")


@torch.no_grad()
def unfold(net: Detection, pictures: Tensor) -> None:
    """Let each batch norm take away, and add again, what its convolution gives on `pictures`."""
    norms = {m[0]: m[1] for m in net.modules() if isinstance(m, ConvBnAct)}
    sums = {conv: torch.zeros(2, conv.out_channels, dtype=torch.float64) for conv in norms}
    counts = dict.fromkeys(norms, 0)

    def see(conv: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        values = output.double().transpose(0, 1).flatten(1)
        sums[conv] += torch.stack((values.sum(1), values.square().sum(1)))
        counts[conv] += values.shape[1]

    hooks = [conv.register_forward_hook(see) for conv in norms]
    for batch in pictures.split(8):
        net(batch)
    for hook in hooks:
        hook.remove()
    for conv, norm in norms.items():
        mean, square = sums[conv] / counts[conv]
        variance = (square - mean.square()).clamp(min=1e-6)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data += mean.float()


def drawn(detector: Detector, folder: Path, count: int, seed: int) -> Tensor:
    """`count` pictures of a corpus' part, drawn by `seed`, as the net takes them: [N, 3, H, W]."""
    pictures = Pictures(detector, folder, count, seed)
    feeds = iter(pictures.get_next, None)
    return torch.from_numpy(np.concatenate([feed[detector.name] for feed in feeds]))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("models/keng.onnx"))
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--seed", type=int, default=7)
    for name in OPERATING:
        parser.add_argument(f"--{name}", type=float, help="training score that was made the "
                            "daemon's default threshold, where the file doesn't say it")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    model = onnx.load(args.model)
    told = {p.key: p.value for p in model.metadata_props}.get("keng.training", "{}")
    facts = {"family": "keng", "operating": OPERATING} | json.loads(told)
    given = {name: getattr(args, name) for name in CLASSES}
    operating = facts["operating"] | {n: v for n, v in given.items() if v is not None}
    tensors = {i.name.removeprefix(PREFIX): torch.from_numpy(numpy_helper.to_array(i).copy())
               for i in model.graph.initializer if i.name.startswith(PREFIX)}
    net = network(facts["family"]).eval()
    folded(net, tensors)
    calibrate(net, operating, back=True)
    pictures = drawn(Detector(args.model), args.data / "train", args.pictures, args.seed)
    with torch.no_grad():
        before = net(pictures[:8])
        unfold(net, pictures)
        after = net(pictures[:8])
    for ours, theirs in zip(after, before):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"ema": net.state_dict(), "family": facts["family"]}, args.out)
    print(f"{args.out}: {len(tensors)} tensors of {args.model}, and its batch norms anew")


if __name__ == "__main__":
    main()
