"""High latitude: true skies are found, foreign ones are not, sums and flags are what they must be.

The skies are Gaussian fields with a power law, made skewed, with as much noise as signal.
"""

import json
from types import SimpleNamespace

import healpy as hp
import numpy as np
import pytest
from matplotlib.figure import Figure

from cogan_lib.base.files import CoganError
from cogan_lib.beyond import extrapolation, rotations
from cogan_lib.beyond import high_latitude as high
from cogan_lib.plots.high_latitude import (
    extrapolation_maps,
    high_latitude_maps,
    high_latitude_pdf,
    high_latitude_spectrum,
    rotation_nulls,
    training_region_plane,
)
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.split import TEST, TRAIN
from cogan_lib.validation.amplitude import asinh_scale
from tests.toys import inputs_at

NSIDE, LMAX, FWHM = 32, 95, 180.0
NPIX = 12 * NSIDE**2
LON, LAT = hp.pix2ang(NSIDE, np.arange(NPIX), lonlat=True)
HIGH = np.abs(LAT) > 20


def field(seed, slope=-2.0):
    """A skewed random sky of mean about 0.5, smooth at the beam."""
    ell = np.arange(LMAX + 1)
    sigma = np.radians(FWHM / 60) / np.sqrt(8 * np.log(2))
    shape = np.maximum(ell, 1) ** (slope / 2) * np.exp(-ell * (ell + 1) * sigma**2 / 2)
    alm = hp.map2alm(np.random.default_rng(seed).normal(size=NPIX), LMAX, iter=0)
    values = hp.alm2map(hp.almxfl(alm, np.where(ell > 0, shape, 0)), NSIDE, LMAX)
    return 0.3 * np.exp(values / values.std())


def noisy(values, seed, sd=0.5):
    return values + np.random.default_rng(seed).normal(0, sd, values.size)


def rotated(values, angle_deg, mirror_lat=False, mirror_lon=False):
    """Pixel by pixel, by interpolation: knows nothing of a_lm."""
    lon = LON - angle_deg
    lon, lat = (-lon if mirror_lon else lon), (-LAT if mirror_lat else LAT)
    return hp.get_interp_val(values, lon, lat, lonlat=True)


def direct_r(x, y, weight):
    """Pearson's r, written out."""
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    return (weight * x * y).sum() / np.sqrt((weight * x**2).sum() * (weight * y**2).sum())


def curve_of(real, other, weight, monkeypatch):
    """All 1,440 numbers that `correlation` hands to `significance`."""
    kept = []
    monkeypatch.setattr(rotations, "significance", lambda sums: kept.append(sums) or {})
    rotations.correlation(real, other, weight)
    return kept[0]


@pytest.mark.parametrize("mirror", range(4))
def test_rotating_by_phases_is_rotating_the_map(mirror, monkeypatch):
    """Every mirror, right angles and odd ones, against the rotated map and its rotated hole."""
    smooth, good = hp.smoothing(field(1), fwhm=0.2, iter=3), HIGH & (LON > 70)
    real, weight = noisy(smooth, 2), np.where(good, 1 + np.sin(np.radians(LON)) / 2, 0)
    curve = curve_of(real, smooth, weight, monkeypatch)
    x, y = (np.where(good, v - np.average(v, weights=weight), 0) for v in (real, smooth))
    scale = np.sqrt((weight @ x**2) * (weight @ y**2)) / weight.sum()
    for angle in (0, 90, 137, 301):
        place = (angle, *rotations.MIRRORS[mirror])
        common = weight @ rotated(good.astype(float), *place)
        expected = (weight * x) @ rotated(y, *place) / common / scale
        assert curve[mirror, angle] == pytest.approx(expected, abs=0.01)


def test_r_is_pearsons_and_knows_no_zero_level():
    real, generated, weight = noisy(field(1), 2), field(1), np.where(HIGH, 2.0, 0)
    weight[LON > 180] *= 0.3
    found = rotations.correlation(real, generated, weight)
    assert found["value"] == pytest.approx(direct_r(real, generated, weight), rel=1e-9)
    shifted = rotations.correlation(real + 7, 2 * generated, weight)
    assert shifted["value"] == pytest.approx(found["value"], rel=1e-6)
    assert shifted["slope"] == pytest.approx(found["slope"] / 2, rel=1e-6)


def test_a_correlated_map_is_found_and_its_slope():
    truth = field(3)
    weight = HIGH.astype(float)
    found = rotations.correlation(noisy(truth, 4, sd=1.5), 0.5 * truth, weight)
    assert found["z"] > 5 and found["p_value"] <= 3 / 1440
    assert abs(found["slope"] - 2) < 4 * found["slope_sd"] < 0.8
    assert abs(found["null_mean"]) < 0.1 * found["value"]
    # turns below 20 deg, in which the signal overlaps itself, are not in the null
    assert max(found["null_edges"]) < found["value"] and sum(found["null_counts"]) == 1440 - 39


def test_what_happens_near_the_plane_does_not_count():
    """A plane a thousand times brighter, the same in both maps, changes nothing."""
    real, generated, weight = noisy(field(5), 6), field(7), HIGH.astype(float)
    plane = np.where(HIGH, 0, 1e3 * field(8))
    alone = rotations.correlation(real, generated, weight)
    beside = rotations.correlation(real + plane, generated + plane, weight)
    assert [beside[k] for k in ("value", "z", "sd")] == pytest.approx(
        [alone[k] for k in ("value", "z", "sd")]
    )
    options = {"b_min_deg": 20.0, "fwhm_arcmin": FWHM}
    bare = rotations.cross_spectrum(real, generated, HIGH, **options)
    with_plane = rotations.cross_spectrum(real + plane, generated + plane, HIGH, **options)
    assert with_plane["value"] == pytest.approx(bare["value"])


def test_independent_maps_give_p_values_all_over():
    """20 maps that know nothing: p is uniform (largest gap of the distribution below 0.3, which
    chance exceeds in 4 % of such draws), and z is of order one."""
    real, weight = noisy(field(10), 11), HIGH.astype(float)
    found = [rotations.correlation(real, field(100 + i), weight) for i in range(20)]
    p = np.sort([f["p_value"] for f in found])
    steps = np.arange(21) / 20
    assert max(np.abs(p - steps[1:]).max(), np.abs(p - steps[:-1]).max()) < 0.3
    assert p[0] < 0.2 and p[-1] > 0.8
    assert 0.5 < np.std([f["z"] for f in found]) < 2


def test_cross_spectrum_is_anafasts_and_finds_the_scale_that_agrees():
    """Two maps that share only ell > 40: a large z there, none in the first band."""
    shared, ell = field(20, slope=-1.0), np.arange(LMAX + 1)
    keep = (ell > 40).astype(float)
    fine = hp.alm2map(hp.almxfl(hp.map2alm(shared), keep), NSIDE, lmax=LMAX)
    real = noisy(2 * fine + hp.smoothing(field(21), fwhm=0.2), 22, sd=0.1)
    generated = fine + hp.smoothing(field(23), fwhm=0.2)
    good = HIGH & (LON > 15)
    found = rotations.cross_spectrum(real, generated, good, 20.0, FWHM)
    depth = np.clip((np.abs(LAT) - 20) / 5, 0, 1)
    mask = np.where(good, np.sin(np.pi / 2 * depth) ** 2, 0)
    cut = [mask * (v - np.average(v, weights=mask)) for v in (real, generated)]
    cl = hp.anafast(*cut, lmax=LMAX, iter=1) / np.mean(mask**2)
    edges = np.array(found["ell_edges"]).astype(int)
    for value, lo, hi in zip(found["value"], edges[:-1], edges[1:], strict=True):
        weight = 2 * ell[lo:hi] + 1
        assert value == pytest.approx(np.average(cl[lo:hi], weights=weight), rel=1e-6)
    assert edges[0] == 10 and len(found["z"]) == len(edges) - 1
    assert abs(found["z"][0]) < 3 < 8 < found["z"][-1]
    assert found["slope"][-1] == pytest.approx(2, abs=0.3)
    assert found["p_value"][-1] <= 3 / 1440


def test_a_map_that_only_knows_the_dust_has_nothing_beyond_it():
    """Both follow dust, each by its own curve; a map with the real one's own texture has more."""
    weight, found = HIGH.astype(float), []
    for seed in range(4):
        dust, texture = field(30 + seed), field(40 + seed)
        real = asinh_scale(noisy(dust**2 + texture, 50 + seed, sd=0.2))
        copies, knows = asinh_scale(dust**1.5), asinh_scale(dust**1.5 + texture)
        left = [high.beyond(v, [dust], HIGH) for v in (real, copies, knows)]
        pairs = ((real, copies), (left[0], left[1]), (left[0], left[2]))
        found.append([rotations.correlation(a, b, weight)["z"] for a, b in pairs])
    follows, copied, knowing = np.mean(found, axis=0)
    assert follows > 3 and abs(copied) < 1.5 and knowing > 3
    assert (left[0][~HIGH] == 0).all() and abs(left[0][HIGH].mean()) < 1e-12
    both = high.beyond(real, [dust, texture], HIGH)
    assert both[HIGH].var() < left[0][HIGH].var() / 2


def test_totals_are_sums_with_honest_errors():
    """A map 0.2 K km/s too bright over a sky of known mean, and a zero level of 0.1."""
    truth = np.where(np.abs(LAT) < 60, 1.0, 0.0)
    generated = truth + np.where(np.abs(LAT) < 60, 0.2, 0)
    error = np.full(NPIX, 0.5)
    means = []
    for seed in range(30):
        out = high.totals(generated, noisy(truth + 0.1, seed), error, HIGH, fwhm_arcmin=1.0)
        means.append(out["real"]["mean"])
    share = (np.abs(LAT[HIGH]) < 60).mean()
    assert out["mock"]["mean"] == pytest.approx(1.2 * share)
    assert out["mock"]["integral"] == pytest.approx(1.2 * share * HIGH.sum() * 4 * np.pi / NPIX)
    assert out["zero_level"] == pytest.approx(0.1, abs=0.06)
    assert out["real_minus_zero"]["mean"] == pytest.approx(share, abs=0.06)
    assert out["mock_minus_real_minus_zero"]["mean"] == pytest.approx(0.2 * share, abs=0.06)
    assert out["noise"] == pytest.approx(np.std(means), rel=0.4)
    assert out["noise"] == pytest.approx(0.5 / np.sqrt(HIGH.sum()), rel=1e-6)


def test_noise_error_counts_beams_and_the_jackknife_sees_long_waves():
    """Smoothed white noise: the mean scatters as the beam formula says. Blocks: as they do."""
    fwhm, skies = 600.0, []
    for seed in range(40):
        white = np.random.default_rng(seed).normal(size=NPIX)
        skies.append(hp.smoothing(white, fwhm=np.radians(fwhm / 60), iter=1))
    error = np.full(NPIX, np.std(skies))
    found = [high.totals(0 * error, sky, error, HIGH, fwhm) for sky in skies]
    scatter = np.std([f["real"]["mean"] for f in found])
    assert found[0]["noise"] == pytest.approx(scatter, rel=0.35)
    jackknife = np.mean([f["real"]["jackknife"] for f in found])
    assert jackknife == pytest.approx(scatter, rel=0.35)


def test_pdf_with_noise_is_the_real_one_if_the_generated_map_is_right():
    truth, error = field(40), np.full(NPIX, 0.3)
    real = noisy(truth + 0.2, 41, sd=0.3)
    out = high.pdfs(truth, real, error, HIGH, seed=1)
    for name in ("real", "mock", "mock_noise"):
        assert sum(out[name]) == pytest.approx(1)
    wrong = high.pdfs(2 * truth, real, error, HIGH, seed=1)
    assert out["distance"] < 0.1 < 2 * out["distance"] < wrong["distance"]
    assert out == high.pdfs(truth, real, error, HIGH, seed=1)
    assert out["above_3_sigma"]["mock"] < out["above_3_sigma"]["mock_noise"]


@pytest.fixture(scope="module")
def case():
    """Dust, HI, noisy CO and true CO; a training tile at (l, b) = (100, 40), a test tile afar."""
    dust, hi = field(50) / np.maximum(np.abs(np.sin(np.radians(LAT))), 0.1), 1e21 * field(51)
    truth = dust * 0.3
    maps = {
        "DUST": dust,
        "N_HI": hi,
        "W_CO21": noisy(truth + 0.1, 52, sd=0.2),
        "W_CO21_ERR": np.full(NPIX, 0.2),
    }
    inside = np.flatnonzero(dust > np.median(dust))[: 64 * 40]
    inputs = inputs_at(np.log10(dust[inside]), np.log10(hi[inside]))
    n = len(inputs)
    patches = Patches(
        inputs.astype(np.float64),
        np.zeros((n, 1, 8, 8)),
        np.append(np.tile([100.0, 40.0], (n - 1, 1)), [[250.0, -40.0]], axis=0),
        np.append(np.full(n - 1, TRAIN), TEST),
        {
            "geometry": {"npix": 8, "pixel_arcmin": 60.0, "projection": "ZEA"},
            "input_columns": ["DUST", "N_HI"],
        },
    )
    sky = Sky(
        {k: v.astype(np.float32) for k, v in maps.items()}, dict.fromkeys(maps, "K km/s"), FWHM
    )
    return SimpleNamespace(sky=sky, generated=truth, patches=patches)


def test_seen_pixels_are_those_of_the_tile(case):
    seen = high.seen_pixels(case.patches, NSIDE)
    area = seen.sum() * hp.nside2pixarea(NSIDE, degrees=True)
    assert 49 < area < 110  # 8 x 8 deg, and pixels of 1.8 deg that it touches
    vec = hp.ang2vec(LON[seen], LAT[seen], lonlat=True)
    assert np.degrees(np.arccos(vec @ hp.ang2vec(100, 40, lonlat=True))).max() < 8


def test_report_is_json_and_its_figures_can_be_drawn(case):
    spread = 0.1 * np.ones(NPIX)
    report = high.high_latitude_report(
        case.sky, case.generated, "W_CO21", case.patches, seed=1, spread=spread
    )
    report = json.loads(json.dumps(report, allow_nan=False))
    assert report["regions"]["unseen"]["mock"]["z"] > 4
    shares = {name: part["share_of_sky"] for name, part in report["regions"].items()}
    assert shares["all"] > shares["unseen"] > max(shares["faint"], shares["outside"]) > 0
    total = report["regions"]["all"]["totals"]
    assert total["mock"]["mean"] == pytest.approx(case.generated[HIGH].mean(), rel=1e-5)
    assert total["real_minus_zero"]["mean"] == pytest.approx(total["mock"]["mean"], abs=0.02)
    for row in report["by_latitude"]:
        assert sum(row["flag_shares"]) == pytest.approx(1)
        assert row["mean"]["spread"] == pytest.approx(0.1)
    flag, distance = extrapolation.extrapolation(case.sky.maps, case.patches.inputs)
    figures = [
        high_latitude_maps(case.generated, spread, 20.0),
        extrapolation_maps(flag, distance, 20.0),
        training_region_plane(case.sky.maps, case.patches.inputs, "mag", 20.0),
        high_latitude_pdf(report),
        rotation_nulls(report),
        high_latitude_spectrum(report),
    ]
    for figure in figures:
        assert isinstance(figure, Figure)
        figure.canvas.draw()


def test_bad_input_gets_a_sentence(case):
    def run(generated=case.generated, b_min_deg=20.0, **maps):
        sky = Sky({**case.sky.maps, **maps}, case.sky.units, FWHM)
        high.high_latitude_report(
            sky, generated, "W_CO21", case.patches, seed=1, b_min_deg=b_min_deg
        )

    with pytest.raises(CoganError, match="generated must be a map of NSIDE 32"):
        run(generated=np.ones(12))
    with pytest.raises(CoganError, match="DUST must be a map"):
        run(DUST=np.full(NPIX, np.nan))
    with pytest.raises(CoganError, match="must be positive"):
        run(W_CO21_ERR=np.zeros(NPIX))
    with pytest.raises(CoganError, match="b_min_deg between 0"):
        run(b_min_deg=75.0)
    with pytest.raises(CoganError, match="constant in its region"):
        run(generated=np.ones(NPIX))
    with pytest.raises(CoganError, match="no band"):
        rotations.cross_spectrum(case.generated, case.generated, HIGH, 20.0, 3000.0)
