"""Generated data beside real data: whether they are alike, and whether they are copies."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist


def nearest_ratio(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> float:
    """Compare how near the training data generated examples come, and new real ones.

    Parameters
    ----------
    generated, training, held_out : ndarray, shape (n, features)

    Returns
    -------
    float
        Median distance to the nearest training example, of generated over held-out ones: 1 if
        nothing was copied, 0 if everything was.
    """
    near = [cdist(rows, training).min(axis=1) for rows in (generated, held_out)]
    return float(np.median(near[0]) / np.median(near[1]))
