"""From the downloaded maps to one sky: columns, units, pixel order, NSIDE and beam.

Chapter 01 uses `prepare_sky` for the real sky at full resolution. What is known of each product's
columns and units, and what is not, stands in ``registry.toml``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import healpy as hp
import numpy as np

from ..base.files import CoganError, sha256
from .fetch import Product, fetch, products
from .foreign_fits import (
    choose_column,
    kind_of,
    map_columns,
    open_maps,
    read_ring,
    said_frame,
    said_nside,
    said_order,
)
from .lines import COLUMN_UNITS
from .maps import check_nside, fill_missing, rotate_map, to_grid
from .rings import RING_FREE, pixels_per_fwhm
from .rings import cap_spikes as cap
from .skyfile import Sky
from .spelling import said, unit_factor

log = logging.getLogger(__name__)

BEAM_SLACK = 1.1  # a map up to 10 % coarser than the wanted beam is kept at its own beam


def prepare_sky(
    folder: str | Path,
    nside: int,
    fwhm_arcmin: float,
    target: str = "planck-type2",
    columns: dict[str, str] | None = None,
    progress: bool = True,
    *,
    tracers: Sequence[str] = (),
    hdus: dict[str, int | str] | None = None,
    cap_spikes: float | None = None,
) -> Sky:
    """Bring dust, H I, further tracers and CO to one NSIDE and one beam.

    Files that are not in `folder` yet are downloaded. Each map is smoothed from its own beam to the
    common one and resampled in harmonic space (`maps.to_grid`), its error column by
    `smooth_error`.
    A map whose own beam is wider than the wanted one by at most 10 % (H I, 16.2 arcmin, at the
    paper's 15) is resampled only, as in the paper; so is a further tracer, however wide its beam,
    since a coarse tracer tells much (dust at 1 degree how warm it is); the log and `Sky.meta` say
    so.

    Parameters
    ----------
    folder : path
        Where the downloaded files are or go.
    nside : int
    fwhm_arcmin : float
        Common beam, full width at half maximum; at least 2.2 pixels of `nside`, or the maps would
        be ringed and are refused (`maps.to_grid`).
    target : {'planck-type2', 'ghosh-2024'}
    columns : dict, optional
        Names in the files for our columns (``{'W_CO10': 'SIGNAL'}``), where the registry's do not
        fit.
    progress : bool
        Progress bars of the downloads.
    tracers : sequence of str
        Further tracers that the networks are to see, such as ``["DUST_353"]``: columns of
        `lines.TRACERS` that the registry has a product for.
    hdus : dict, optional
        Parts of the files for our columns (``{'W_CO21': 'COMP-MAP-CO21'}``, or a number from 0),
        where a file has several with such a column.
    cap_spikes : float, optional
        Cap pixels that are more than so many times the median of their neighbours at that, before
        smoothing (`rings.cap_spikes`); default: only name them.

    Returns
    -------
    Sky
        DUST [MJy/sr], N_HI [cm-2], the tracers asked for, W_CO10, W_CO21 and, where the files have
        them, W_CO10_ERR, W_CO21_ERR [K km/s]; `meta` has each file's name and SHA-256.

    Raises
    ------
    CoganError
        A beam or NSIDE that cannot be (before any download), a file that cannot be had, a column
        or unit that does not fit.
    """
    columns, hdus = columns or {}, hdus or {}
    wanted = products(target, tracers)
    nside = check_nside(nside)
    beams = {
        product.name: _beam(product, nside, fwhm_arcmin, any(c in tracers for c in product.columns))
        for product in wanted
    }
    known = [name for product in wanted for name in product.columns]
    for given, names in (("columns", columns), ("hdus", hdus)):
        if strange := sorted(set(names) - set(known)):
            raise CoganError(f"{given} names {', '.join(strange)}; it may name {', '.join(known)}.")
    paths = {product.name: fetch(product, folder, progress) for product in wanted}
    maps, meta = {}, {"cotarget": target}
    for product in wanted:
        path, beam = paths[product.name], beams[product.name]
        for column, names in product.columns.items():
            names = [columns[column]] if column in columns else names
            if not names:
                continue
            log.info("Preparing %s from %s.", column, path.name)
            values = read_column(path, product, column, names, hdus.get(column), cap_spikes)
            bring = smooth_error if column.endswith("_ERR") else to_grid
            try:
                values = bring(values, nside, product.fwhm_arcmin, beam)
            except CoganError as error:
                raise CoganError(f"{path.name}, {column}: {error}") from error
            maps[column] = values.astype(np.float32)
        meta |= {f"{product.role}file": path.name, f"{product.role}sha": sha256(path)}
        if beam != fwhm_arcmin:
            meta[f"{product.role}beam"] = beam
    order = [name for name in COLUMN_UNITS if name in maps]
    return Sky(
        maps={name: maps[name] for name in order},
        units={name: COLUMN_UNITS[name][0] for name in order},
        fwhm_arcmin=float(fwhm_arcmin),
        meta=meta,
    )


def read_column(
    path: Path,
    product: Product,
    column: str,
    names: list[str],
    hdu: int | str | None = None,
    cap_spikes: float | None = None,
) -> np.ndarray:
    """Read one of our columns from a product's file, whatever its name and spelling of the unit.

    `names` are tried in turn, ignoring case; a table of one column is taken whatever its name.

    Parameters
    ----------
    path : Path
    product : Product
        What the registry knows of the file.
    column : str
        Ours, one of `COLUMN_UNITS`.
    names : list of str
        Its possible names in the file.
    hdu : int or str, optional
        Part of the file, where several have such a column.
    cap_spikes : float, optional
        As in `prepare_sky`.

    Returns
    -------
    ndarray, shape (12 * nside**2,), float64
        RING, Galactic, in the first unit of `COLUMN_UNITS`; NaN where the file has no value.

    Raises
    ------
    CoganError
        No table, no such column, or a unit that cannot be converted.
    """
    table = open_maps(
        path,
        hdu,
        names,
        fix="fetch it again",
        advice=f"choose one, hdus={{{column!r}: ...}}",
    )
    units = table.units
    if "" in units:
        raise CoganError(f"{path} has no table in its first extension; fetch it again.")
    by_case = {name.upper(): name for name in units}
    found = [by_case[name.upper()] for name in names if name.upper() in by_case]
    if not found and len(map_columns(table)) == 1:
        found = map_columns(table)
    if not found:
        raise CoganError(
            f"{path.name} has no column {' or '.join(names)} for {column}; it has "
            f"{', '.join(units)}. Name the right one: columns={{{column!r}: '...'}}."
        )
    order, frame = said_order(table) or product.order, said_frame(table) or product.frame
    for word, known in ((order, ("RING", "NESTED")), (frame, ("G", "C", "E"))):
        if word not in known:
            raise CoganError(
                f"{path} gives {word or 'nothing'!r} as its pixel order or frame, not "
                f"{' or '.join(known)}; this is another product than the registry's."
            )
    nside, name = said_nside(table, str(path)), choose_column(table, path, found[0])
    values = read_ring(table, path, name, order, nside=nside, index=product.index)
    kind, values = kind_of(column, values), np.asarray(values, dtype=np.float64)
    if kind == "signal":
        values = cap(values, cap_spikes, f"Column {name} of {path.name}", units[name], frame)
    values = values if frame == "G" else rotate_map(values, frame, kind)
    unit = said(units[name]) or product.unit
    try:
        return values * unit_factor(unit, COLUMN_UNITS[column][0], path.name)
    except CoganError as error:
        raise CoganError(
            f"{path.name} gives {unit!r}, which cannot be converted to "
            f"{COLUMN_UNITS[column][0]!r}; this is another product than the registry's."
        ) from error


def smooth_error(sigma: np.ndarray, nside: int, fwhm_in: float, fwhm_out: float) -> np.ndarray:
    r"""One-sigma errors of a map after its smoothing from beam `fwhm_in` to `fwhm_out` (arcmin).

    An approximation: the noise is taken as white on the sky before the map's own beam B_in, with a
    level that varies from place to place. Smoothing adds variances with the *squared* beam, and a
    squared Gaussian is a Gaussian of width fwhm / sqrt(2) and area proportional to fwhm^-2, hence

    .. math:: \sigma_{out}^2 = (f_{in} / f_{out})^2 \; G(\sqrt{(f_{out}^2 - f_{in}^2) / 2}) *
              \sigma_{in}^2 .

    Correlations beyond the beam (stripes, residual foregrounds) are not known to an error column
    and average down less than this says.

    Parameters
    ----------
    sigma : ndarray, shape (12 * nside_in**2,)
        RING; NaN where unknown.
    nside : int
    fwhm_in, fwhm_out : float
        Beams before and after [arcmin].

    Returns
    -------
    ndarray, shape (12 * nside**2,)

    Raises
    ------
    CoganError
        If an error is negative.
    """
    known = fill_missing(sigma)
    if known.min() < 0:
        raise CoganError("Some errors are negative; name the right column, or fix the file.")
    variance = known**2
    half_way = min(np.sqrt((fwhm_in**2 + fwhm_out**2) / 2), fwhm_out)
    smooth = to_grid(variance, nside, half_way, fwhm_out)  # by sqrt((out^2 - in^2) / 2)
    smooth = np.maximum(smooth, variance.min())  # ringing of the a_lm must not go below
    return fwhm_in / fwhm_out * np.sqrt(smooth)


def _beam(product: Product, nside: int, fwhm_arcmin: float, coarse: bool) -> float:
    """Choose the beam that a product is brought to: the wanted one, or its own if that is close.

    A product that may be `coarse` keeps its own, however wide.
    """
    if not fwhm_arcmin >= hp.nside2resol(nside, arcmin=True):
        raise CoganError(
            f"A beam of {fwhm_arcmin:g} arcmin needs finer pixels than NSIDE {nside} has; raise "
            "nside or fwhm_arcmin."
        )
    if pixels_per_fwhm(nside, fwhm_arcmin) < RING_FREE:
        log.warning(
            "A beam of %g arcmin has fewer than %g pixels per FWHM at NSIDE %d; maps that are "
            "ringed by it will be refused.",
            fwhm_arcmin,
            RING_FREE,
            nside,
        )
    own = product.fwhm_arcmin
    if own > BEAM_SLACK * fwhm_arcmin and not coarse:
        raise CoganError(
            f"{product.title} has a beam of {own:g} arcmin and cannot be sharpened to "
            f"{fwhm_arcmin:g}; choose fwhm_arcmin of at least {own:g}."
        )
    if own > fwhm_arcmin:
        log.warning(
            "%s keeps its own beam of %g arcmin beside maps of %g arcmin.",
            product.title,
            own,
            fwhm_arcmin,
        )
    return max(own, float(fwhm_arcmin))
