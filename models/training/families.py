"""The families of networks that can be trained, exported and gone on from."""

from __future__ import annotations

from pathlib import Path

import torch

from net import Detection, KengNet
from yolox import YoloxNano

FAMILIES: dict[str, type[Detection]] = {"keng": KengNet, "yolox_nano": YoloxNano}


def network(family: str) -> Detection:
    """A new network of a family, with the training's classes."""
    return FAMILIES[family]()


def averaged(checkpoint: Path) -> tuple[Detection, str]:
    """The network of a checkpoint with its averaged weights, ready to be used, and its family."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    family = state.get("family", "keng")
    net = network(family)
    net.load_state_dict(state["ema"])
    return net.eval(), family
