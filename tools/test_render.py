"""Checks of the renderer: run with `python3 -m unittest discover -s tools`."""

from __future__ import annotations

import unittest

import numpy as np
from render import clip_control, clip_fire, clip_loiterer, sample
from render.truth import Truth
from render_demo import render_training_sample


class TrainingSample(unittest.TestCase):
    """The labelled pictures handed to training."""

    def test_same_seed_gives_same_picture(self) -> None:
        first, labels = render_training_sample(11)
        again, same = render_training_sample(11)
        self.assertTrue(np.array_equal(first, again))
        self.assertEqual(labels, same)

    def test_boxes_are_normalised_and_ordered(self) -> None:
        seen = set()
        for seed in range(12):
            image, labels = render_training_sample(seed)
            self.assertEqual(image.shape, (sample.HEIGHT, sample.WIDTH, 3))
            self.assertEqual(image.dtype, np.uint8)
            for kind, x0, y0, x1, y1 in labels:
                seen.add(kind)
                self.assertTrue(0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0)
        self.assertTrue(seen <= {0, 1, 2} and 2 in seen)

    def test_negative_seed_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            render_training_sample(-1)

    def test_demo_seeds_are_out_of_reach(self) -> None:
        demo = {clip_fire.SEED, clip_loiterer.SEED, clip_control.SEED}
        self.assertNotIn(sample.TAG, demo)


class DemoClips(unittest.TestCase):
    """Sparse previews of the clips."""

    def test_loiterer_stays_and_control_is_empty(self) -> None:
        truth = Truth(15, 640, 360)
        count = sum(1 for _ in clip_loiterer.frames(truth, 90))
        self.assertEqual(count, 6)
        self.assertGreaterEqual(len(truth.boxes), 5)
        empty = Truth(15, 640, 360)
        self.assertEqual(sum(1 for _ in clip_control.frames(empty, 180)), 3)
        self.assertEqual(empty.boxes, {})


if __name__ == "__main__":
    unittest.main()
