"""Figures of replies and headers: what is drawn is what was given, legibly."""

from functools import partial

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from cogan_lib.companions.headers import figures as header_figures
from cogan_lib.companions.headers.sky_checks import barycentric_position
from cogan_lib.companions.proposals import figures
from cogan_lib.companions.proposals.evaluation import acceptance
from cogan_lib.companions.proposals.objects import KINDS
from tests.legible import check_legible

TIME = Time("2024-03-15T04:30:00")
FIRST = acceptance(3, 32) | {"json": 0.75, "fields": 0.5}
WAYS = {
    "free": FIRST, "free, retried": acceptance(8, 32), "constrained": FIRST,
    "constrained, retried": acceptance(0, 32), "reference": acceptance(2000, 2000),
}  # fmt: skip
RATES = dict.fromkeys(KINDS, WAYS)
CARDS = {"the document, Mars": {"kept": 25, "repaired": 1, "refused": 0},
         "seed 1": {"kept": 4, "repaired": 3, "refused": 12}}  # fmt: skip
SAID = {"the document": SkyCoord(160.12, 5.99, unit="deg"),
        "its .icrs": barycentric_position("mars", TIME)}  # fmt: skip
ALL = {
    "acceptance": partial(figures.acceptance, RATES),
    "stages": partial(figures.stages, RATES),
    "cards": partial(header_figures.card_states, CARDS),
    "mars": partial(header_figures.where_was, "mars", TIME, SAID),
}


@pytest.mark.parametrize("name", ALL)
def test_texts_can_be_read_in_the_book_and_stand_apart(name):
    check_legible(ALL[name]())


def test_rates_have_their_intervals():
    (axes,) = ALL["acceptance"]().axes
    assert len(axes.containers) == len(WAYS)
    for bars, (name, row) in zip(axes.containers, WAYS.items(), strict=True):
        assert bars.get_label() == name
        np.testing.assert_allclose(bars[0].get_ydata(), row["rate"])
        ends = bars[2][0].get_segments()[0][:, 1]
        np.testing.assert_allclose(ends, [row["low"], row["high"]], atol=1e-12)


def test_bars_add_up():
    (axes,) = ALL["stages"]().axes
    shares = [[patch.get_width() for patch in bars] for bars in axes.containers]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1)
    np.testing.assert_allclose(np.transpose(shares)[0], [0.25, 0.25, 0.5 - 3 / 32, 3 / 32])
    (axes,) = ALL["cards"]().axes
    widths = [[patch.get_width() for patch in bars] for bars in axes.containers]
    assert np.transpose(widths).tolist() == [list(row.values()) for row in CARDS.values()]


def test_mars_is_where_it_was():
    (axes,) = ALL["mars"]().axes
    points = {line.get_label(): line.get_xydata()[0] for line in axes.lines[1:]}
    assert points["Mars, from Earth"] == pytest.approx([326.31, -14.74], abs=0.01)
    assert "the document: 164° away" in points and "its .icrs: 22° away" in points
