"""Baselines: the fits recover laws that are true, the networks learn, repeat, and stay in units."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.beyond import baseline_networks
from cogan_lib.beyond.baseline_networks import Network, fit_pix2pix, fit_resunet
from cogan_lib.beyond.baselines import fit_excess, fit_loglinear, fit_quadratic
from cogan_lib.gan.recipes import TrainingSettings
from cogan_lib.tiles.bounds import HEADROOM
from cogan_lib.tiles.split import TRAIN, VALIDATION
from cogan_lib.validation.amplitude import r2_score
from tests.toys import TINY, toy_patches

SETTINGS = TrainingSettings(
    network=TINY, batch_size=4, max_steps=42, learning_rate=3e-3, device="cpu", seed=5
)
X_CO, RATIO = 1.7e20, 2.1e-22


@pytest.fixture(scope="module")
def patches():
    return toy_patches(targets=2)


@pytest.fixture(scope="module")
def resunet(patches):
    return fit_resunet(patches, SETTINGS, width=4)


@pytest.fixture(scope="module")
def pix2pix(patches):
    return fit_pix2pix(patches, SETTINGS)


def with_target(patches, w_co):
    """The same tiles with another target, float64."""
    meta = {**patches.meta, "target_columns": ["W_CO10"]}
    return replace(patches, targets=w_co[:, None], meta=meta)


def quadratic_law(inputs):
    u, v = np.log10(inputs[:, 0]), np.log10(inputs[:, 1]) - 21
    return 0.3 * np.sinh(1.2 + 0.7 * u - 0.4 * v + 0.3 * u**2 - 0.5 * u * v + 0.2 * v**2)


def test_quadratic_recovers_a_quadratic_law(patches):
    inputs = patches.inputs.astype(np.float64)
    ends = np.quantile(inputs, [0.01, 0.99], axis=(0, 2, 3))[:, None, :, None, None]
    inputs = inputs.clip(*ends)
    made = with_target(replace(patches, inputs=inputs), quadratic_law(inputs))
    fitted = fit_quadratic(made)
    held_out = made.select("validation")
    np.testing.assert_allclose(fitted.predict(held_out.inputs), held_out.targets[:, 0], rtol=1e-6)
    assert fitted.parameters == 6
    train = made.select("train")
    linear = fit_loglinear(train.inputs, train.targets[:, 0]).predict(held_out.inputs)
    assert r2_score(held_out.targets[:, 0], linear) < 0.999
    beyond = np.broadcast_to(ends[1] * [[[100]], [[100]]], (1, 2, 1, 1))
    np.testing.assert_allclose(fitted.predict(beyond), quadratic_law(ends[1]), rtol=1e-6)


def excess_patches(patches, hot=0.0):
    """N_H = N_HI + 2 X_CO W and dust in proportion, clouds in a third of the pixels."""
    n_hi = patches.inputs[:, 1].astype(np.float64)
    w_co = np.maximum(0, patches.targets[:, 0].astype(np.float64) - 0.5)
    dust = RATIO * (n_hi + 2 * X_CO * w_co)
    warm = np.random.default_rng(1).random(dust.shape) < hot
    dust = np.where(warm, 3 * dust, dust)
    return with_target(replace(patches, inputs=np.stack([dust, n_hi], axis=1)), w_co)


def test_excess_recovers_the_conversion_factor(patches):
    made = excess_patches(patches)
    fitted = fit_excess(made)
    assert fitted.ratio == pytest.approx(RATIO, rel=0.01, abs=0)
    assert fitted.x_co == pytest.approx(X_CO, rel=0.02)
    held_out = made.select("validation")
    w_co = fitted.predict(held_out.inputs)
    assert r2_score(held_out.targets[:, 0], w_co) > 0.999
    assert w_co.min() >= 0


def test_excess_knows_its_columns_and_bears_hot_dust(patches):
    made = excess_patches(patches, hot=0.1)
    fitted = fit_excess(made)
    assert fitted.ratio == pytest.approx(RATIO, rel=0.03, abs=0)
    meta = {**made.meta, "input_columns": ["N_HI", "DUST"]}
    swapped = fit_excess(replace(made, inputs=made.inputs[:, ::-1], meta=meta))
    assert swapped.x_co == pytest.approx(fitted.x_co)


@pytest.mark.parametrize("name", ["resunet", "pix2pix"])
def test_networks_learn_and_keep_their_best(patches, name, request):
    model = request.getfixturevalue(name)
    test = patches.select("test")
    w_co = model.predict(test.inputs)
    assert r2_score(test.targets[:, 0], w_co) > 0.8  # a constant has 0
    assert w_co.shape == test.targets[:, 0].shape
    assert w_co.min() >= 0 and w_co.max() <= model.target_scaling.limits(HEADROOM)[1]
    key, sign = ("r2", 1) if name == "resunet" else ("score", -1)
    assert model.best[key] == sign * max(sign * row[key] for row in model.history)
    assert model.history[-1]["steps"] == 6 * 7  # 28 tiles in batches of 4
    held_out = patches.select("validation")
    kept = r2_score(held_out.targets[:, 0], model.predict(held_out.inputs))
    assert kept == pytest.approx(model.best["r2"], abs=0.02)  # the check does not cut inputs off
    far = test.inputs * np.array([1, 10])[:, None, None]
    ends = np.array([scaling.limits(HEADROOM) for scaling in model.input_scalings])
    known = far.clip(*ends.T[..., None, None])  # as a generator's inputs are
    np.testing.assert_allclose(model.predict(far), model.predict(known), rtol=1e-4)
    assert model.parameters > 1000 and model.seconds > 0


@pytest.mark.parametrize("name", ["resunet", "pix2pix"])
def test_a_tile_does_not_depend_on_the_others(patches, name, request):
    model = request.getfixturevalue(name)
    inputs = patches.select("validation").inputs
    together = model.predict(inputs)
    np.testing.assert_array_equal(together, model.predict(inputs))  # no dropout
    alone = np.concatenate([model.predict(tile[None]) for tile in inputs])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)
    brighter = np.concatenate([inputs[:1], 30 * inputs[1:]])
    np.testing.assert_allclose(model.predict(brighter)[0], together[0], rtol=1e-3, atol=1e-4)


def test_seeds_repeat_and_differ(patches, resunet, pix2pix):
    inputs = patches.select("validation").inputs
    short = replace(SETTINGS, max_steps=7)
    before = torch.get_rng_state()
    for fit in (fit_resunet, fit_pix2pix):
        one, same, other = (fit(patches, replace(short, seed=s)) for s in (5, 5, 6))
        np.testing.assert_array_equal(one.predict(inputs), same.predict(inputs))
        assert not np.allclose(one.predict(inputs), other.predict(inputs), rtol=1e-3)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(pix2pix.predict(inputs, seed=1), pix2pix.predict(inputs, seed=2))
    np.testing.assert_array_equal(resunet.predict(inputs, seed=1), resunet.predict(inputs, seed=2))


def test_the_best_epoch_is_kept_not_the_last(patches, monkeypatch):
    epochs = []

    def first_is_best(*arguments):
        epochs.append(arguments)
        return {"r2": -len(epochs)}

    monkeypatch.setattr(baseline_networks, "check", first_is_best)
    inputs = patches.select("validation").inputs
    two, four = (fit_resunet(patches, replace(SETTINGS, max_steps=7 * n)) for n in (2, 4))
    assert len(epochs) == 6
    np.testing.assert_array_equal(two.predict(inputs), four.predict(inputs))


def test_the_clock_ends_a_run_and_the_second_target_is_a_target(patches):
    inputs = patches.select("validation").inputs
    fast = fit_resunet(patches, replace(SETTINGS, max_minutes=1e-6), "W_CO21", width=4)
    assert isinstance(fast, Network) and fast.history[-1]["steps"] == 1
    ten, twenty_one = (fit_quadratic(patches, name) for name in ("W_CO10", "W_CO21"))
    ratio = np.median(twenty_one.predict(inputs) / ten.predict(inputs))
    assert ratio == pytest.approx(0.5, abs=0.1)  # as in the toy sky


@pytest.mark.parametrize("fit", [fit_quadratic, fit_excess, fit_resunet, fit_pix2pix])
def test_bad_input_is_refused_with_a_sentence(patches, fit):
    network = (SETTINGS,) if fit in (fit_resunet, fit_pix2pix) else ()
    with pytest.raises(CoganError, match="no target W_CO32"):
        fit(patches, *network, "W_CO32")
    with pytest.raises(CoganError, match="no train tiles"):
        fit(replace(patches, split=np.full_like(patches.split, VALIDATION)), *network)
    if network:
        with pytest.raises(CoganError, match="no validation tiles"):
            fit(replace(patches, split=np.full_like(patches.split, TRAIN)), *network)
        with pytest.raises(CoganError, match="asinh"):
            fit(toy_patches(scaling="minmax"), *network)
        with pytest.raises(CoganError, match="multiple of 4"):
            fit(toy_patches(npix=18), *network)
        with pytest.raises(CoganError, match="no longer finite"):
            fit(patches, replace(SETTINGS, learning_rate=1e30))


def test_excess_and_predictions_refuse_other_inputs(patches, resunet):
    other = {**patches.meta, "input_columns": ["DUST", "X_RAY"]}
    with pytest.raises(CoganError, match="DUST and N_HI"):
        fit_excess(replace(patches, meta=other))
    with pytest.raises(CoganError, match="dominated by atoms"):
        fit_excess(with_target(patches, np.full(patches.inputs[:, 0].shape, 100.0)))
    for model in (fit_quadratic(patches), fit_excess(patches), resunet):
        with pytest.raises(CoganError, match=r"\(n, 2, npix, npix\)"):
            model.predict(patches.inputs[:, :1])
