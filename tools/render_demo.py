#!/usr/bin/env python3
"""Render Kẻng's demo clips and labelled training pictures from code alone.

The pictures come from no photograph: geometry, textures, flames, smoke and people are all drawn by
`tools/render/`. Needs numpy, opencv-python-headless and the ffmpeg command.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from render.sample import render_training_sample  # noqa: E402

__all__ = ["render_training_sample"]
