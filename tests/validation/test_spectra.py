"""Flat-sky spectra: waves, noise and Gaussian fields whose spectrum is known."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.validation.spectra import (
    all_spectra,
    apodisation,
    bin_edges,
    cross_correlation,
    power_spectra,
)
from cogan_lib.validation.tiles import standardise
from tests.toys import beam_power, gaussian_tiles

NPIX, PIXEL, FWHM = 64, 7.5, 20.0
EDGES, IN_BEAM = bin_edges(8.0, PIXEL, FWHM)
GRID = {"pixel_arcmin": PIXEL, "edges": EDGES}


def mean_over_modes(function, npix=NPIX, pixel=PIXEL, edges=EDGES):
    """Average of function(ell) over the same Fourier modes as the estimator's bins."""
    ell = 2 * np.pi * np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(npix, np.radians(pixel / 60))]))
    which = np.digitize(ell, edges) - 1
    values = function(np.maximum(ell, 1))
    return np.array([values[which == b].mean() for b in range(len(edges) - 1)])


def test_bin_edges_of_the_profiles():
    np.testing.assert_allclose(EDGES, [60, 124, 212, 323, 457, 614, 795], atol=1)
    assert IN_BEAM.tolist() == [True] * 5 + [False]
    sigma = np.radians(FWHM / 60) / np.sqrt(8 * np.log(2))
    assert np.exp(-((EDGES[5] * sigma) ** 2)) == pytest.approx(0.1)
    edges, in_beam = bin_edges(8.0, 15.0, 90.0)  # the smoke profile
    assert in_beam.sum() == 2 and edges[2] == pytest.approx(136.5, abs=0.5)
    edges, in_beam = bin_edges(3.2, 1.5, 15.0)  # the gpu profile
    assert in_beam.sum() == 5 and edges[0] == pytest.approx(150)


def test_bins_end_at_the_pixels_nyquist_multipole():
    for fwhm in (0.0, 5.0, 9.0):
        edges, in_beam = bin_edges(8.0, 7.5, fwhm)
        assert edges[-1] <= 1440 + 1e-9 and in_beam.all() == (len(in_beam) == 5)
        _, spectra = power_spectra(np.ones((1, 64, 64)), pixel_arcmin=7.5, edges=edges)
        assert spectra.shape == (1, len(in_beam))


def test_a_beam_too_wide_for_the_tile_is_refused():
    with pytest.raises(CoganError, match="larger tiles or a finer beam"):
        bin_edges(8.0, 15.0, 300.0)


def test_window_is_c2_and_trimmed():
    window = apodisation(64, 7.5, apodise_deg=1.0, trim_px=2)
    row = window[32]
    assert np.all(row[:2] == 0) and np.all(row[-2:] == 0)
    # Ninth pixel inside the trim lies 8 pixels = 1 deg from the nearest pixel outside it.
    assert row[9] == 1 and row[8] == pytest.approx(0.5 * (1 - np.cos(np.pi * 7 / 8)))
    assert row[5] == pytest.approx(0.5)
    np.testing.assert_array_equal(window, window.T)
    np.testing.assert_array_equal(window, window[::-1])
    assert np.all(apodisation(8, 7.5, apodise_deg=0) == 1)


@pytest.mark.parametrize("trim_px", [0, 1])
def test_white_noise_level_is_variance_times_pixel_area(trim_px):
    noise = 3.0 * np.random.default_rng(1).standard_normal((400, NPIX, NPIX))
    _, spectra = power_spectra(noise, **GRID, trim_px=trim_px)
    level = 9.0 * np.radians(PIXEL / 60) ** 2
    error = spectra.std(axis=0) / np.sqrt(len(noise)) / level
    pull = (spectra.mean(axis=0) / level - 1) / error
    # The subtracted mean takes a trace of the first bin, no more.
    assert np.all(np.abs(pull[1:]) < 4) and abs(pull[0] * error[0]) < 0.03


@pytest.mark.parametrize(("slope", "tolerance"), [(0.0, 0.03), (-1.0, 0.04), (-2.0, 0.20)])
def test_power_law_is_recovered_from_cut_tiles(slope, tolerance):
    tiles, *_ = gaussian_tiles(300, seed=2, slope=slope)
    ell, spectra = power_spectra(tiles, **GRID)
    truth = mean_over_modes(lambda ell: (ell / 300) ** slope * beam_power(ell, FWHM))
    ratio = spectra.mean(axis=0) / truth
    error = spectra.std(axis=0) / np.sqrt(len(tiles)) / truth
    assert np.all(np.abs(ratio - 1)[IN_BEAM] < tolerance + 3 * error[IN_BEAM]), ratio
    assert np.all((ell > EDGES[:-1]) & (ell < EDGES[1:]))


def test_plane_wave_has_its_power_at_its_multipole():
    wavelength_px = 8  # 1 deg: ell = 360
    x = np.arange(NPIX)
    wave = 2.0 * np.cos(2 * np.pi * x / wavelength_px + 0.3)
    tiles = np.stack([np.tile(wave, (NPIX, 1)), np.tile(wave[:, None], (1, NPIX))])
    edges = np.arange(45, 1000, 90.0)
    _, spectra = power_spectra(tiles, pixel_arcmin=PIXEL, edges=edges)
    holds = np.flatnonzero((edges[:-1] < 360) & (edges[1:] > 360))[0]
    assert np.all(spectra.argmax(axis=1) == holds)
    # All its variance, 2^2 / 2: the sum of C over modes divided by the tile's area.
    ell = 360 / 8 * np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(NPIX, 1 / NPIX)]))
    modes = np.histogram(ell, edges)[0]
    variance = (spectra * modes).sum(axis=1) / np.radians(8.0) ** 2
    np.testing.assert_allclose(variance, 2.0, rtol=2e-2)
    np.testing.assert_allclose(spectra[0], spectra[1], rtol=1e-9)


def test_mirrors_turns_and_units():
    tiles, *_ = gaussian_tiles(5, seed=3)
    _, spectra = power_spectra(tiles, **GRID)
    for moved in (tiles[:, ::-1], tiles[:, :, ::-1], np.rot90(tiles, axes=(1, 2))):
        np.testing.assert_allclose(power_spectra(moved, **GRID)[1], spectra, rtol=1e-9)
    np.testing.assert_allclose(power_spectra(3 * tiles + 50, **GRID)[1], 9 * spectra, rtol=1e-9)
    ell, wider = power_spectra(tiles, pixel_arcmin=2 * PIXEL, edges=EDGES / 2)
    np.testing.assert_allclose(wider, 4 * spectra, rtol=1e-9)  # twice the pixel, four times C
    ell_1, single = power_spectra(tiles.astype(np.float32), **GRID)
    np.testing.assert_allclose(ell_1, 2 * ell)
    np.testing.assert_allclose(single, spectra, rtol=1e-4)


def test_stack_in_chunks_equals_tile_by_tile(monkeypatch):
    tiles, *_ = gaussian_tiles(7, seed=4)
    _, whole = power_spectra(tiles, **GRID)
    monkeypatch.setattr("cogan_lib.validation.spectra.CHUNK_PIXELS", 3 * NPIX**2)
    np.testing.assert_allclose(power_spectra(tiles, **GRID)[1], whole, rtol=1e-12)
    assert power_spectra(np.zeros((2, NPIX, NPIX)), **GRID)[1].max() == 0


def test_correlation_is_one_minus_one_zero_or_as_made():
    a, *_ = gaussian_tiles(200, seed=5)
    b, *_ = gaussian_tiles(200, seed=6)
    _, rho, rho_tiles = cross_correlation(a, 5 * a + 1, **GRID)
    np.testing.assert_allclose(rho, 1, rtol=1e-9)
    np.testing.assert_allclose(rho_tiles, 1, rtol=1e-9)
    np.testing.assert_allclose(cross_correlation(a, -a, **GRID)[1], -1, rtol=1e-9)
    assert np.all(np.abs(cross_correlation(a, b, **GRID)[1]) < 0.07)
    mixed = 0.6 * a + 0.8 * b
    np.testing.assert_allclose(cross_correlation(a, mixed, **GRID)[1], 0.6, atol=0.05)
    flat = cross_correlation(a, np.full_like(a, 0.1), **GRID)
    assert np.all(flat[1] == 0) and np.all(flat[2] == 0)


def test_all_pairs_at_once_are_the_pairs():
    fields = [gaussian_tiles(9, seed)[0] for seed in (1, 2, 3)]
    ell, matrix = all_spectra(fields, **GRID)
    for i, a in enumerate(fields):
        np.testing.assert_allclose(matrix[i, i], power_spectra(a, **GRID)[1], rtol=1e-12)
        for j, b in enumerate(fields):
            np.testing.assert_allclose(matrix[i, j], power_spectra(a, b, **GRID)[1], rtol=1e-9)
    np.testing.assert_array_equal(ell, power_spectra(fields[0], **GRID)[0])


def test_constant_tiles_standardise_to_zero():
    tiles = np.stack([np.full((8, 8), 0.1), np.arange(64.0).reshape(8, 8)])
    u = standardise(tiles)
    assert np.all(u[0] == 0) and u[1].std() == pytest.approx(1) and abs(u[1].mean()) < 1e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[0], "give a stack"),
        (lambda t: t[:, :, :-1], "give a stack"),
        (lambda t: t[:0], "give a stack"),
        (lambda t: np.where(np.arange(NPIX) == 3, np.nan, t), "NaN or infinite"),
        (lambda t: t.astype(str), "real numbers"),
    ],
)
def test_bad_tiles_are_refused(change, message):
    tiles = np.zeros((3, NPIX, NPIX))
    with pytest.raises(CoganError, match=message):
        power_spectra(change(tiles), **GRID)


def test_bad_bins_windows_and_pairs_are_refused():
    tiles = np.zeros((3, NPIX, NPIX))
    with pytest.raises(CoganError, match="No Fourier mode"):
        power_spectra(tiles, pixel_arcmin=PIXEL, edges=[60, 61, 62])
    with pytest.raises(CoganError, match="do not rise"):
        power_spectra(tiles, pixel_arcmin=PIXEL, edges=[100, 60])
    with pytest.raises(CoganError, match="leave nothing"):
        power_spectra(tiles, **GRID, apodise_deg=5.0)
    with pytest.raises(CoganError, match="same centres"):
        power_spectra(tiles, tiles[:2], **GRID)


@pytest.mark.namaster
@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_agrees_with_namaster(slope):
    """Same window to rounding, bandpowers within 6 %; one tile's own error is 10-40 %.

    NaMaster divides by its coupling matrix and so needs a bin for the power below ours too.
    """
    nmt = pytest.importorskip("pymaster", reason="pymaster (NaMaster) is not installed")
    tiles, *_ = gaussian_tiles(40, seed=7, slope=slope)
    side = np.radians(8.0)
    mask = np.zeros((NPIX, NPIX))
    mask[1:-1, 1:-1] = 1
    window = nmt.mask_apodization_flat(mask, side, side, aposize=1.0, apotype="C2")
    np.testing.assert_allclose(window, apodisation(NPIX, PIXEL, 1.0, trim_px=1), atol=1e-6)

    bins = nmt.NmtBinFlat(np.append(10, EDGES[:-1]), np.append(60, EDGES[1:]))
    workspace, spectra = nmt.NmtWorkspaceFlat(), []
    for tile in tiles:
        mean = (tile * window).sum() / window.sum()
        field = nmt.NmtFieldFlat(side, side, window, [tile - mean])
        if not spectra:
            workspace.compute_coupling_matrix(field, field, bins)
        coupled = nmt.compute_coupled_cell_flat(field, field, bins)
        spectra.append(workspace.decouple_cell(coupled)[0][1:])
    theirs = np.array(spectra)[:, IN_BEAM]
    ours = power_spectra(tiles, **GRID, apodise_deg=1.0, trim_px=1)[1][:, IN_BEAM]
    ratio = ours.mean(axis=0) / theirs.mean(axis=0)
    assert np.all(np.abs(ratio - 1) < 0.06), ratio
    for b in range(IN_BEAM.sum()):
        assert np.corrcoef(np.log(ours[:, b]), np.log(theirs[:, b]))[0, 1] > 0.95
