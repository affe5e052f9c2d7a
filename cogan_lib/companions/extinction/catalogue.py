"""Real catalogues: stars read from a table of 2MASS, and their diagrams along sightlines."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from ...base.checks import check_lonlat, check_positive
from ...base.files import CoganError, sha256
from . import columns as stranger
from .physics import CELL_DEG, COLOUR, LIMITS, MAGNITUDE, SIDE

log = logging.getLogger(__name__)

#: Flags of a star that counts, in J and in Ks: A, B or C.
GOOD = "ABC"
#: The largest error of a C [mag]; it decides where there are no flags.
WORST_ERROR = 0.21714
#: The last magnitudes before a limit are compared in steps of so many, where one has so many stars.
STEP_MAG, FEWEST = 0.5, 200
#: Of the stars that would count, the flags of contamination may take so many without a warning.
MOST_TOUCHED = 0.1


@dataclass(frozen=True)
class Catalogue:
    """Stars that count: measured in J and Ks, clean, and brighter than both limits.

    Attributes
    ----------
    lon_deg, lat_deg : ndarray, shape (n,)
        Galactic; longitudes from 0 to 360.
    J, Ks : ndarray, shape (n,)
        [mag]
    J_error, Ks_error : ndarray, shape (n,)
        [mag], NaN where the table has none.
    content : dict
        Where they come from: `file`, `sha256`, `rows` read, `dropped` (rows by the cut that took
        them, in the order of the cuts), `stars` left, `columns` taken. JSON-ready.
    """

    lon_deg: np.ndarray
    lat_deg: np.ndarray
    J: np.ndarray
    Ks: np.ndarray
    J_error: np.ndarray
    Ks_error: np.ndarray
    content: dict


def read_catalogue(
    path: str | Path, *, columns: Mapping[str, str | None] | None = None
) -> Catalogue:
    r"""Read a table of stars as 2MASS is distributed, and keep those that count.

    A row that is there twice, from searches that overlap, is one star: rows of equal place, J and
    Ks are copies, and dropped with a warning. Places are taken from equatorial coordinates
    (ICRS, J2000) where the table has both, as IRSA rounds the Galactic ones. Stars that touch a
    neighbour ("c" of confusion) are dropped as well; towards crowded fields that takes many, so
    see ``content["dropped"]``: stars that are missing read as extinction.

    Parameters
    ----------
    path : path
        CSV, IPAC, VOTable, FITS or what else astropy reads, by IRSA's or VizieR's names.
    columns : mapping, optional
        Names of columns that have others, by role (`columns.ROLES`), for example
        ``{"J": "Jmag_2mass"}``. ``{"quality": None}``: the errors decide in place of flags, below
        0.217 mag, as for the worst flag that counts. ``{"contamination": None}``: take all stars.

    Returns
    -------
    Catalogue

    Raises
    ------
    CoganError
        No such file, no table, no stars; a column missing, of another unit, of values that cannot
        be; no star left; a catalogue that stops before the limits, as far as its counts show it:
        whole, in steps of half a magnitude, in the band whose limit comes first.

    Examples
    --------
    >>> import tempfile
    >>> lines = ["ra,dec,j_m,k_m,ph_qual,cc_flg", "161.26,-59.68,12.1,11.2,AAA,000"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "stars.csv").write_text("\n".join(lines))
    ...     stars = read_catalogue(Path(folder) / "stars.csv")
    >>> stars.J, stars.lon_deg.round(2), stars.content["rows"]
    (array([12.1]), array([287.59]), 1)
    """
    path = Path(path)
    table = stranger.read_table(path)
    found = stranger.choose(table, columns, path)
    J, Ks = (stranger.magnitudes(table, found[band], path) for band in LIMITS)
    errors = [
        stranger.numbers(table, found[role], path) if role in found else np.full(len(table), np.nan)
        for role in ("J_error", "Ks_error")
    ]
    pair = ("ra", "dec") if "ra" in found else ("lon", "lat")
    x, y = stranger.degrees(table, (found[pair[0]], found[pair[1]]), path)
    if "quality" in found:
        letters = stranger.flags(table, found["quality"], "quality", path)
        good = np.isin(letters, [ord(letter) for letter in GOOD]).all(axis=1)
    else:
        good = np.all([(error > 0) & (error < WORST_ERROR) for error in errors], axis=0)
    clean = np.ones(len(table), dtype=bool)
    if "contamination" in found:
        letters = stranger.flags(table, found["contamination"], "contamination", path)
        clean = (letters == ord("0")).all(axis=1)
    cuts = {
        "without a place": np.isfinite(x) & np.isfinite(y),
        "not measured": np.isfinite(J) & np.isfinite(Ks),
        "quality": good,
        "limits": (LIMITS["J"] > J) & (LIMITS["Ks"] > Ks),
        "contamination": clean,
    }
    rows, dropped = len(table), {}
    left = np.ones(rows, dtype=bool)
    for cut, passes in cuts.items():
        dropped[cut] = int((left & ~passes).sum())
        left &= passes
    kept = np.flatnonzero(left)
    kept = kept[_firsts(x[kept], y[kept], J[kept], Ks[kept])]
    dropped["copies"] = int(left.sum()) - kept.size
    if kept.size == 0:
        why = ", ".join(f"{count} {cut}" for cut, count in dropped.items() if count)
        raise CoganError(f"No star of {path} counts ({why}); see whether the columns are right.")
    colour = np.median(J[kept] - Ks[kept])
    if colour < 0:
        raise CoganError(
            f"J - Ks of {path} has the median {colour:.2f}, and stars have positive ones: see "
            f"whether {found['J']} and {found['Ks']} are swapped."
        )
    _check_depth(J[kept], Ks[kept], path)
    touched = dropped["contamination"] / (dropped["contamination"] + left.sum())
    if touched > MOST_TOUCHED:
        log.warning(
            "%s: the contamination flags take %.0f%% of the stars, which reads as extinction; "
            "compare with columns={'contamination': None}.", path, 100 * touched,
        )  # fmt: skip
    if dropped["copies"]:
        log.warning("%s has %d copies of rows; each counts once.", path, dropped["copies"])
    x, y = x[kept], y[kept]
    if pair[0] == "ra":
        places = SkyCoord(x * u.deg, y * u.deg, frame="icrs").galactic
        x, y = places.l.deg, places.b.deg
    content = {
        "file": path.name,
        "sha256": sha256(path),
        "rows": rows,
        "dropped": dropped,
        "stars": int(kept.size),
        "columns": found,
    }
    return Catalogue(x % 360 % 360, y, J[kept], Ks[kept], errors[0][kept], errors[1][kept], content)


def diagrams(
    catalogue: Catalogue, lon_deg: np.ndarray, lat_deg: np.ndarray, cell_deg: float = CELL_DEG
) -> tuple[np.ndarray, np.ndarray]:
    """Count the stars of sightlines into colour-magnitude diagrams.

    A cell is a square of coordinates, like those of the map: from half a cell below the centre,
    itself included, to half a cell above it, in longitude (without the cosine of the latitude,
    across 0 as well) and latitude. So a star falls into exactly one cell of a regular grid.

    Parameters
    ----------
    catalogue : Catalogue
    lon_deg, lat_deg : array_like, shape (n,)
        Centres of the sightlines' cells, Galactic.
    cell_deg : float
        Side of a cell.

    Returns
    -------
    counts : ndarray, shape (n, SIDE, SIDE), int32
        Stars by Ks (rows) and J - Ks (columns).
    outside : ndarray, shape (n,), int32
        Stars of the cells that the diagram has no place for.

    Raises
    ------
    CoganError
        If a cell has no stars: outside of the catalogue, or in a hole of it. A cell that the
        catalogue's border cuts is not seen here: see `sightlines`.
    """
    lon, lat = check_lonlat(np.atleast_1d(lon_deg), np.atleast_1d(lat_deg))
    check_positive(cell_deg=cell_deg)
    if lon.ndim != 1 or lon.size == 0 or cell_deg > 90:
        raise CoganError(
            f"Sightlines are a list of centres, not shape {lon.shape}, with cells of at most 90 "
            f"deg, not {cell_deg:g}."
        )
    order = np.argsort(catalogue.lon_deg)
    star_lon, star_lat = catalogue.lon_deg[order], catalogue.lat_deg[order]
    # Edges as decimal numbers: two cells then have the same one between them, to the last bit.
    west, south = np.round((lon - cell_deg / 2) % 360, 9) % 360, np.round(lat - cell_deg / 2, 9)
    east, north = np.round(west + cell_deg, 9), np.round(lat + cell_deg / 2, 9)
    beyond = np.round(east - 360, 9)  # what of a cell lies behind longitude 0
    first, last, behind = (np.searchsorted(star_lon, edge) for edge in (west, east, beyond))
    members = []
    for i in range(lon.size):
        near = np.r_[first[i] : last[i], : behind[i]] if behind[i] else np.s_[first[i] : last[i]]
        inside = (star_lat[near] >= south[i]) & (star_lat[near] < north[i])
        place = np.flatnonzero(inside)
        members.append(near[place] if behind[i] else place + first[i])
    empty = np.flatnonzero([stars.size == 0 for stars in members])
    if empty.size:
        raise CoganError(_without_stars(catalogue, lon, lat, empty))
    pixel = _pixels(catalogue.J[order], catalogue.Ks[order])
    counts = np.empty((lon.size, SIDE * SIDE), dtype=np.int32)
    outside = np.empty(lon.size, dtype=np.int32)
    for i, stars in enumerate(members):
        of_cell = np.bincount(pixel[stars], minlength=SIDE * SIDE + 1)
        counts[i], outside[i] = of_cell[:-1], of_cell[-1]
    return counts.reshape(-1, SIDE, SIDE), outside


def sightlines(catalogue: Catalogue, cell_deg: float = CELL_DEG) -> tuple[np.ndarray, np.ndarray]:
    """Find the cells of the grid that the catalogue covers as a whole.

    A cell that the border cuts has too few stars, which reads as extinction. A table does not say
    where its border is, so a cell is taken only if the eight around it have stars as well: right
    for a field without dents, such as a rectangle or a cone. It costs the outermost cells of a
    field that ends on their edges; and gaps that are smaller than a cell, between cones for
    example, are not seen. Who knows the borders better gives `diagrams` centres of their own.

    Parameters
    ----------
    catalogue : Catalogue
    cell_deg : float
        Side of a cell; 90 degrees are a whole number of them.

    Returns
    -------
    lon, lat : ndarray, shape (n,)
        Centres, in degrees, by longitude and then latitude; edges are multiples of the side.

    Raises
    ------
    CoganError
        If no cell is covered, or the cells do not fit the sky.
    """
    check_positive(cell_deg=cell_deg)
    quarter = round(90 / cell_deg)
    if not (1 <= quarter <= 1800 and abs(quarter * cell_deg - 90) < 1e-9):
        raise CoganError(
            f"Cells of {cell_deg:g} deg do not fit the sky; 90 deg are a whole number of them, at "
            "most 1800."
        )
    column = np.floor(np.round(catalogue.lon_deg / cell_deg, 9)).astype(int) % (4 * quarter)
    row = np.floor(np.round((catalogue.lat_deg + 90) / cell_deg, 9)).astype(int)
    stars = np.zeros((4 * quarter, 2 * quarter + 2), dtype=bool)  # nothing beyond the poles
    stars[column, np.minimum(row, 2 * quarter - 1) + 1] = True
    stars &= np.roll(stars, 1, axis=0) & np.roll(stars, -1, axis=0)
    inner = stars[:, :-2] & stars[:, 1:-1] & stars[:, 2:]
    column, row = np.nonzero(inner)
    if column.size == 0:
        raise CoganError(
            f"{catalogue.content['file']} covers no cell of {cell_deg:g} deg and the eight around "
            f"it ({_extent(catalogue)}); bring a larger field, or choose the centres yourself."
        )
    return (column + 0.5) * cell_deg, (row + 0.5) * cell_deg - 90


def _firsts(*values: np.ndarray) -> np.ndarray:
    """Find the rows of which none before is a copy."""
    order = np.lexsort(values)  # which leaves copies in their order
    same = np.ones(max(order.size - 1, 0), dtype=bool)
    for value in values:
        same &= np.diff(value[order]) == 0
    return np.sort(np.delete(order, np.flatnonzero(same) + 1))


def _check_depth(J: np.ndarray, Ks: np.ndarray, path: Path) -> None:
    """Refuse a catalogue that stops before a limit: from one step to the next counts rise."""
    left = {"J": LIMITS["J"] - J, "Ks": LIMITS["Ks"] - Ks}
    first = {"J": left["J"] < left["Ks"], "Ks": left["Ks"] <= left["J"]}
    found = []
    for band, limit in LIMITS.items():
        steps = np.bincount((left[band][first[band]] / STEP_MAG).astype(int), minlength=2)
        most = int(np.argmax(steps[1:])) + 1
        if steps[most] >= FEWEST and steps[0] < steps[most] / 2:
            middle = limit - STEP_MAG * (most + 0.5)
            found.append((steps[0] / steps[most], band, limit, steps[0], steps[most], middle))
    if found:
        _, band, limit, last, before, middle = min(found)
        raise CoganError(
            f"{path} seems to stop before {band} = {limit:g}: {last} stars in the last "
            f"{STEP_MAG:g} mag before it, {before} at {middle:.2f}; bring all stars to the limit, "
            "as what is missing reads as extinction."
        )


def _pixels(J: np.ndarray, Ks: np.ndarray) -> np.ndarray:
    """Find the number of each star's pixel in the diagram; SIDE**2 for outside of it.

    Magnitudes have three decimals, so many lie on an edge, and count for the pixel above it.
    """
    index = []
    for value, (low, high) in ((Ks, MAGNITUDE), (J - Ks, COLOUR)):
        index.append(np.floor(np.round((value - low) * (SIDE / (high - low)), 6)))
    row, column = index
    inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
    return np.where(inside, row * SIDE + column, SIDE**2).astype(np.int64)


def _without_stars(
    catalogue: Catalogue, lon: np.ndarray, lat: np.ndarray, empty: np.ndarray
) -> str:
    """Say where there are no stars, and why that may be."""
    file, i = catalogue.content["file"], empty[0]
    where = f"the sightline at l = {lon[i]:g}, b = {lat[i]:g} deg"
    more = f", nor in {empty.size - 1} others of {lon.size}" if empty.size > 1 else ""
    return (
        f"There is no star of {file} in {where}{more}: the catalogue has {_extent(catalogue)}; "
        "take sightlines within it (`sightlines` finds them), as a hole reads as a wall of dust."
    )


def _extent(catalogue: Catalogue) -> str:
    """Describe the field: longitudes between the ends of the largest gap, latitudes."""
    lon, lat = np.sort(catalogue.lon_deg), catalogue.lat_deg
    gap = int(np.argmax(np.diff(lon, append=lon[0] + 360)))
    west, east = lon[(gap + 1) % lon.size], lon[gap]
    return f"l from {west:.2f} to {east:.2f}, b from {lat.min():.2f} to {lat.max():.2f} deg"
