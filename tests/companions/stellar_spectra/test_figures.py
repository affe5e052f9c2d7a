"""Figures show what they are given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from cogan_lib.companions.stellar_spectra import data, evaluation, figures
from cogan_lib.companions.stellar_spectra.settings import StellarSpectraSettings


@pytest.fixture(scope="module")
def few():
    return data.draw_stars(60, np.random.default_rng(1))


def drawn(figure, panels):
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    assert len(figure.axes) == panels
    return figure.axes


def test_spectra_stand_above_each_other_with_names(few):
    flux = few.clean[:3]
    axes = drawn(figures.stacked({"real": flux, "generated": flux}, {"real": ["a", "b", "c"]}), 2)
    assert {"Hα", "Na D", "a", "c"} <= {text.get_text() for text in axes[0].texts}
    lines = [line for line in axes[0].lines if len(line.get_ydata()) > 2]
    np.testing.assert_allclose(lines[2].get_ydata(), flux[2] - 2 * figures.APART, rtol=1e-6)
    drawn(figures.toy_and_grid({"5,000 K": (flux[0], flux[1]), "6,000 K": (flux[1], flux[2])}), 1)
    drawn(figures.between(flux, ("hot", "cool")), 1)
    drawn(figures.odd({"emission": (flux[0], flux[1]), "double": (flux[1], flux[2])}), 4)


def test_latent_numbers_and_labels(few):
    z = np.random.default_rng(1).normal(size=(60, 8))
    axes = drawn(figures.latent_plane(z, few.labels, (2, 5)), 6)
    assert axes[0].get_ylabel() == "$z_5$"
    drawn(figures.latent_plane(z, few.labels[:, :2], (0, 1)), 4)


def test_distributions_end_at_the_largest(few):
    depths = evaluation.line_depths(few.clean)
    figure = figures.distributions({"real": depths, "prior": depths[:30]}, "depth")
    first = drawn(figure, 8)[0].lines[0]
    assert first.get_xdata()[-1] == depths[:, 0].max()


def test_units_come_sorted():
    axes = drawn(figures.information({"ours": [0.0, 3.0, 1.0], "cross-entropy": [0.1, 0, 0]}), 1)
    assert [bar.get_height() for bar in axes[0].patches[:3]] == [3, 1, 0]


def test_a_slider_has_one_frame_for_all_values(few):
    one, other = (figures.moved(few.clean[i], few.clean[0], "z = 1") for i in (1, 2))
    assert drawn(one, 1)[0].get_ylim() == drawn(other, 1)[0].get_ylim() == figures.SHOWN


def test_misfits_are_over_the_noise(few):
    axes = drawn(figures.misfits({"gaussian": np.tile(figures.SIGMA, (4, 1))}), 1)
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), 1)


def test_settings_have_limits():
    assert StellarSpectraSettings().minutes > 0
    with pytest.raises(ValueError):
        StellarSpectraSettings(examples=3)
