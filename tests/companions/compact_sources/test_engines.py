"""Engines behind one interface, with the shipped weights; training of both networks, tiny."""

import numpy as np
import pytest
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import engines, joint, masks, network, training, truth
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.settings import CompactSourcesSettings
from cogan_lib.learn.fit import Plan

BEAM = Beam("gaussian", 4.0)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(5)
    found = truth.backgrounds(24, rng)
    seen = truth.inject(found, rng, beam=BEAM, snr=(30, 3e3), elongation=1.0)
    hole = masks.hole(truth.SIDE, masks.hole_radius(seen.flux / seen.rms, BEAM), seen.x, seen.y)
    return seen, hole


@pytest.mark.parametrize(("name", "most"), [("gaussian", 0.6), ("joint", 0.6), ("masked", 2.5)])
def test_each_engine_takes_the_source_out(scene, name, most):
    seen, hole = scene
    nothing = np.zeros_like(hole)
    found = engines.ENGINES[name](seen.image, hole, nothing, seen.x, seen.y, 4.0)
    off = (found.flux - seen.flux) / seen.rms
    assert np.sqrt(np.mean(off**2)) < most
    pull = (found.flux - seen.flux) / found.flux_error
    assert 0.3 < np.sqrt(np.mean(pull**2)) < 2.5
    assert found.background.dtype == np.float32 and np.isfinite(found.background).all()
    left = np.abs(found.background - seen.background)[hole].max()
    assert left < 0.2 * seen.flux.max()


@pytest.mark.parametrize("name", ["gaussian", "joint", "masked"])
def test_an_engine_scales_with_the_image(scene, name):
    seen, hole = (part[:4] if isinstance(part, np.ndarray) else part for part in scene)
    arguments = hole, np.zeros_like(hole), seen.x[:4], seen.y[:4], 4.0
    one = engines.ENGINES[name](seen.image[:4], *arguments)
    other = engines.ENGINES[name](100 * seen.image[:4] + 50, *arguments)
    np.testing.assert_allclose(other.flux, 100 * one.flux, rtol=2e-3)


def test_what_a_hole_hides_does_not_reach_the_masked_engine(scene):
    seen, hole = scene
    other = np.where(hole, 1e6, seen.image)
    net, card = engines.shipped("masked")
    one, two = (engines.fill_by(net, card, image, hole) for image in (seen.image, other))
    np.testing.assert_array_equal(one[hole], two[hole])
    np.testing.assert_array_equal(one[~hole], seen.image[~hole])


def test_a_masked_network_is_told_what_is_near():
    """Level and scale are those of the hole's surroundings, wherever the cut-out is bright."""
    rng = np.random.default_rng(2)
    image = torch.from_numpy(rng.normal(3, 2, (1, 96, 96)).astype("f4"))
    mask = torch.ones_like(image)
    mask[:, 44:53, 44:53] = 0
    image[:, :20] += 10
    image[:, 44:53, 44:53] = 1e6
    level, scale = (float(x) for x in training.scaling(image, mask, "near"))
    assert level == pytest.approx(3, abs=0.3) and scale == pytest.approx(2, abs=0.3)
    assert float(training.scaling(image, mask, "unmasked")[1]) > 4
    with pytest.raises(CoganError, match="choose near or unmasked or document"):
        training.scaling(image, mask, "far")


@pytest.mark.parametrize("name", ["joint", "masked"])
def test_a_beam_that_no_network_knows_is_a_sentence(scene, name):
    seen, hole = scene
    with pytest.raises(CoganError, match="trained for beams of 2.5 to 6 pixels"):
        engines.ENGINES[name](seen.image, hole, 0 * hole, seen.x, seen.y, 9.0)


def test_shipped_weights_are_small():
    files = [path for path in network.WEIGHTS.rglob("*") if path.is_file()]
    for folder in ("masked", "joint"):
        assert sum(path.stat().st_size for path in files if folder in path.parts) < 2e6


@pytest.mark.long
def test_training_lowers_the_error_and_repeats(tmp_path):
    plan = Plan(0.2, rate=2e-3, batch=32, seed=3)
    cards = []
    for name in ("one", "two"):
        folder = training.train_masked(tmp_path / name, network.PRESETS["small"], plan)
        net, card = network.load_masked(folder)
        cards.append(card)
    assert cards[0]["weights_sha256"] == cards[1]["weights_sha256"]
    assert cards[0]["flux_error_over_rms"] > 0 and cards[0]["normalisation"] == "near"
    image, real, mask = next(iter(training.NewHoles(16, 1, 7)))
    assert image.shape == real.shape == mask.shape == (16, training.SIDE, training.SIDE)


def test_the_documents_scaling_squeezes_what_is_beside_a_bright_source():
    fresh = training.NewHoles(8, 1, 7).draw(8)
    level, scale = training.scaling(fresh.image, fresh.mask, "document")
    shown = (fresh.image - level) / scale
    assert float(shown.max()) == pytest.approx(1) and float(shown.min()) == pytest.approx(-1)
    ours = training.scaling(fresh.image, fresh.mask)[1]
    bright = fresh.image.amax((1, 2)) > 100 * ours[:, 0, 0]
    assert bright.any() and (scale > 20 * ours)[bright].all()


@pytest.mark.long
def test_the_correction_is_learnt_and_read_back(tmp_path):
    folder = joint.train_joint(tmp_path / "joint", Plan(0.05, rate=1e-3, batch=32, seed=2))
    net, card = joint.load_joint(folder)
    assert card["kind"] == "joint" and card["flux_error_over_rms"] > 0
    drawn = joint.NewSources(20, 1, 9).draw(20)
    found = joint.corrected(net, drawn)
    assert found.shape == (20,)
    assert (
        np.abs(found - drawn.flux.numpy()) <= joint.FARTHEST_RMS + 0.1 * drawn.flux.numpy()
    ).all()
    again = joint.NewSources(20, 1, 9).draw(20)
    torch.testing.assert_close(drawn.residual, again.residual, rtol=0, atol=0)
    with pytest.raises(CoganError, match="holds a joint network"):
        network.load_masked(folder)


def test_an_untrained_corrector_leaves_the_fit_alone():
    drawn = joint.NewSources(10, 1, 4).draw(10)
    np.testing.assert_array_equal(joint.corrected(joint.Corrector(), drawn), drawn.flux)


def test_the_fit_finds_flux_and_width_on_flat_ground():
    """A beam 10 % wider than stated, on a constant with little noise."""
    rng = np.random.default_rng(3)
    x, y = 48 + rng.uniform(-0.5, 0.5, (2, 12))
    flat = rng.normal(5, 1e-3, (12, 96, 96))
    flux = rng.uniform(0.1, 10, 12)
    image = flat + flux[:, None, None] * Beam("gaussian", 4.4).image(96, x, y)
    found = joint.fitted(image, x, y, BEAM)
    np.testing.assert_allclose(found.flux.numpy() * found.rms, flux, rtol=0.01)
    with pytest.raises(CoganError, match="no ring left"):
        joint.fitted(image, x, y, BEAM, np.ones(image.shape, bool))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"minutes": 0.0}, "minutes should be"), ({"cutouts": 5}, "cutouts should be"),
     ({"cutout": 50}, "did you mean 'cutouts'")],
)  # fmt: skip
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        CompactSourcesSettings.check(**parameters)
