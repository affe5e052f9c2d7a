"""Stars, and a network that has seen a little of them."""

import numpy as np
import pytest

from cogan_lib.companions.stellar_spectra import data, network, training
from cogan_lib.learn.fit import Plan


@pytest.fixture(scope="package")
def stars():
    return data.draw_stars(1500, np.random.default_rng(1))


@pytest.fixture(scope="package")
def folder(stars, tmp_path_factory):
    plan = Plan(12, rate=2e-3, batch=64, seed=1)
    return training.train(tmp_path_factory.mktemp("spectra") / "net", plan, stars)


@pytest.fixture(scope="package")
def net(folder):
    return network.load_vae(folder)[0]
