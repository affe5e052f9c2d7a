"""Toys that several tests play with: tiles, skies, a tiny network, short training settings."""

import resource
from contextlib import contextmanager

import healpy as hp
import numpy as np
import torch

from cogan_lib.base.units import CO_SOFTENING
from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.networks import Generator, NetworkSettings
from cogan_lib.gan.recipes import TrainingSettings
from cogan_lib.sky.skyfile import Sky
from cogan_lib.tiles.geometry import Geometry
from cogan_lib.tiles.patches import Patches
from cogan_lib.tiles.scaling import PatchMinMax, Scaling
from cogan_lib.tiles.split import TEST, TRAIN, VALIDATION

TINY = NetworkSettings(
    features=4,
    blocks=1,
    discriminator_features=4,
    discriminator_layers=2,
    instance_norm=False,
    tanh=False,
    smooth=True,
)
SETTINGS = TrainingSettings(network=TINY, batch_size=4, max_steps=14, device="cpu", seed=5)


def toy_patches(n=40, npix=16, targets=1, scaling="asinh"):
    """Beam-smooth, log-normal dust and HI that share most of their structure, and CO from both."""
    random = np.random.default_rng(2)
    k = np.hypot(np.fft.fftfreq(npix)[:, None], np.fft.fftfreq(npix))
    noise = np.fft.fft2(random.normal(size=(n, 2, npix, npix)))
    fields = np.fft.ifft2(noise * np.exp(-((k / 0.15) ** 2))).real
    fields[:, 1] = fields[:, 0] + 0.5 * fields[:, 1]
    fields /= fields.std(axis=(0, 2, 3), keepdims=True)
    inputs = np.stack([10 ** fields[:, 0], 1e21 * 10 ** (0.3 * fields[:, 1])], 1)
    co = 0.3 * np.sinh(np.maximum(1 + fields[:, :1] + fields[:, 1:] / 2, 0))
    targets = np.concatenate([co, 0.5 * co], 1)[:, :targets]
    input_columns, target_columns = ["DUST", "N_HI"], ["W_CO10", "W_CO21"][: targets.shape[1]]
    scalings = {name: Scaling.fit("log", inputs[:, i]) for i, name in enumerate(input_columns)}
    for i, name in enumerate(target_columns):
        scalings[name] = Scaling.fit("asinh", targets[:, i], CO_SOFTENING)
    if scaling == "minmax":
        scalings = dict.fromkeys(scalings, PatchMinMax())
    meta = {
        "input_columns": input_columns,
        "target_columns": target_columns,
        "units": {"DUST": "mag", "N_HI": "cm-2", "W_CO10": "K km/s", "W_CO21": "K km/s"},
        "geometry": {"npix": npix, "pixel_arcmin": 60.0, "projection": "ZEA"},
        "fwhm_arcmin": 180.0,
        "scalings": {name: x.to_dict() for name, x in scalings.items()},
    }
    split = np.full(n, TRAIN, np.uint8)
    split[-12:], split[-4:] = VALIDATION, TEST
    return Patches(
        inputs.astype(np.float32), targets.astype(np.float32), np.zeros((n, 2)), split, meta
    )


def same_weights(one, other):
    """Bit by bit, both generators."""
    one, other = load_checkpoint(one), load_checkpoint(other)
    return all(
        torch.equal(x, y)
        for a, b in ((one.generator, other.generator), (one.reverse, other.reverse))
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def toy_sky() -> Sky:
    """Dust and HI at the beam of `toy_patches`, NSIDE 32, without CO."""
    random = np.random.default_rng(5)
    maps = {}
    for name, unit in (("DUST", 1.0), ("N_HI", 1e21)):
        field = hp.smoothing(random.normal(size=12 * 32**2), fwhm=np.radians(3), iter=0)
        maps[name] = unit * 10 ** (0.3 * field / field.std())
    return Sky(maps, {"DUST": "mag", "N_HI": "cm-2"}, 180.0)


def inputs_at(log_dust, log_hi):
    """Training inputs (n, 2, 8, 8) that lie at these places."""
    pixels = 10.0 ** np.stack([log_dust, log_hi])
    return pixels.reshape(2, -1, 8, 8).transpose(1, 0, 2, 3)


SCALINGS = {
    "DUST": {"kind": "log", "softening": 1e-3, "mean": 0.0, "std": 0.3},
    "N_HI": {"kind": "log", "softening": 1e18, "mean": 21.0, "std": 0.3},
    "W_CO21": {"kind": "asinh", "softening": 0.3, "mean": 1.0, "std": 1.0},
}


def steep_sky(nside: int, fwhm_arcmin: float) -> Sky:
    """Log-normal dust and HI with the steep spectrum of the sky."""
    np.random.seed(5)  # noqa: NPY002 - healpy's synfast knows no generator
    cl = np.r_[0, 0, np.arange(2.0, 150) ** -2.4]
    a, b = (hp.synfast(cl, nside, fwhm=np.radians(fwhm_arcmin / 60)) for _ in "ab")
    maps = {"DUST": 10 ** (a / a.std() / 3), "N_HI": 1e21 * 10 ** (b / b.std() / 3)}
    return Sky(maps, {"DUST": "mag", "N_HI": "cm-2"}, fwhm_arcmin)


def untrained(folder, geometry: Geometry, fwhm_arcmin: float, seed=1, noise=(), scalings=SCALINGS):
    """An untrained generator: any smooth translation will do to test the road."""
    settings = NetworkSettings(
        8, 2, 8, 2, instance_norm=False, tanh=False, smooth=True, noise=noise
    )
    torch.manual_seed(seed)
    networks = Generator(2, 1, settings, noise=len(noise)), Generator(1, 2, settings)
    meta = {
        "input_columns": ["DUST", "N_HI"],
        "target_columns": ["W_CO21"],
        "units": {"DUST": "mag", "N_HI": "cm-2", "W_CO21": "K km/s"},
        "geometry": geometry.to_dict(),
        "fwhm_arcmin": fwhm_arcmin,
        "scalings": scalings,
    }
    save_checkpoint(folder, *networks, settings, meta, training={"seed": seed})
    return load_checkpoint(folder)


def beam_power(ell, fwhm_arcmin):
    sigma = np.radians(fwhm_arcmin / 60) / np.sqrt(8 * np.log(2))
    return np.exp(-((ell * sigma) ** 2))


def gaussian_tiles(n, seed, slope=-1.0, fwhm=20.0, npix=64, pixel=7.5, cut=True):
    """Tiles of C_ell = (ell / 300)^slope B_ell^2, and the field's exact sigma0 and sigma1 [1/deg].

    With `cut` they are quarters of a periodic field, so that their edges do not match.
    """
    rng = np.random.default_rng(seed)
    size = 2 * npix if cut else npix
    pixel_rad = np.radians(pixel / 60)
    ell = 2 * np.pi * np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(size, pixel_rad)]))
    spectrum = np.where(ell > 0, (np.maximum(ell, 1) / 300) ** slope * beam_power(ell, fwhm), 0)
    white = rng.standard_normal((n, size, size))
    field = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(spectrum)).real / pixel_rad
    area = (size * pixel_rad) ** 2
    sigma0 = np.sqrt(spectrum.sum() / area)
    sigma1 = np.radians(np.sqrt((spectrum * ell**2).sum() / area))
    return field[:, :npix, :npix], sigma0, sigma1


@contextmanager
def file_size_limit(size: int = 20_000):
    """A disk that is full after so many bytes of a file: writing fails there, also beneath Python.

    Within a test only: pytest's own output may go to a longer file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
