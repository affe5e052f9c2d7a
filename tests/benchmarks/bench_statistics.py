"""Shapes and spectra of tiles, against pynkowski and NaMaster."""

import healpy as hp
import numpy as np
import pytest
from skies import gaussian_alm, geometry

from cogan_lib.tiles.geometry import tile_centres
from cogan_lib.tiles.tiling import cut_tiles
from cogan_lib.validation.morphology import gaussian_minkowski, minkowski
from cogan_lib.validation.spectra import all_spectra, apodisation

N_TILES, FIELDS = 64, 4
THRESHOLDS = np.arange(-15, 16) / 5
PAIRS = [(i, j) for i in range(FIELDS) for j in range(i, FIELDS)]


@pytest.fixture(scope="module")
def tiles(size):
    """Tiles all over a Gaussian sky, (768, npix, npix)."""
    return cut_tiles(gaussian_alm(size.nside), geometry(size.nside), tile_centres(8))


def their_minkowski(tile, pixel_deg):
    from pynkowski import V0, V1, V2, DataArray

    field = DataArray(tile - tile.mean(), normalise=True, spacing=pixel_deg)
    return [function(field, THRESHOLDS, verbose=False) for function in (V0, V1, V2)]


@pytest.mark.parametrize(("work", "oversample"), [("minkowski", 1), ("minkowski-fine", 2)])
def test_minkowski_ours(size, tiles, measure, agree, work, oversample):
    """Held against the exact curves of a Gaussian field, and curve by curve against the rival."""
    shape, alm = geometry(size.nside), gaussian_alm(size.nside)
    options = {"pixel_arcmin": shape.pixel_arcmin, "oversample": oversample}
    sigma0, sigma1 = (np.sqrt(power_of(alm, order)) for order in (0, 1))
    exact = gaussian_minkowski(THRESHOLDS, sigma0, sigma1 * np.radians(1))
    ours = minkowski(tiles / sigma0, THRESHOLDS, standardised=True, **options)
    off = [abs(o.mean(axis=0) @ e / (e @ e) - 1) for o, e in zip(ours, exact, strict=True)]
    what = f"V1 and V2 of {len(tiles)} tiles beside the exact curves"
    agree(work, what, max(off[1:]), 0.02)  # V0 of so small a sky has a mean of its own
    few = tiles[:: len(tiles) // 16]
    if shape.npix >= 128:  # at toy size a beam has too few pixels for the rival's differences
        pytest.importorskip("pynkowski")
        theirs = np.mean([their_minkowski(t, shape.pixel_arcmin / 60) for t in few], axis=0)
        ours = np.mean(minkowski(few, THRESHOLDS, **options), axis=1)
        off = np.abs(ours - theirs).max(axis=1) / np.abs(theirs).max(axis=1)
        agree(work, f"{what} and beside the rival's", max(off), 0.02)
    timed = tiles[:N_TILES].astype(np.float64)
    measure(
        lambda: minkowski(timed, THRESHOLDS, **options),
        *(work, "ours"),
        count=N_TILES,
        rounds=5,
        precision="fp32",
        bytes=timed[0].nbytes,
        # nine products with matrices that take pixels to points
        flops=2 * shape.npix**3 * (3 * oversample + 6 * oversample**2),
    )


@pytest.mark.parametrize("work", ["minkowski", "minkowski-fine"])
def test_minkowski_theirs(size, tiles, measure, work):
    pytest.importorskip("pynkowski")
    pixel_deg = geometry(size.nside).pixel_arcmin / 60
    few = tiles[:16].astype(np.float64)
    measure(lambda: [their_minkowski(t, pixel_deg) for t in few], work, "theirs", count=len(few))


def power_of(alm, derivatives):
    """Variance of the map (0) or of its gradient (1), from its power spectrum."""
    cl = hp.alm2cl(alm)
    ell = np.arange(cl.size)
    return ((2 * ell + 1) * (ell * (ell + 1.0)) ** derivatives * cl).sum() / (4 * np.pi)


def spectra_of(tiles, options):
    matrix = all_spectra(tiles, **options)[1]
    return [matrix[pair] for pair in PAIRS]


class NaMaster:
    """The same spectra by NaMaster's flat fields, its coupling matrix computed once."""

    def __init__(self, shape, edges):
        import pymaster

        self.nmt, self.side = pymaster, np.radians(shape.side_deg)
        self.window = apodisation(shape.npix)
        # it wants a bin for the power below ours too
        self.bins = pymaster.NmtBinFlat(np.append(edges[0] / 5, edges[:-1]), edges)
        self.workspace = pymaster.NmtWorkspaceFlat()
        field = self.field(np.ones((shape.npix, shape.npix)))
        self.workspace.compute_coupling_matrix(field, field, self.bins)

    def field(self, tile):
        return self.nmt.NmtFieldFlat(self.side, self.side, self.window, [tile])

    def spectra(self, tiles):
        fields = [self.field(tile - tile.mean()) for tile in tiles]
        return [
            self.workspace.decouple_cell(
                self.nmt.compute_coupled_cell_flat(fields[i], fields[j], self.bins)
            )[0][1:]
            for i, j in PAIRS
        ]


@pytest.fixture(scope="module")
def fields(size):
    """White noise, (fields, n, npix, npix), of which each field shares a half with the others."""
    npix = geometry(size.nside).npix
    own = np.random.default_rng(1).normal(size=(FIELDS + 1, N_TILES, npix, npix))
    return own[:FIELDS] + own[FIELDS]


@pytest.fixture(scope="module")
def binning(size):
    """Tiles, and edges of bins twice as wide as a tile's fundamental multipole."""
    shape = geometry(size.nside)
    return shape, 360 / shape.side_deg * np.array([2.5, 4.5, 6.5, 8.5, 10.5])


def test_spectra_ours(fields, binning, measure, agree):
    shape, edges = binning
    options = {"pixel_arcmin": shape.pixel_arcmin, "edges": edges}
    try:
        theirs, note = NaMaster(shape, edges), ""
    except ImportError:
        theirs, note = None, "NaMaster was not installed: its build wants libchealpix and GSL"
    if theirs:
        expected = np.mean([theirs.spectra(fields[:, k]) for k in range(N_TILES)], axis=0)
        off = np.abs(np.mean(spectra_of(fields, options), axis=1) / expected - 1).max()
        agree("spectra", f"mean spectra of {N_TILES} tiles of noise", off, 0.1)
    measure(
        lambda: spectra_of(fields, options),
        *("spectra", "ours"),
        count=N_TILES,
        note=note,
        precision="fp64",
        bytes=fields[:, 0].nbytes,
        flops=FIELDS * 2.5 * shape.npix**2 * np.log2(shape.npix**2),
    )


def test_spectra_theirs(fields, binning, measure):
    pytest.importorskip("pymaster")
    theirs = NaMaster(*binning)
    measure(
        lambda: [theirs.spectra(fields[:, k]) for k in range(N_TILES)],
        *("spectra", "theirs"),
        count=N_TILES,
        note="NaMaster's coupling matrix, computed once, is left out",
    )
