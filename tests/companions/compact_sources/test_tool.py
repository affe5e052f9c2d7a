"""The tool: what comes out, where it was changed, and by how much fluxes are off."""

import tracemalloc

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.compact_sources import masks, removal
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.tool import FLAGS, remove_sources
from cogan_lib.companions.compact_sources.truth import CENTRE, SIDE
from tests.companions.compact_sources import toy


def run(image, places, **more):
    settings = {"fwhm": toy.FWHM, "engine": toy.annulus, "progress": False} | more
    return remove_sources(image, places, **settings)


def flags(result):
    return [set(words.split(",")) - {""} for words in result.table["flags"]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_sources_go_and_the_rest_is_what_it_was_bit_for_bit(dtype):
    image, x, y, flux = toy.sky(dtype=dtype)
    before = image.copy()
    result = run(image, np.stack([x, y], axis=1))
    assert (image == before).all()
    assert result.image.dtype == np.dtype(dtype).newbyteorder("=")
    assert (result.image[~result.mask] == image[~result.mask]).all()
    assert not result.sources[~result.mask].any()
    assert np.abs(result.image - 100).max() < 6
    assert 0 < result.mask.mean() < 0.1
    table = result.table
    assert np.abs(table["flux"] - flux).max() < 1.5
    assert np.abs(table["flux_aperture"] - flux).max() < 2
    assert np.abs(table["rms"] - 1).max() < 0.1
    assert table["flux"].unit is None and all(words <= {"edge"} for words in flags(result))


def test_an_engine_by_name_leaves_the_noise():
    image, x, y, flux = toy.sky()
    result = run(image, np.stack([x, y], axis=1), engine="gaussian")
    off = (result.table["flux"] - flux) / result.table["flux_error"]
    assert np.abs(off).max() < 4 and result.table["flux_error"].max() < 1
    assert 0.8 < result.image[result.mask].std() < 1.2
    assert result.table.meta["engine"] == "gaussian"


def test_fluxes_do_not_depend_on_the_units_size_or_level():
    image, x, y, _ = toy.sky(dtype=np.float64)
    places = np.stack([x, y], axis=1)
    plain, tiny = run(image, places), run((image + 1e4) * 1e-21, places)
    for name in ("flux", "flux_error", "flux_aperture", "rms"):
        np.testing.assert_allclose(tiny.table[name], 1e-21 * plain.table[name], rtol=1e-3)


def test_signal_to_noise_is_that_of_the_masks():
    image, x, y, _ = toy.sky()
    field = removal.Field(image, x, y, toy.FWHM)
    hidden = masks.holes(image.shape, np.stack([x, y], axis=1), field.radius_px)
    inner, outer = (toy.FWHM * edge for edge in masks.RING_FWHM)
    # about the nearest pixel, as the cut-outs' rings are
    expected = masks.signal_to_noise(
        image, np.rint(x), np.rint(y), toy.FWHM / 2, inner, outer, hidden
    )
    np.testing.assert_allclose(field.snr, expected, rtol=0.02)


@pytest.mark.parametrize("apart", [0.7, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("ratio", [1.0, 0.1])
def test_blends_are_taken_apart(apart, ratio):
    image = np.random.default_rng(1).normal(size=(160, 160))
    x, y = np.array([80.2, 80.2 + apart * toy.FWHM]), np.array([79.7, 79.7])
    flux = np.array([1000.0, 1000.0 * ratio])
    toy.add(image, x, y, flux)
    result = run(image, np.stack([x, y], axis=1)[::-1])  # the catalogue's order does not matter
    assert flags(result) == [{"blend"}] * 2
    assert np.abs(result.table["flux"][::-1] - flux).max() < 0.05 * flux[0]
    assert np.abs(result.image).max() < 6
    assert result.mask[80, 80]


def test_order_of_the_visits():
    x, y = np.array([50.0, 56.0, 62.0, 150.0]), np.full(4, 60.0)
    image = toy.add(np.random.default_rng(0).normal(size=(200, 200)), x, y, [50, 500, 100, 80])
    field = removal.Field(image, x, y, toy.FWHM)
    plan = [(rows.tolist(), last) for rows, last in removal.visits(field, np.arange(4))]
    assert plan[0] == ([3], True)
    once = [rows for rows, last in plan[1:] if not last]
    assert once[0] == [1] and sorted(sum(once, [])) == [0, 1, 2]
    assert [rows for rows, last in plan[1:] if last] == once


def test_edges_gaps_and_who_cannot_be_measured():
    image, *_ = toy.sky(n=0)
    x = np.array([0.2, 239.0, 120.3, 60.0, 150.0, 242.0, np.nan, 120.3, 500.0])
    y = np.array([100.0, 199.3, 100.1, 60.0, 150.0, 100.0, 50.0, 100.6, 500.0])
    flux = np.array([500.0, 500, 500, 500, 500, 500, 0, 0, 0])
    toy.add(image, x[:6], y[:6], flux[:6])
    image[52:69, 52:69] = np.nan  # all of a source
    image[149:152, 149:152] = np.nan  # as a saturated one
    result = run(image, np.stack([x, y], axis=1))
    assert flags(result) == [
        {"edge", "gaps"}, {"edge", "gaps"}, set(), {"no data"}, {"gaps"}, {"outside"}, {"outside"},
        {"duplicate"}, {"outside"},
    ]  # fmt: skip
    assert set.union(*flags(result)) < set(FLAGS) and len(result.table) == 9
    measured = np.array([0, 1, 2, 4])
    assert np.abs(result.table["flux"][measured] - 500).max() < 3
    others = np.setdiff1d(np.arange(9), measured)
    for name in ("flux", "flux_aperture", "rms", "snr", "hole_px"):
        assert np.isnan(result.table[name][others]).all()
    assert (np.isnan(result.image) == np.isnan(image)).all()
    # the source beyond the edge is not taken out, but no ring sees it
    assert result.image[100, 238] > 120 and np.abs(result.image[100, :30] - 100).max() < 6


def test_an_engine_sees_others_hidden_and_the_source_at_the_centre():
    image, x, y, _ = toy.sky()
    x[1], y[1] = x[0] + 24, y[0] + 3  # the hole of one in the cut-out of the other
    calls = []

    def spy(image, hole, others, x, y, fwhm_px):
        calls.append((image, hole, others, x, y, fwhm_px))
        return toy.annulus(image, hole, others, x, y, fwhm_px)

    run(image, np.stack([x, y], axis=1)[:2], engine=spy)
    ((pieces, hole, others, at_x, at_y, fwhm_px),) = calls
    assert pieces.shape == hole.shape == others.shape == (2, SIDE, SIDE)
    assert pieces.dtype == np.float32 and hole.dtype == others.dtype == bool
    assert np.abs(np.stack([at_x, at_y]) - CENTRE).max() <= 0.5 and fwhm_px == toy.FWHM
    assert hole[:, CENTRE, CENTRE].all() and not (hole & others).any()
    assert (others.sum(axis=(1, 2)) > 20).all()
    ring = masks.ring(SIDE, 10, 22, CENTRE, CENTRE)
    quiet = [pieces[i][ring & ~others[i] & ~hole[i]] for i in range(2)]
    assert all(abs(p.mean()) < 0.2 and 0.8 < p.std() < 1.2 for p in quiet)


def test_what_an_engine_cannot_do_is_flagged_and_the_others_go_on():
    image, x, y, flux = toy.sky()

    def picky(pieces, hole, others, x, y, fwhm_px):
        if pieces[:, CENTRE, CENTRE].max() > 1000:
            raise CoganError("Too bright.")
        return toy.annulus(pieces, hole, others, x, y, fwhm_px)

    result = run(image, np.stack([x, y], axis=1), engine=picky)
    assert [("failed" in words) for words in flags(result)] == [False] * 5 + [True]
    assert np.abs(result.table["flux"] - flux)[:5].max() < 1.5
    assert not result.mask[int(y[5]), int(x[5])]

    def broken(*_):
        raise CoganError("Never.")

    with pytest.raises(CoganError, match="none of the sources"):
        run(image, np.stack([x, y], axis=1), engine=broken)


def test_a_crowded_field_without_rings_is_flagged():
    rng = np.random.default_rng(2)
    x, y = (grid.ravel() + 0.3 for grid in np.meshgrid(*[np.arange(4.0, 120, 6)] * 2))
    image = toy.add(rng.normal(size=(120, 120)), x, y, rng.uniform(50, 500, len(x)))

    def peak(pieces, hole, others, x, y, fwhm_px):
        found = toy.SimpleNamespace()
        found.background = np.where(hole, 0, pieces).astype(np.float32)
        found.flux, found.flux_error = pieces[:, CENTRE, CENTRE], np.ones(len(x))
        return found

    result = run(image, np.stack([x, y], axis=1), engine=peak)
    assert any("crowded" in words for words in flags(result))
    assert np.isfinite(result.table["flux"]).all()


def test_a_hollow_is_no_source():
    image, x, y, flux = toy.sky()
    toy.add(image, [120.0], [100.0], [-50.0])
    result = run(image, [[120, 100], *np.stack([x, y], axis=1)])
    assert "negative" in flags(result)[0] and result.table["flux"][0] < -45
    assert not any("negative" in words for words in flags(result)[1:])


def test_sources_are_found_where_there_is_no_catalogue():
    image, x, y, flux = toy.sky(shape=(400, 480))
    image[:, :20] = np.nan
    result = run(image, None, threshold=6.0)
    at = np.stack([result.table["x"], result.table["y"]], axis=1)
    for place, peak in zip(np.stack([x, y], axis=1), flux, strict=True):
        nearest = np.argmin(np.hypot(*(at - place).T))
        assert np.hypot(*(at[nearest] - place)) < 0.5
        assert abs(result.table["flux"][nearest] - peak) < 3 + 0.02 * peak
    assert len(result.table) <= len(x) + 2


def test_memory_does_not_grow_with_the_number_of_sources():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1000, 1000)).astype(np.float32)
    peaks = []
    for n in (50, 400):
        places = rng.uniform(0, 999, size=(n, 2))
        tracemalloc.start()
        run(image, places)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_bar_is_shown_and_can_be_left_out(capsys):
    image, x, y, _ = toy.sky()
    run(image, np.stack([x, y], axis=1), progress=True)
    assert "source" in capsys.readouterr().err
    run(image, np.stack([x, y], axis=1))
    assert not capsys.readouterr().err


def test_the_beam_of_the_models_is_that_of_the_engines():
    field = removal.Field(toy.sky()[0], np.array([50.2]), np.array([60.4]), toy.FWHM)
    field.flux[:] = 3.0
    field.note(np.array([0]))
    assert not field.others(np.array([0])).any()
    drawn = field.cut(field._models, np.array([0]))[0]
    x, y = field.centre(np.array([0]))
    np.testing.assert_allclose(
        drawn, 3 * Beam("gaussian", toy.FWHM).image(SIDE, x[0], y[0]), atol=1e-6
    )
