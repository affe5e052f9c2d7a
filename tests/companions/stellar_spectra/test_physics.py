"""The toy's lines grow and fade as those of stars do, and the instrument does what it says."""

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.stellar_spectra import physics
from cogan_lib.companions.stellar_spectra.evaluation import FEATURES, equivalent_widths
from cogan_lib.companions.stellar_spectra.physics import PIXELS, SIGMA, WAVELENGTH_A, spectra


def width(name, teff=5500.0, log_g=4.0, metals=0.0):
    found = equivalent_widths(spectra([[teff, log_g, metals]]))[0]
    return found[list(FEATURES).index(name)]


def test_pixels_are_equal_steps_of_the_logarithm():
    assert WAVELENGTH_A[[0, -1]] == pytest.approx(physics.RANGE_A)
    assert np.ptp(np.diff(np.log(WAVELENGTH_A))) < 1e-12
    assert physics.FINE_A.reshape(-1, physics.FINE)[physics.MARGIN : -physics.MARGIN].mean(
        axis=1
    ) == pytest.approx(WAVELENGTH_A, rel=1e-6)


def test_fluxes_are_shares_of_the_continuum():
    flux = spectra([[3500.0, 5.0, 0.5], [9900.0, 1.0, -2.0]])
    assert flux.shape == (2, PIXELS) and flux.dtype == np.float32
    assert (flux > 0).all() and (flux <= 1).all()
    assert flux[1].max() > 0.995


def test_hydrogen_peaks_near_9000_k():
    temperatures = np.arange(5000, 10_000, 250.0)
    found = [width("Hβ", t) for t in temperatures]
    assert abs(temperatures[np.argmax(found)] - 9000) <= 500
    assert width("Hα", 4000, metals=-1) < 0.2 * width("Hα", 9000, metals=-1)


def test_titanium_oxide_is_of_cool_stars():
    assert width("TiO", 3500) > 5 * width("TiO", 4200)
    assert width("TiO", 5500) < 1


@pytest.mark.parametrize("name", ["Ca II K", "Mg b", "Na D", "G band"])
def test_metals_follow_their_abundance_hydrogen_does_not(name):
    assert width(name, 5000, metals=-1.5) < 0.5 * width(name, 5000)
    assert width("Hα", 8000, metals=-1.5) == pytest.approx(width("Hα", 8000), rel=0.05)


def test_gravity_widens_the_wings():
    giant, dwarf = spectra([[9000.0, 2.0, 0.0], [9000.0, 4.5, 0.0]])
    wing = (np.abs(WAVELENGTH_A - 6562.8) > 25) & (np.abs(WAVELENGTH_A - 6562.8) < 45)
    assert 1 - dwarf[wing].mean() > 2 * (1 - giant[wing].mean())
    assert width("Mg b", 4800, log_g=4.5) > 1.5 * width("Mg b", 4800, log_g=2)


def test_the_instrument_keeps_the_equivalent_width_and_has_its_own_width():
    tau = np.zeros((1, len(physics.FINE_A)), np.float32)
    tau[0, len(physics.FINE_A) // 2] = 30.0
    dip = 1 - physics._blurred(tau)[0]
    x = np.arange(PIXELS)
    middle = (dip * x).sum() / dip.sum()
    sd = np.sqrt((dip * (x - middle) ** 2).sum() / dip.sum())
    assert dip.sum() == pytest.approx(1 / physics.FINE, rel=1e-4)
    assert sd * physics.FWHM_PER_SIGMA == pytest.approx(physics.FWHM_PX, rel=0.1)


def test_noise_is_higher_in_the_blue():
    assert SIGMA[0] == pytest.approx(physics.NOISE_BLUE)
    assert (np.diff(SIGMA) < 0).all() and SIGMA[-1] == pytest.approx(physics.NOISE_BEST, rel=0.02)


def test_the_continuum_lies_above_lines():
    flux = spectra([[8000.0, 4.0, 0.0]])[0]
    slope = (WAVELENGTH_A / 5000) ** -2
    found = physics.continuum(WAVELENGTH_A, 7.0 * slope * flux)
    np.testing.assert_allclose(found, 7.0 * slope, rtol=0.03)


@pytest.mark.parametrize(
    "labels", [[5000.0, 4.0, 0.0], [[5000.0, 4.0]], [[3000.0, 4.0, 0.0]], [[np.nan, 4.0, 0.0]], []]
)
def test_stars_that_the_toy_does_not_know_are_refused(labels):
    with pytest.raises(CoganError, match="Labels have shape|The toy's stars"):
        spectra(labels)
