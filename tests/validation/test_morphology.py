"""Minkowski functionals against exact curves, structures against discs, squares, ellipses."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.validation.morphology import (
    DESCRIPTORS,
    THRESHOLDS,
    gaussian_minkowski,
    minkowski,
    structures,
)
from tests.toys import gaussian_tiles

PIXEL = 7.5
NU = np.arange(-16, 17) / 4


def mean_curves(fwhm, slope, thresholds=NU, n=400, pixel=PIXEL, sets=2):
    """Mean curves over sets of tiles of known sigma0, and the exact curves."""
    totals = np.zeros((3, len(thresholds)))
    for seed in range(sets):
        tiles, sigma0, sigma1 = gaussian_tiles(n, seed, slope, fwhm, pixel=pixel, cut=False)
        # Divided by the ensemble's sigma, not by each tile's: the exact curves know no tiles.
        measured = minkowski(tiles / sigma0, thresholds, pixel_arcmin=pixel, standardised=True)
        totals += [values.mean(axis=0) / sets for values in measured]
    return totals, gaussian_minkowski(thresholds, sigma0, sigma1)


@pytest.mark.parametrize(("fwhm", "slope"), [(20.0, 0.0), (20.0, -1.0), (40.0, 0.0)])
def test_gaussian_fields_give_the_exact_curves(fwhm, slope):
    """Within 3 % of each curve's maximum, also at 2.7 pixels per beam (20 arcmin, 7.5 a pixel)."""
    measured, exact = mean_curves(fwhm, slope)
    for name, curve, truth in zip(("V0", "V1", "V2"), measured, exact, strict=True):
        worst = np.abs(curve - truth).max() / np.abs(truth).max()
        amplitude = curve @ truth / (truth @ truth)
        assert worst < 0.03, (name, worst)
        assert abs(amplitude - 1) < 0.015, (name, amplitude)


def test_the_papers_threshold_step_costs_little():
    measured, exact = mean_curves(20.0, 0.0, np.arange(-20, 21) / 2, n=200, sets=1)
    for curve, truth in zip(measured, exact, strict=True):
        assert np.abs(curve - truth).max() < 0.05 * np.abs(truth).max()


def test_each_tile_is_standardised():
    tiles, sigma0, sigma1 = gaussian_tiles(100, 8, slope=0.0)
    curves = minkowski(30 * tiles + 7, NU, pixel_arcmin=PIXEL)
    for a, b in zip(curves, minkowski(tiles, NU, pixel_arcmin=PIXEL), strict=True):
        np.testing.assert_allclose(a.mean(axis=0), b.mean(axis=0), atol=1e-3 * np.abs(b).max())
    exact = gaussian_minkowski(NU, sigma0, sigma1)
    assert np.abs(curves[0].mean(axis=0) - exact[0]).max() < 0.03


def test_units_mirrors_and_sign():
    tiles, *_ = gaussian_tiles(20, 9, slope=0.0)
    v = [values.mean(axis=0) for values in minkowski(tiles, NU, pixel_arcmin=PIXEL)]
    rotated = minkowski(np.rot90(tiles, axes=(1, 2))[:, ::-1], NU, pixel_arcmin=PIXEL)
    wide = minkowski(tiles, NU, pixel_arcmin=2 * PIXEL)
    for power, values, same, other in zip((0, 1, 2), v, rotated, wide, strict=True):
        np.testing.assert_allclose(same.mean(axis=0), values, atol=5e-3 * np.abs(values).max())
        np.testing.assert_allclose(other.mean(axis=0) * 2**power, values, atol=1e-12)
    # The negative of a field exchanges islands and holes. NU is symmetric about 0.
    negative = [n.mean(axis=0) for n in minkowski(-tiles, NU, pixel_arcmin=PIXEL)]
    np.testing.assert_allclose(negative[0], 1 - v[0][::-1], atol=1e-3)
    np.testing.assert_allclose(negative[1], v[1][::-1], atol=2e-3 * v[1].max())
    np.testing.assert_allclose(negative[2], -v[2][::-1], atol=2e-3 * np.abs(v[2]).max())


def test_a_round_cloud_is_one_island_of_known_edge():
    """exp(-r^2 / 2 s^2) above a level is a disc: V1 = 2 pi r / 4 and V2 = 1 per tile area."""
    y, x = np.mgrid[:64, :64] - 31.5
    s = 8.0
    cloud = np.exp(-(x**2 + y**2) / (2 * s**2))
    levels = np.arange(0.15, 0.86, 0.05)
    v0, v1, v2 = minkowski(cloud[None], levels, pixel_arcmin=60.0, oversample=3, standardised=True)
    radius = s * np.sqrt(-2 * np.log(levels))
    area = 64.0**2
    np.testing.assert_allclose(v0[0] * area, np.pi * radius**2, rtol=0.02)
    np.testing.assert_allclose(v1[0] * area, 2 * np.pi * radius / 4, rtol=0.05)
    np.testing.assert_allclose(v2[0] * area, 1, rtol=0.10)
    assert (v2[0] * area).mean() == pytest.approx(1, rel=0.01)


def test_constant_tiles_and_chunks(monkeypatch):
    v0, v1, v2 = minkowski(np.full((2, 16, 16), 0.1), NU, pixel_arcmin=PIXEL)
    np.testing.assert_array_equal(v0[0], NU < 0)
    assert np.all(v1 == 0) and np.all(v2 == 0)
    tiles, *_ = gaussian_tiles(7, 10)
    whole = minkowski(tiles, NU, pixel_arcmin=PIXEL)
    monkeypatch.setattr("cogan_lib.validation.morphology.CHUNK_PIXELS", 1)
    for a, b in zip(whole, minkowski(tiles, NU, pixel_arcmin=PIXEL), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert np.ptp(np.diff(THRESHOLDS)) == 0


def test_bad_input_is_refused():
    with pytest.raises(CoganError, match="equal steps"):
        minkowski(np.zeros((1, 16, 16)), [0, 1, 3], pixel_arcmin=PIXEL)
    with pytest.raises(CoganError, match="too small"):
        minkowski(np.zeros((1, 4, 4)), NU, pixel_arcmin=PIXEL)
    with pytest.raises(CoganError, match="NaN"):
        minkowski(np.full((1, 16, 16), np.nan), NU, pixel_arcmin=PIXEL)
    with pytest.raises(CoganError, match="give a stack"):
        structures(np.zeros((16, 16)), pixel_arcmin=PIXEL)


def shape(mask):
    """The descriptors of one white shape on black, in pixels."""
    found = structures(np.where(mask, 1.0, 0.0)[None], pixel_arcmin=60.0, threshold=0.5)
    assert len(found["area"]) == 1
    return {name: float(values[0]) for name, values in found.items()}


def test_descriptors_of_a_disc_a_square_and_an_ellipse():
    y, x = np.mgrid[:200, :200] - 99.5
    disc = shape(x**2 + y**2 < 40**2)
    assert disc["area"] == pytest.approx(np.pi * 1600, rel=0.01)
    assert disc["perimeter"] == pytest.approx(2 * np.pi * 40, rel=0.02)
    assert disc["compactness"] == pytest.approx(1, abs=0.005)
    assert disc["circularity"] == pytest.approx(1, abs=0.04)

    square = shape((np.abs(x) < 40) & (np.abs(y) < 40))
    assert square["area"] == 6400
    assert square["compactness"] == pytest.approx(3 / np.pi, rel=1e-3)
    assert square["circularity"] == pytest.approx(np.pi / 4, rel=0.13)  # see `structures`

    long = shape((x / 80) ** 2 + (y / 20) ** 2 < 1)  # axes 4 : 1
    assert long["compactness"] == pytest.approx(2 * 4 / (1 + 4**2), rel=0.01)
    assert long["circularity"] < 0.6


def test_a_ragged_edge_lowers_circularity_and_leaves_compactness():
    y, x = np.mgrid[:200, :200] - 99.5
    angle = np.arctan2(y, x)
    smooth = shape(np.hypot(x, y) < 50)
    ragged = shape(np.hypot(x, y) < 50 + 6 * np.sin(20 * angle))
    assert ragged["circularity"] < 0.5 * smooth["circularity"]
    assert ragged["compactness"] == pytest.approx(smooth["compactness"], rel=0.05)


def test_structures_are_found_tile_by_tile():
    tiles = np.zeros((4, 32, 32))
    tiles[0, 4:8, 4:8] = 1  # area 16, at the corner of the next one: they touch
    tiles[0, 8:10, 8:10] = 1
    tiles[0, 20:22, 20:22] = 1  # area 4
    tiles[1, 28:32, 0:4] = 1  # touches the lower edge ...
    tiles[2, 0:4, 0:4] = 1  # ... where the next tile begins: two structures, not one
    found = structures(tiles, pixel_arcmin=60.0)
    assert sorted(zip(found["tile"], found["area"], strict=True)) == [
        (0, 4.0), (0, 20.0), (1, 16.0), (2, 16.0),
    ]  # fmt: skip
    large = structures(tiles, pixel_arcmin=60.0, smallest_arcmin2=5 * 3600)
    assert sorted(large["area"]) == [16.0, 16.0, 20.0]
    empty = structures(np.zeros((2, 16, 16)), pixel_arcmin=60.0)
    assert all(empty[name].shape == (0,) for name in ("tile", *DESCRIPTORS))
    degrees = structures(tiles, pixel_arcmin=30.0)
    np.testing.assert_allclose(degrees["area"], found["area"] / 4)
    np.testing.assert_allclose(degrees["perimeter"], found["perimeter"] / 2)
    np.testing.assert_allclose(degrees["circularity"], found["circularity"])
