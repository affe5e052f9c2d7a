"""Copies are found out."""

import numpy as np

from cogan_lib.learn.compare import nearest_ratio


def test_nearest_ratio():
    rng = np.random.default_rng(1)
    training, new, other = (rng.normal(size=(200, 5)) for _ in range(3))
    assert abs(nearest_ratio(new, training, other) - 1) < 0.15
    assert nearest_ratio(training[:50], training, other) == 0
