"""Chapter 09: holes filled, a map cleaned by each engine, and cut-outs drawn to train on."""

import numpy as np
import pytest
from astropy.table import Table
from photutils.background import LocalBackground
from photutils.psf import CircularGaussianPSF, PSFPhotometry
from scipy import fft

from cogan_lib.companions.compact_sources import engines, gaussian, masks, rivals, training, truth
from cogan_lib.companions.compact_sources.beams import Beam
from cogan_lib.companions.compact_sources.tool import remove_sources

BEAM = Beam("gaussian", truth.FWHM_PX)
RADIUS_PX = 2 * truth.FWHM_PX  # hides a source of some 6,000 rms
SIDE, SOURCES = 600, 60


@pytest.fixture(scope="module")
def blank():
    """Backgrounds and a hole each, at places of their own: no two share a covariance."""
    rng = np.random.default_rng(1)
    places = truth.CENTRE + rng.uniform(-0.5, 0.5, (2, 64))
    image = truth.backgrounds(64, rng).image
    return image, masks.hole(truth.SIDE, np.full(64, RADIUS_PX), *places)


def test_fills_ours(blank, measure, agree):
    """Where there is nothing but a slope, both continue it."""
    rows, columns = np.mgrid[: truth.SIDE, : truth.SIDE] / truth.SIDE
    plane = np.float32(2 * rows - 3 * columns)[None]
    filled = [
        fill(plane, blank[1][:1], BEAM.fwhm_px) for fill in (rivals.biharmonic, gaussian.fill)
    ]
    worst = np.abs(filled[1][0] - filled[0]).max() / np.ptp(plane)
    agree("holes", "greatest difference on a plane, over the plane's range", worst, 0.01)
    gaussian.fill(blank[0][:1], blank[1][:1], BEAM.fwhm_px)  # the grid of spectra, once a beam
    measure(
        lambda: gaussian.fill(*blank, BEAM.fwhm_px),
        *("holes", "ours"),
        count=len(blank[0]),
        note=f"holes of {RADIUS_PX:g} pixels' radius; the spectrum is measured for each",
    )


def test_fills_theirs(blank, measure):
    measure(lambda: rivals.biharmonic(*blank), *("holes", "theirs"), count=len(blank[0]))


@pytest.fixture(scope="module")
def crowd():
    """A map of filaments, the sources' places and peaks, and the map with them."""
    rng = np.random.default_rng(2)
    ground = truth.backgrounds(1, rng, kinds=("filaments",), side=SIDE).image[0].astype(float)
    places = rng.uniform(40, SIDE - 40, (SOURCES, 2))
    peaks = rng.uniform(20, 200, SOURCES)
    for place, peak in zip(places, peaks, strict=True):
        ground += peak * BEAM.image(SIDE, *place)
    return ground, places, peaks


def psf_photometry(image, places, peaks):
    """Photutils' fit of all sources above their rings, from their real peaks; peaks, residual."""
    start = Table({"x_init": places[:, 0], "y_init": places[:, 1]})
    start["flux_init"] = peaks * BEAM.area_px
    fit = PSFPhotometry(
        CircularGaussianPSF(fwhm=BEAM.fwhm_px),
        fit_shape=(9, 9),
        local_bkg_estimator=LocalBackground(*(edge * BEAM.fwhm_px for edge in masks.RING_FWHM)),
    )
    found = fit(image, init_params=start)
    return np.asarray(found["flux_fit"]) / BEAM.area_px, fit.make_residual_image(image)


def clean(crowd, engine):
    return remove_sources(*crowd[:2], fwhm=BEAM.fwhm_px, engine=engine, progress=False)


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_maps_ours(crowd, measure, agree, engine):
    work, image, places, peaks = f"map-{engine}", *crowd
    theirs, _ = psf_photometry(image, places, peaks)
    flux = clean(crowd, engine).table["flux"]  # loads its weights, too
    agree(
        work, "relative difference of the fluxes, median", np.median(abs(flux / theirs - 1)), 0.02
    )
    measure(
        lambda: clean(crowd, engine),
        *(work, "ours"),
        count=SOURCES,
        note=f"{SOURCES} sources in {SIDE} x {SIDE} pixels, blends twice",
    )


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_maps_theirs(crowd, measure, engine):
    measure(
        lambda: psf_photometry(*crowd),
        *(f"map-{engine}", "theirs"),
        count=SOURCES,
        note="from the real peaks, above rings; holes and noise stay out of it",
    )


def plain_cutout(rng, slope):
    """A background of a power law in NumPy, one at a time: sky, both noises, a source."""
    side, beam = 2 * truth.SIDE, BEAM
    k = np.hypot(fft.fftfreq(side)[:, None], fft.fftfreq(side)[None])
    k[0, 0] = np.inf
    kernel = beam.image(side, side // 2, side // 2)
    transfer = fft.fft2(fft.ifftshift(kernel / kernel.sum()))
    modes = fft.fft2(rng.normal(size=(side, side))) * k ** (slope / 2)
    sky = fft.ifft2(modes * transfer).real[: truth.SIDE, : truth.SIDE]
    smooth = fft.ifft2(fft.fft2(rng.normal(size=(side, side))) * transfer).real
    image = (sky - sky.mean()) / sky.std() + 0.1 * smooth[: truth.SIDE, : truth.SIDE] / smooth.std()
    image += 0.1 * rng.normal(size=image.shape)
    x, y = truth.CENTRE + rng.uniform(-0.5, 0.5, 2)
    around = masks.ring(truth.SIDE, *(e * beam.fwhm_px for e in masks.RING_FWHM), x, y)
    flux = image[around].std() * np.exp(rng.uniform(*np.log(training.BRIGHT)))
    return image, image + flux * beam.image(truth.SIDE, x, y)


def test_examples_ours(measure, agree):
    rng = np.random.default_rng(3)
    ours = truth.backgrounds(300, rng, kinds=("fbm",), slope=(-3.0, -3.0)).image
    theirs = np.stack([plain_cutout(rng, -3.0)[0] for _ in range(300)])
    steps = [np.diff(images, axis=2).std() for images in (ours, theirs)]
    agree(
        *("examples", "relative difference of the rms step between pixels"),
        *(abs(steps[0] / steps[1] - 1), 0.05),
    )
    holes = training.NewHoles(64, 1, seed=3)
    measure(
        lambda: holes.draw(64),
        *("examples", "ours"),
        count=64,
        note="three kinds of backgrounds, noise, source and hole, batches of 64",
    )


def test_examples_theirs(measure):
    rng, few = np.random.default_rng(3), 32
    measure(
        lambda: [plain_cutout(rng, -3.0) for _ in range(few)],
        *("examples", "theirs"),
        count=few,
        note="NumPy and SciPy's FFT, one cut-out of the simplest kind after the other",
    )
