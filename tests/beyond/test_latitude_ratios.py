"""Generated over real by latitude: known ratios, and intervals from blocks of sky."""

import json

import healpy as hp
import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.beyond.extrapolation import latitude
from cogan_lib.beyond.latitude_ratios import RATIO_BANDS, latitude_ratios

NSIDE = 32
B = latitude(NSIDE)
#: Bright at the plane; nothing beyond 60 deg.
CO = np.where(B < 60, 10 * np.exp(-B / 10), 0) * np.random.default_rng(1).lognormal(size=B.size)


def test_ratios_are_those_put_in_and_the_zero_drops_out():
    generated = CO * np.where(B < 10, 1.0, 2.0)
    rows = latitude_ratios(CO + 0.37, generated, seed=1, members=iter([generated, 1.5 * generated]))
    json.dumps(rows, allow_nan=False)
    assert [tuple(row["b_deg"]) for row in rows] == list(RATIO_BANDS)
    for row in rows:
        truth = 1.0 if row["b_deg"][1] <= 10 else 2.0
        assert row["zero_level"] == pytest.approx(0.37)
        assert row["ratio"] == pytest.approx(truth)
        assert row["members"] == pytest.approx([truth, 1.5 * truth])
        assert row["ratio_95"]["low"] == pytest.approx(row["ratio_95"]["high"])  # no scatter


def test_scatter_from_block_to_block_is_in_the_interval_and_only_the_mask_counts():
    lon = hp.pix2ang(NSIDE, np.arange(B.size), lonlat=True)[0]
    block = hp.ang2pix(4, *hp.pix2ang(NSIDE, np.arange(B.size), lonlat=True), lonlat=True)
    factor = np.random.default_rng(2).normal(1, 0.3, 192)[block]
    half = lon < 180
    whole = latitude_ratios(CO, CO * factor, seed=1)
    some = latitude_ratios(CO, CO * np.where(half, factor, 50), seed=1, good=half)
    for row, part in zip(whole, some, strict=True):
        assert row["ratio_95"]["low"] < row["ratio"] < row["ratio_95"]["high"]
        inside = half & (part["b_deg"][0] <= B) & (part["b_deg"][1] > B)
        assert part["pixels"] == inside.sum() and part["blocks"] < row["blocks"]
        truth = (CO * factor)[inside].sum() / CO[inside].sum()
        assert part["ratio"] == pytest.approx(truth)
    ends = [[row["ratio_95"] for row in rows] for rows in (whole, some)]
    widths = [np.mean([end["high"] - end["low"] for end in pairs]) for pairs in ends]
    assert widths[1] > widths[0]


def test_a_band_of_few_blocks_is_left_out():
    lon, lat = hp.pix2ang(NSIDE, np.arange(B.size), lonlat=True)
    rows = latitude_ratios(CO, CO, seed=1, good=(lon < 25) & (lat > 2) & (B < 20))
    assert [row["b_deg"] for row in rows] == [[10, 20]]


def test_maps_that_do_not_fit_are_refused():
    for real, generated, good, words in (
        (CO, CO[:-1], None, "the same shape"),
        (CO[:-1], CO[:-1], None, "no HEALPix maps"),
        (CO, CO * np.nan, None, "NaN"),
        (CO, CO, np.ones(3, bool), "one bool per pixel"),
    ):
        with pytest.raises(CoganError, match=words):
            latitude_ratios(real, generated, seed=1, good=good)
