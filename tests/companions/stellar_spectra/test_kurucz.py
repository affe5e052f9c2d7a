"""The reader of Kurucz's grid, on a small file of the same form, and on the real one if there."""

import numpy as np
import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.companions.stellar_spectra import kurucz
from cogan_lib.companions.stellar_spectra.physics import PIXELS, WAVELENGTH_A


def write(path, teff, log_g, wrong=False):
    um = np.arange(0.3, 0.9, 0.002)
    depth = np.add.outer(np.asarray(teff) / 2e4, np.asarray(log_g) / 50)
    line = 1 - depth * np.exp(-0.5 * ((um - 0.65628) / 0.003) ** 2)[:, None, None]
    flux = 5e17 * um[:, None, None] ** 0.7 * line
    column = {name: [(name, "f8")] for name in ("WAVLNTHS", "TEFF", "LOGG")}
    tables = [
        fits.BinTableHDU(np.array(x, dtype=column[name]), name=name)
        for name, x in (("WAVLNTHS", um), ("TEFF", teff), ("LOGG", log_g))
    ]
    image = fits.ImageHDU(flux[:, :1] if wrong else flux, name="MODELS")
    fits.HDUList([fits.PrimaryHDU(), image, *tables]).writeto(path)
    return path


@pytest.fixture
def grid(tmp_path):
    return kurucz.read_grid(write(tmp_path / "a.fits", [3000.0, 4000.0, 8000.0], [3.0, 5.0]))


def test_spectra_are_normalised_and_on_our_pixels(grid):
    assert list(grid.teff_k) == [4000, 8000] and grid.flux.shape == (2, 2, PIXELS)
    alpha = np.abs(WAVELENGTH_A - 6562.8).argmin()
    far = np.abs(WAVELENGTH_A - 6562.8) > 150
    np.testing.assert_allclose(grid.flux[..., far], 1, atol=0.01)
    assert 1 - grid.flux[1, 0, alpha] == pytest.approx(0.4 + 0.06, abs=0.02)


def test_stars_between_are_interpolated(grid):
    teff = np.sqrt(4000 * 8000)
    found = grid.spectra([[teff, 4.0]])[0]
    np.testing.assert_allclose(found, grid.flux.mean(axis=(0, 1)), atol=1e-5)
    stars = grid.draw_stars(50, np.random.default_rng(1))
    assert stars.clean.shape == (50, PIXELS) and np.ptp(stars.labels[:, 1]) > 1
    with pytest.raises(CoganError, match="4000 to 8000 K"):
        grid.spectra([[9000.0, 4.0]])
    with pytest.raises(CoganError, match="two labels"):
        grid.spectra([[5000.0, 4.0, 0.0]])


def test_a_missing_or_another_file_is_one_sentence(tmp_path):
    with pytest.raises(CoganError, match="no file"):
        kurucz.read_grid(tmp_path / "none.fits")
    with pytest.raises(CoganError, match="shape"):
        kurucz.read_grid(write(tmp_path / "b.fits", [4000.0, 8000.0], [3.0, 5.0], wrong=True))
    (tmp_path / "c.fits").write_text("words", "utf-8")
    with pytest.raises(CoganError):
        kurucz.read_grid(tmp_path / "c.fits")


def test_the_real_grid_has_the_lines_of_stars(real_data):
    path = real_data / "tables" / "kurucz-0.0_SpecModel.fits"
    if not path.exists():
        pytest.skip(f"no {path.name} in {path.parent}")
    grid = kurucz.read_grid(path)
    assert grid.flux.shape == (27, 5, PIXELS)
    cool, sun, hot = grid.spectra([[3500.0, 4.5], [5750.0, 4.5], [9000.0, 4.0]])
    alpha, tio = (np.abs(WAVELENGTH_A - at).argmin() for at in (6562.8, 7085.0))
    assert hot[alpha] < 0.75 < sun[alpha] and cool[tio] < 0.6 < 0.95 < sun[tio]
