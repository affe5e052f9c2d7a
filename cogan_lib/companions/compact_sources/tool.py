"""The tool: an image in, the image without its sources and a table of fluxes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table
from astropy.wcs import WCS
from scipy.spatial import cKDTree

from ...base.files import CoganError, provenance, sha256
from . import io, masks, sources
from .beams import MIN_FWHM_PX
from .photometry import per_peak
from .removal import REACH_FWHM, Field, remove
from .truth import CENTRE, SIDE

#: Sources nearer to each other than so many FWHM are one source, listed twice.
SAME_FWHM = 0.25
#: A source whose hole has data in less than this share of its pixels cannot be measured.
LEAST_DATA = 0.2
#: What the words in the table's column `flags` mean.
FLAGS = {
    "outside": "not on the image, or without a position: not measured",
    "duplicate": "at the place of an earlier row: not measured",
    "no data": "less than a fifth of its hole has data: not measured",
    "failed": "the engine found no flux: not replaced",
    "gaps": "some pixels of its hole have no data",
    "edge": "nearer to the image's edge than half a cut-out",
    "blend": "its hole overlaps another's: measured twice, each time without the other",
    "crowded": "its ring lies in others' holes: level and rms are the whole image's",
    "faint": "S/N below 3",
    "negative": "its flux is below zero by three errors or more: no source, or a wrong beam",
}
FAINT = 3.0


@dataclass(frozen=True)
class Result:
    """What `remove_sources` returns.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        The image without the sources, in its own unit and precision; bit for bit what it was
        where `mask` is false, and NaN where it was.
    sources : ndarray, shape (height, width)
        What was taken out: input less `image`.
    mask : ndarray of bool, shape (height, width)
        Where pixels were replaced.
    table : Table
        A row for each row of the catalogue; see `remove_sources`.
    input : Image
        What was read.
    """

    image: np.ndarray
    sources: np.ndarray
    mask: np.ndarray
    table: Table
    input: io.Image


def remove_sources(
    image: np.ndarray | str | Path | io.Image,
    catalogue: str | Path | Table | np.ndarray | None = None,
    *,
    fwhm: float | str | u.Quantity | None = None,
    engine: str | Callable = "gaussian",
    threshold: float = 5.0,
    wcs: WCS | None = None,
    unit: str | None = None,
    blank: float | None = None,
    progress: bool = True,
) -> Result:
    """Take compact sources out of an image, and measure their fluxes.

    Around each source a cut-out goes through the engine, with the other sources hidden, and what
    the engine finds in the hole goes back into the image. Sources whose holes overlap are measured
    twice, from the brightest on, each time without the others.

    Parameters
    ----------
    image : ndarray of shape (height, width), path, or Image
        FITS or an array. NaN: no data.
    catalogue : path, Table, or array_like of shape (n, 2), optional
        See `sources.positions`; sources are found by photutils if there is none.
    fwhm : float, str or Quantity, optional
        Of the beam: a number of pixels, or ``"18arcsec"``; by the header's BMAJ and BMIN if not
        given.
    engine : str or callable
        One of `engines.ENGINES`, or what has their interface.
    threshold : float
        Sources are found above so many local rms, if there is no catalogue.
    wcs : WCS, optional
        Of an array.
    unit : str, optional
        Of an array, or in place of a file's BUNIT.
    blank : float, optional
        Pixels of this value have no data, as zeros beyond the edges of many maps.
    progress : bool
        Show a bar.

    Returns
    -------
    Result
        Columns of its table: `id`, `x`, `y` (pixels from 0), `ra`, `dec` (with a WCS), `flux`,
        `flux_error` (the engine's), `flux_aperture` (photutils, on the image less the background,
        corrected by the beam), `rms` (standard deviation of the ring, in the image's unit), `snr`
        (peak above the ring over the rms), `hole_px` (radius) and `flags` (`FLAGS`, by commas).
        Fluxes are in Jy where the unit and the beam allow, else the peak in the image's own unit.

    Raises
    ------
    CoganError
        For an image, a catalogue, a beam or an engine that cannot be used, before any work.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> image = rng.normal(size=(120, 120))
    >>> image[60, 60] = 500
    >>> def level(image, hole, others, x, y, fwhm_px):  # an engine: the ring's mean is now zero
    ...     from types import SimpleNamespace
    ...     peak, one = image[:, 48, 48], np.ones(len(image))
    ...     background = np.where(hole, 0, image)
    ...     return SimpleNamespace(background=background, flux=peak, flux_error=one)
    >>> result = remove_sources(image, [[60, 60]], fwhm=4.0, engine=level, progress=False)
    >>> round(float(result.table["flux"][0])), bool(np.abs(result.image).max() < 5)
    (500, True)
    """
    chosen = _engine(engine)
    if isinstance(image, str | Path):
        image = io.read_image(image, unit, blank)
    elif not isinstance(image, io.Image):
        image = io.image_of(image, wcs, unit or "", blank)
    fwhm_px = io.beam_px(image, fwhm)
    _check_sizes(image, fwhm_px)
    factor, flux_unit = per_peak(image.unit, fwhm_px, image.pixel_arcsec, image.beam_px)
    if catalogue is None:
        found = sources.detect(image, fwhm_px, threshold)
    else:
        found = sources.positions(catalogue, image)

    flags: list[list[str]] = [[] for _ in range(len(found))]
    near, work = _sort_out(found, image, fwhm_px, flags)
    rows = np.flatnonzero(near)  # of the table, for each source of the field
    field = Field(image.values, found["x"][near].data, found["y"][near].data, fwhm_px)
    ours = np.flatnonzero(work[near])
    share = field.share_of_data(ours)
    for i in ours[share < LEAST_DATA]:
        flags[rows[i]].append("no data")
    for i in ours[(share >= LEAST_DATA) & (share < 1)]:
        flags[rows[i]].append("gaps")
    ours = ours[share >= LEAST_DATA]
    blended = remove(field, ours, chosen, progress)

    height, width = image.values.shape
    for i in ours:
        x, y = field.x[i], field.y[i]
        signs = {
            "failed": not np.isfinite(field.flux[i]),
            "edge": min(x, y, width - 1 - x, height - 1 - y) < CENTRE,
            "blend": blended[i],
            "crowded": field.crowded[i],
            "faint": not field.snr[i] >= FAINT,
            "negative": field.flux[i] < -FAINT * field.flux_error[i],
        }
        flags[rows[i]] += [word for word, holds in signs.items() if holds]
    table = _table(found, image, field, rows, ours, factor, flux_unit)
    table["flags"] = [",".join(words) for words in flags]
    name = engine if isinstance(engine, str) else getattr(engine, "__name__", "a callable")
    table.meta = {"measured": int(np.isfinite(table["flux"]).sum())} | _meta(
        image, catalogue, fwhm_px, name, threshold
    )
    return Result(field.values, image.values - field.values, field.mask, table, image)


def write(result: Result, path: str | Path) -> tuple[Path, Path]:
    """Write a result: FITS with IMAGE, SOURCES and MASK, and the table as ECSV beside it.

    Parameters
    ----------
    result : Result
    path : path
        Ends in .fits or .fits.gz.

    Returns
    -------
    fits, ecsv : Path

    Raises
    ------
    CoganError
        If they cannot be written.
    """
    said, made = result.table.meta, result.table.meta["provenance"]
    cards = {
        "ENGINE": (said["engine"], "what removed the compact sources"),
        "FWHMPX": (round(said["fwhm_px"], 4), "[pix] FWHM of a point source"),
        "NSOURCES": (said["measured"], "sources removed, of the table's rows"),
    }
    history = [
        f"compact sources removed by cogan {made['versions']['cogan']}, commit "
        f"{made['git_commit']}, {made['made']}",
        f"image {said['image'].get('file', 'an array')}, sha256 {said['image'].get('sha256')}",
        f"catalogue {said['catalogue']}, sha256 {said['catalogue_sha256']}",
        "IMAGE: without sources. SOURCES: input less IMAGE. MASK: 1 where replaced.",
    ]
    return io.write_result(
        path, result.input, result.image, result.sources, result.mask, result.table, history, cards
    )


def _engine(engine: str | Callable) -> Callable:
    """Look an engine up; what it needs (weights) is loaded then."""
    if callable(engine):
        return engine
    from .engines import ENGINES  # torch, which an engine of one's own does not need

    if engine not in ENGINES:
        raise CoganError(f"There is no engine {engine!r}; take one of {', '.join(ENGINES)}.")
    return ENGINES[engine]


def _check_sizes(image: io.Image, fwhm_px: float) -> None:
    """Check that beam, cut-out and image fit into one another."""
    widest = CENTRE / masks.RING_FWHM[1]
    if fwhm_px < MIN_FWHM_PX:
        raise CoganError(
            f"The beam's FWHM is {fwhm_px:.3g} pixels; a compact source needs at least "
            f"{MIN_FWHM_PX:g} pixels per FWHM: smooth the image."
        )
    if fwhm_px > widest:
        raise CoganError(
            f"The beam's FWHM is {fwhm_px:.3g} pixels; cut-outs of {SIDE} hold up to {widest:.2g}: "
            "rebin the image."
        )
    height, width = image.values.shape
    if min(height, width) < SIDE:
        raise CoganError(
            f"The image has {width} x {height} pixels, less than a cut-out of {SIDE} x {SIDE}."
        )


def _sort_out(
    found: Table, image: io.Image, fwhm_px: float, flags: list[list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Find who lies on the image or reaches into it, and who is measured: on it, and no double."""
    x, y = (np.asarray(found[name], float) for name in ("x", "y"))
    inside = sources.inside(x, y, image)
    near = sources.inside(x, y, image, margin_px=REACH_FWHM * fwhm_px)
    work = inside.copy()
    numbers = np.flatnonzero(near)
    places = cKDTree(np.stack([x[near], y[near]], axis=1))
    for first, second in sorted(places.query_pairs(SAME_FWHM * fwhm_px)):
        if inside[numbers[first]] and near[numbers[first]]:
            near[numbers[second]] = work[numbers[second]] = False
            if "duplicate" not in flags[numbers[second]]:
                flags[numbers[second]].append("duplicate")
    for i in np.flatnonzero(~inside):
        flags[i].insert(0, "outside")
    return near, work


def _table(
    found: Table, image: io.Image, field: Field, rows: np.ndarray, ours: np.ndarray,
    factor: float, flux_unit: str,
) -> Table:  # fmt: skip
    """Put the field's numbers into the catalogue's rows."""
    table = found.copy()
    for name in ("x", "y"):
        table[name].unit, table[name].format = u.pix, ".3f"
    if image.wcs is not None:
        x, y = (np.nan_to_num(table[name].data) for name in ("x", "y"))
        places = image.wcs.pixel_to_world(x, y).icrs
        for name in ("ra", "dec"):
            degrees = np.where(np.isfinite(table["x"].data), getattr(places, name).deg, np.nan)
            table[name] = degrees * u.deg
            table[name].format = ".6f"
    columns = {
        "flux": (factor * field.flux, flux_unit),
        "flux_error": (factor * field.flux_error, flux_unit),
        "flux_aperture": (factor * field.flux_aperture, flux_unit),
        "rms": (field.rms, image.unit),
        "snr": (field.snr, ""),
        "hole_px": (field.radius_px, "pix"),
    }
    for name, (values, said) in columns.items():
        column = np.full(len(table), np.nan)
        column[rows[ours]] = values[ours]
        table[name] = column
        table[name].unit = u.Unit(said, parse_strict="silent") if said else None
        table[name].format = ".2f" if name in ("snr", "hole_px") else ".6g"
    return table


def _meta(
    image: io.Image, catalogue: object, fwhm_px: float, engine: str, threshold: float
) -> dict:
    """Note what was done to what, JSON-ready."""
    file = Path(catalogue) if isinstance(catalogue, str | Path) else None
    said = "found by DAOFIND" if catalogue is None else file.name if file else "given"
    return {
        "image": image.content,
        "unit": image.unit,
        "catalogue": said,
        "catalogue_sha256": sha256(file) if file else None,
        "threshold": threshold if catalogue is None else None,
        "engine": engine,
        "fwhm_px": fwhm_px,
        "flags": FLAGS,
        "provenance": provenance(),
    }
