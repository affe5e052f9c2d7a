"""Chapter 04, 06: a CO sky to take home, from shipped weights, without a chapter's run.

`co_sky` gives one sky, `co_members` mean and spread of many, `co_component` one for PySM, and
`sky.cutout` a piece. It stands beside the road, not in `sky`: it takes weights (`gan`),
translates (`synthesis`, `beyond.members`) and keeps what it has made as the road does.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import healpy as hp
import numpy as np

from . import road
from .base.config import Settings
from .base.files import CoganError
from .base.made_from import alone, differences, read_record, read_with_sum, to_header
from .base.session import device
from .beyond.extrapolation import REGION, latitude, load_region, outside_region
from .beyond.members import summarise
from .gan.checkpoint import load_checkpoint
from .gan.pretrained import for_tracers
from .sky.embedded import LARGEST_NSIDE
from .sky.maps import check_beam, check_nside, to_nside
from .sky.skyfile import Sky, read_sky, write_sky
from .synthesis import skies

if TYPE_CHECKING:
    from .sky.pysm import COSky

log = logging.getLogger(__name__)

FOLDER = "runs/take-home"
#: Within that folder: the embedded sky, so that no file of somebody's own is in its place.
EMBEDDED = "embedded"
#: Within `PLANE_DEG` of the plane lie 99 % of the pixels in the training region, on the embedded
#: and on the real sky; with N_HI a factor of 3 off 10 % at most.
PLANE_DEG, LEAST_INSIDE = 5.0, 0.5
#: Median N_HI there, over that beyond `HIGH_DEG`: 17 and 28 on these skies; in the equatorial or
#: ecliptic frame less than 1 of both, in the other pixel order 5.2 at most.
HIGH_DEG, LEAST_CONTRAST = 45.0, 8.0
_VERSIONS = ("astropy", "ducc0", "healpy", "numpy", "torch")


def co_sky(
    nside: int = 256,
    member: int | None = 1,
    tracers: Sky | str | Path | None = None,
    *,
    folder: str | Path = FOLDER,
) -> Sky:
    """Give a CO sky: a member, or the Cycle-GAN's.

    It is made at the NSIDE of the tracers, brought to the one asked for (`maps.to_nside`), and
    kept in `folder`; asked again with the same tracers and weights, it is read. If the making is
    killed, the next call goes on from there.

    Parameters
    ----------
    nside : int
        A power of two up to 2048. A finer one than the tracers' has their beam and detail; a
        coarser one the mean of pixels, which widens the beam: `Sky.effective_fwhm_arcmin`.
    member : int or None
        Seed of the noise: each number from 0 to 2**31 - 1 is another equally likely sky, with the
        survey's noise in it. None: the one sky of the Cycle-GAN (chapter 04), without.
    tracers : Sky or path, optional
        Dust and HI, with the columns, units and beam of some weights; a sky file, or
        ``Sky(maps, units, fwhm_arcmin)`` with maps in RING order and Galactic coordinates. Default:
        the embedded sky at NSIDE 256, which is invented: no picture of the Milky Way.
    folder : path
        Where skies are kept.

    Returns
    -------
    Sky
        CO lines [K km/s], OUTSIDE and OUTSIDE_DEX (`extrapolation`, of the tracers), and the
        provenance in `meta`.

    Raises
    ------
    CoganError
        NSIDE or member is impossible; no weights take these tracers; or the tracers are not what
        the weights know: another unit than it says, another frame.
    """
    seeds = [] if member is None else [_check_seed("member", member)]
    return _kept(nside, tracers, folder, f"member-{seeds[0]}" if seeds else "cycle-gan", seeds)


def co_members(
    nside: int = 256,
    members: int = 4,
    tracers: Sky | str | Path | None = None,
    *,
    seed: int = 1,
    folder: str | Path = FOLDER,
) -> Sky:
    """Give mean and spread of many members, as chapter 06's ``co_members.fits`` has them.

    Parameters
    ----------
    nside : int
        As for `co_sky`; mean and spread are of the members at this NSIDE.
    members : int
        At least two.
    tracers : Sky or path, optional
        As for `co_sky`.
    seed : int
        The members are `seed`, `seed` + 1, ... of `co_sky`.
    folder : path

    Returns
    -------
    Sky
        For each line the first member under its own name, and ``_MEAN``, ``_STD``, ``_MID`` over
        all (`beyond.members.synthesise_members`) [K km/s]; OUTSIDE and OUTSIDE_DEX.

    Raises
    ------
    CoganError
        As for `co_sky`, and if there are fewer than two members.
    """
    if not isinstance(members, int | np.integer) or not 2 <= members <= 10_000:
        raise CoganError(f"members is {members!r}; mean and spread take 2 to 10,000 of them.")
    seeds = [_check_seed("seed", seed) + i for i in range(int(members))]
    return _kept(nside, tracers, folder, f"members-{seeds[0]}-to-{seeds[-1]}", seeds)


def co_component(
    nside: int = 256,
    member: int | None = 1,
    tracers: Sky | str | Path | None = None,
    *,
    folder: str | Path = FOLDER,
) -> COSky:
    """Give a CO sky as a component of PySM: another member, another realisation.

    ``pysm3.Sky(component_objects=[co_component(256, member=7)])``

    Parameters
    ----------
    nside, member, tracers, folder
        As for `co_sky`.

    Returns
    -------
    COSky

    Raises
    ------
    CoganError
        As `co_sky`.
    """
    from .sky.pysm import COSky  # whoever wants maps alone waits for no PySM

    return COSky(co_sky(nside, member, tracers, folder=folder))


def _kept(
    nside: int, tracers: Sky | str | Path | None, folder: str | Path, kind: str, seeds: list[int]
) -> Sky:
    """Read the sky that fits what is asked, or make and keep it."""
    nside = check_nside(nside)
    if nside > LARGEST_NSIDE:
        raise CoganError(f"NSIDE is {nside}; CO skies are given up to NSIDE {LARGEST_NSIDE}.")
    with alone(folder):
        known, found = _read(tracers, Path(folder) / EMBEDDED)
        weights = for_tracers(
            {name: known.units[name] for name in known.inputs},
            known.fwhm_arcmin,
            "fold-1" if seeds else "cycle-gan",
        )
        trained = load_checkpoint(weights)
        asked = {
            "nside": nside,
            "tracers": found,
            "weights": trained.content["weights_sha256"]["generator_ab"],
            "member": seeds[0] if seeds else None,
            "members": len(seeds),
        }
        path = Path(folder) / f"co-nside{nside}-{kind}.fits"
        if path.exists():
            record = read_record(path) or {"settings": {}}
            if record["settings"] == asked:
                return read_sky(path)
            misfit = differences(record, asked) or "it does not say of what"
            log.warning("NOTE: %s was made otherwise (%s); making it again.", path, misfit)
        region = load_region(weights / REGION)
        _check_tracers(known, region)
        settings = Settings()
        trained.generator.to(device(settings))
        log.info("CO by weights %s/%s", *weights.parts[-2:])
        facts = {
            "skysha": found,
            "trainset": "/".join(weights.parts[-2:]),
            "tracers": _named(tracers),
            "versions": json.dumps({x: importlib.metadata.version(x) for x in _VERSIONS}),
            **to_header({"settings": asked, "inputs": {}}),
        }
        if "fwhmeff" in known.meta or nside < known.nside:
            facts["fwhmeff"] = _effective_fwhm(known, nside)
        part = path.with_suffix(".part.npz")
        turns = [(trained, one) for one in seeds or [0]]
        made = skies(known, turns, nthreads=settings.thread_count, part=part, **facts)
        gridded = (_on_grid(co, nside) for co in made)
        co = summarise(gridded) if len(turns) > 1 else next(gridded)
        flag, distance = outside_region(known.maps, *region)
        outside = {"OUTSIDE": _most(flag, nside), "OUTSIDE_DEX": _most(distance, nside)}
        units = co.units | {"OUTSIDE": "1", "OUTSIDE_DEX": "dex"}
        write_sky(path, replace(co, maps=co.maps | outside, units=units))
        part.unlink(missing_ok=True)
        return read_sky(path)


def _effective_fwhm(known: Sky, nside: int) -> float:
    """Beam that is left [arcmin]; the mean over coarser pixels is counted as a second Gaussian."""
    if nside >= known.nside:
        return known.effective_fwhm_arcmin
    # of the same variance along each side as a square pixel
    pixel = np.sqrt(8 * np.log(2) / 12) * hp.nside2resol(nside, arcmin=True)
    return float(np.hypot(known.effective_fwhm_arcmin, pixel))


def _on_grid(co: Sky, nside: int) -> Sky:
    maps = {name: to_nside(values, nside, co.fwhm_arcmin) for name, values in co.maps.items()}
    return replace(co, maps=maps)


def _read(tracers: Sky | str | Path | None, embedded: Path) -> tuple[Sky, str]:
    """Return the tracers and their checksum; the embedded ones are made in a folder of theirs."""
    if tracers is None:
        settings = Settings.check(run_dir=str(embedded))
        return read_with_sum(road.need(settings, "sky.fits"), read_sky)
    if isinstance(tracers, str | Path):
        return read_with_sum(Path(tracers), read_sky)
    if not isinstance(tracers, Sky):
        raise CoganError(
            f"tracers is a {type(tracers).__name__}; give the path of a sky file, or arrays as "
            'sky.Sky({"DUST": dust, "N_HI": hi}, {"DUST": "mag", "N_HI": "cm-2"}, fwhm_arcmin).'
        )
    digest = hashlib.sha256(f"{tracers.units} {tracers.fwhm_arcmin}".encode())
    for name in tracers.inputs:
        if not np.isfinite(tracers.maps[name]).all():
            raise CoganError(f"{name} has missing pixels; fill them first (sky.fill_missing).")
        digest.update(np.ascontiguousarray(tracers.maps[name]))
    return tracers, digest.hexdigest()


def _named(tracers: Sky | str | Path | None) -> str:
    if tracers is None:
        return "the embedded sky: invented, no picture of the Milky Way"
    return "arrays" if isinstance(tracers, Sky) else Path(tracers).name


def _check_tracers(known: Sky, region: tuple[np.ndarray, np.ndarray]) -> None:
    """Refuse tracers that are not what they say: the weights would make a CO sky of anything."""
    check_beam(known.nside, known.fwhm_arcmin)
    b = latitude(known.nside)
    plane, high = b < PLANE_DEG, b > HIGH_DEG
    contrast = np.median(known.maps["N_HI"][plane]) / np.median(known.maps["N_HI"][high])
    if not contrast > LEAST_CONTRAST:
        raise CoganError(
            f"N_HI is only {contrast:.2g} times as high at latitude 0 as beyond {HIGH_DEG:g} "
            "degrees, so that these maps are hardly in Galactic coordinates and RING order; read "
            "them with sky.read_map(path, frame=..., order=...)."
        )
    inside = np.mean(outside_region(known.maps, *region)[0][plane] == 0)
    if inside < LEAST_INSIDE:
        medians = ", ".join(
            f"{name} {np.median(known.maps[name][plane]):.3g} {known.units[name]}"
            for name in ("DUST", "N_HI")
        )
        raise CoganError(
            f"Only {inside:.0%} of the pixels within {PLANE_DEG:g} degrees of the plane (medians: "
            f"{medians}) are such pairs of dust and hydrogen as the weights were trained on; one "
            "of the two has another unit than it says, or is another kind of map."
        )


def _check_seed(name: str, value: object) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (whole and 0 <= value < 2**31):
        raise CoganError(
            f"{name} is {value!r}; members are the whole numbers from 0 to 2**31 - 1, each a sky."
        )
    return int(value)


def _most(values: np.ndarray, nside: int) -> np.ndarray:
    """On another grid, of several pixels the one that is farthest outside; of none, the nearest."""
    own = hp.npix2nside(values.size)
    if nside >= own:
        return hp.ud_grade(values, nside)
    nested = hp.reorder(values, r2n=True).reshape(12 * nside**2, -1)
    return hp.reorder(nested.max(axis=1), n2r=True)
