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


def test_window_is_a_cosine_over_a_quarter_at_each_edge():
    window = apodisation(64)
    row = window[32]
    assert np.all(row[16:48] == 1) and row[0] == pytest.approx(np.sin(np.pi / 64) ** 2)
    assert (row[7] + row[8]) / 2 == pytest.approx(0.5)  # half of the height at an eighth
    np.testing.assert_allclose(window, np.outer(row, row))
    np.testing.assert_array_equal(window, window[::-1])


def test_white_noise_level_is_variance_times_pixel_area():
    noise = 3.0 * np.random.default_rng(1).standard_normal((400, NPIX, NPIX))
    _, spectra = power_spectra(noise, **GRID)
    level = 9.0 * np.radians(PIXEL / 60) ** 2
    error = spectra.std(axis=0) / np.sqrt(len(noise)) / level
    assert np.all(np.abs(spectra.mean(axis=0) / level - 1) < 4 * error)


def steep_tiles(slope, fwhm, n, seed, hole=None):
    """Tiles cut from periodic fields eight times as wide, and the mean of C over the bins' modes.

    C_ell = (ell / 300)^slope B_ell^2 down to an eighth of a tile's fundamental multipole; nothing
    in bin number `hole`.
    """

    def spectrum(ell):
        power = (np.maximum(ell, 1) / 300) ** slope * beam_power(ell, fwhm) * (ell > 0)
        return power if hole is None else power * ((ell < EDGES[hole]) | (ell >= EDGES[hole + 1]))

    rng, wide, pixel = np.random.default_rng(seed), 8 * NPIX, np.radians(PIXEL / 60)
    amplitude = np.sqrt(
        spectrum(2 * np.pi * np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(wide, pixel)])))
    )
    tiles = []
    for _ in range(n // 64):
        field = (
            np.fft.ifft2(np.fft.fft2(rng.standard_normal((wide, wide))) * amplitude).real / pixel
        )
        tiles.append(field.reshape(8, NPIX, 8, NPIX).swapaxes(1, 2).reshape(64, NPIX, NPIX))
    return np.concatenate(tiles), mean_over_modes(spectrum)


@pytest.mark.parametrize(
    ("slope", "fwhm", "low", "high"),
    [
        (-2.0, 0.0, 0.90, 1.10),
        (-2.6, 0.0, 0.90, 1.17),
        (-3.3, 0.0, 0.90, 1.24),
        (-2.6, 24.3, 0.90, 1.20),  # the beam makes the spectrum steeper still
        (-3.3, 24.3, 0.90, 1.32),
    ],
)
def test_steep_spectra_hardly_leak(slope, fwhm, low, high):
    tiles, truth = steep_tiles(slope, fwhm, n=512, seed=1)
    spectra = power_spectra(tiles, **GRID)[1] / truth
    error = spectra.std(axis=0) / np.sqrt(len(tiles))
    ratio = spectra.mean(axis=0)
    assert np.all((ratio > low - 2 * error) & (ratio < high + 2 * error)), ratio


def test_a_bin_without_power_shows_little():
    tiles, _ = steep_tiles(-2.6, 0.0, n=256, seed=2, hole=3)
    usual, _ = steep_tiles(-2.6, 0.0, n=256, seed=3)
    empty, full = (power_spectra(x, **GRID)[1].mean(axis=0) for x in (tiles, usual))
    assert empty[3] / full[3] < 0.22  # what crosses an edge between two bins
    np.testing.assert_allclose(np.delete(empty / full, 3), 1, atol=0.15)


def test_slopes_and_curvature_across_a_tile_are_no_waves():
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, NPIX)])
    surface = (3 + 2 * x - y + 0.5 * x * y - x**2 + 2 * y**2)[None]
    noise = 1e-3 * np.random.default_rng(4).standard_normal((1, NPIX, NPIX))
    alone = power_spectra(noise, **GRID)[1]
    np.testing.assert_allclose(power_spectra(surface + noise, **GRID)[1], alone, rtol=1e-6)


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
    with pytest.raises(CoganError, match="same centres"):
        power_spectra(tiles, tiles[:2], **GRID)


@pytest.mark.namaster
@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_agrees_with_namaster_where_that_does_not_leak(slope):
    """Bandpowers within 8 % for spectra that are not steep; one tile's own error is 10-40 %.

    NaMaster divides by its coupling matrix and so needs a bin for the power below ours too. Steeper
    spectra leak into it from below that bin.
    """
    nmt = pytest.importorskip("pymaster", reason="pymaster (NaMaster) is not installed")
    tiles, *_ = gaussian_tiles(40, seed=7, slope=slope)
    side, window = np.radians(8.0), apodisation(NPIX)
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
    ours = power_spectra(tiles, **GRID)[1][:, IN_BEAM]
    ratio = ours.mean(axis=0) / theirs.mean(axis=0)
    assert np.all(np.abs(ratio - 1) < 0.08), ratio
    for b in range(IN_BEAM.sum()):
        assert np.corrcoef(np.log(ours[:, b]), np.log(theirs[:, b]))[0, 1] > 0.9
