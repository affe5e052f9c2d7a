"""Time and peak memory against pixels, for cutting, joining and synthesis, at several NSIDE.

The synthesis is that of the library, whole; only its generator runs on a share of the batches at
large NSIDE, whose time is then scaled. What the generator takes is told apart from all the rest.
"""

import time
from dataclasses import replace

import healpy as hp
import numpy as np
import pytest
import torch
from bench_tiles import BATCH, full_sky
from measuring import NAME, SIZES, Peak
from skies import centre_nside, fwhm_arcmin, gaussian_alm, gaussian_map, geometry

from cogan_lib.gan.checkpoint import load_checkpoint, save_checkpoint
from cogan_lib.gan.networks import Generator, translate
from cogan_lib.gan.recipes import PRESETS
from cogan_lib.sky.harmonics import Interpolant
from cogan_lib.sky.skyfile import Sky
from cogan_lib.synthesis import synthesis_grid, synthesise
from cogan_lib.tiles.geometry import tile_centres

NSIDES = SIZES[NAME].growth
SAMPLED_BATCHES = 24
LOG = {"kind": "log", "softening": 1e-3, "mean": 0.5, "std": 0.1}
ASINH = {"kind": "asinh", "softening": 0.3, "mean": 1.0, "std": 1.0}
COLUMNS = {"DUST": ("MJy/sr", LOG), "N_HI": ("cm-2", LOG),
           "W_CO10": ("K km/s", ASINH), "W_CO21": ("K km/s", ASINH)}  # fmt: skip


@pytest.fixture
def grown(record):
    """Times a piece of work at one NSIDE and keeps time, peak memory and facts."""

    def run(work, nside, function):
        if str(nside) in record["growth"].setdefault(work, {}):
            pytest.skip("measured before the interruption")
        gaussian_map.cache_clear()
        gaussian_alm.cache_clear()
        work_of = function(nside)
        with Peak() as peak:
            started = time.perf_counter()
            facts = work_of() or {}
            seconds = time.perf_counter() - started
        row = {"seconds": seconds, "peak_mb": peak.mb, "tiles": 12 * centre_nside(nside) ** 2}
        record["growth"][work][str(nside)] = row | facts
        record.keep()

    return run


@pytest.mark.parametrize("nside", NSIDES)
def test_cutting(grown, nside):
    def prepare(nside):
        alm = gaussian_alm(nside)
        return lambda: full_sky([Interpolant(alm)], nside)

    grown("cutting", nside, prepare)


@pytest.mark.parametrize("nside", NSIDES)
def test_joining(grown, nside):
    def prepare(nside):
        npix = synthesis_grid(geometry(nside), nside)[1].geometry.npix
        tiles = np.random.default_rng(1).normal(size=(BATCH, 1, npix, npix)).astype(np.float32)

        def join():
            _, joiner = synthesis_grid(geometry(nside), nside)
            for start in range(0, len(joiner.centres), BATCH):
                joiner.add(start, tiles[: len(joiner.centres) - start])
            joiner.finish()

        return join

    grown("joining", nside, prepare)


class Sampled(torch.nn.Module):
    """A generator that really runs on every `every`-th batch, and counts the seconds in it."""

    def __init__(self, generator, every):
        super().__init__()
        self.generator, self.every = generator, every
        self.calls, self.sampled, self.seconds = 0, 0, 0.0

    def forward(self, x):
        self.calls += 1
        if (self.calls - 1) % self.every:
            return x[:, :2]
        started = time.perf_counter()
        made = self.generator(x)
        self.seconds += time.perf_counter() - started
        self.sampled += 1
        return made


def checkpoint(folder, nside, noise=()):
    """Untrained weights of the cogan preset, two maps (and fields of noise) in and two out."""
    torch.manual_seed(1)
    settings, names = replace(PRESETS["cogan"], noise=noise), list(COLUMNS)
    meta = {
        "input_columns": names[:2],
        "target_columns": names[2:],
        "units": {name: unit for name, (unit, _) in COLUMNS.items()},
        "geometry": geometry(nside).to_dict(),
        "fwhm_arcmin": fwhm_arcmin(nside),
        "scalings": {name: scaling for name, (_, scaling) in COLUMNS.items()},
    }
    networks = Generator(2, 2, settings, len(noise)), Generator(2, 2, settings)
    save_checkpoint(folder, *networks, settings, meta)
    return load_checkpoint(folder)


@pytest.mark.parametrize("nside", NSIDES)
def test_synthesis(grown, nside, tmp_path):
    def prepare(nside):
        maps = {
            name: (gaussian_map(nside, seed) + 5).astype(np.float32)
            for seed, name in enumerate(list(COLUMNS)[:2], 1)
        }
        sky = Sky(maps, {n: COLUMNS[n][0] for n in maps}, fwhm_arcmin(nside))
        trained = checkpoint(tmp_path / "checkpoint", nside)
        gaussian_map.cache_clear()
        batches = -(-len(tile_centres(centre_nside(nside))) // 8)
        sampled = Sampled(trained.generator, max(1, batches // SAMPLED_BATCHES))
        object.__setattr__(trained, "generator", sampled)

        def run():
            started = time.perf_counter()
            co = synthesise(sky, trained, progress=False)
            whole = time.perf_counter() - started
            assert np.isfinite(co.maps["W_CO21"]).all()
            rest, inside = (
                whole - sampled.seconds,
                sampled.seconds * sampled.calls / sampled.sampled,
            )
            return {
                "seconds": rest + inside,
                "generator_seconds": inside,
                "sampled": sampled.sampled / sampled.calls,
                "tile_npix": synthesis_grid(geometry(nside), nside)[1].geometry.npix,
            }

        return run

    grown("synthesis", nside, prepare)


@pytest.mark.parametrize("preset", PRESETS)
def test_generator(record, size, preset):
    """A tile through each preset's generator, for what other networks would make of the times."""
    rows = record["growth"].setdefault("generator", {})
    if preset in rows:
        pytest.skip("measured before the interruption")
    npix = synthesis_grid(geometry(size.nside), size.nside)[1].geometry.npix
    generator = Generator(2, 2, PRESETS[preset])
    tiles = np.random.default_rng(1).normal(size=(4, 2, npix, npix))
    translate(generator, tiles[:1])
    started = time.perf_counter()
    translate(generator, tiles)
    rows[preset] = {"seconds": (time.perf_counter() - started) / len(tiles)}
    record.keep()


def test_analysis(record, size):
    """The a_lm of a map, on which the arithmetic for larger NSIDE rests."""
    if "analysis" in record["growth"]:
        pytest.skip("measured before the interruption")
    from cogan_lib.tiles.tiling import map_to_alm

    values, lmax = gaussian_map(size.nside), hp.Alm.getlmax(gaussian_alm(size.nside).size)
    started = time.perf_counter()
    map_to_alm(values, lmax)
    record["growth"]["analysis"] = {"seconds": time.perf_counter() - started, "lmax": lmax}
    record.keep()
