"""The work: cut-outs around the sources, through an engine in batches, and back into the map."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from tqdm import tqdm

from ...base.files import CoganError
from . import masks
from .beams import Beam
from .photometry import aperture_fluxes
from .truth import CENTRE, SIDE

if TYPE_CHECKING:  # torch, which an engine of one's own does not need
    from .engines import Engine

log = logging.getLogger(__name__)

#: Cut-outs in memory at a time.
BATCH = 64
#: Sources so far beyond the edge are hidden, as their wings reach into the map [FWHM].
REACH_FWHM = 2.0
#: Sources whose holes overlap are measured so often, each time without the others.
PASSES = 2
#: Owner of a pixel that lies in no hole.
NOBODY = -1


class Field:
    """A map with a margin of NaN, and the sources on it.

    Attributes
    ----------
    image : ndarray, shape (height + margins, width + margins)
        As it was.
    cleaned : ndarray
        What becomes of it.
    replaced : ndarray of bool
        Where.
    x, y : ndarray, shape (n,)
        Columns and rows in the map without its margin.
    fwhm_px : float
        The beam's.
    level, rms, snr, radius_px : ndarray, shape (n,)
        Median and standard deviation of the ring, peak over it, and radius of the hole.
    flux, flux_error, flux_aperture : ndarray, shape (n,)
        Peaks, in the image's unit; NaN until they are measured.
    """

    def __init__(self, values: np.ndarray, x: np.ndarray, y: np.ndarray, fwhm_px: float) -> None:
        self._pad = CENTRE + int(np.ceil(REACH_FWHM * fwhm_px)) + 1
        self.image = np.pad(values, self._pad, constant_values=np.nan)
        self.cleaned = self.image.copy()
        self.replaced = np.zeros(self.image.shape, dtype=bool)
        self.x, self.y, self.fwhm_px, self.beam = x, y, fwhm_px, Beam("gaussian", fwhm_px)
        self._column, self._row = (np.rint(at).astype(int) for at in (x, y))
        self.flux, self.flux_error, self.flux_aperture = (np.full(len(x), np.nan) for _ in range(3))
        self.radius_px = np.full(len(x), masks.hole_radius(0.0, self.beam))
        self._hide()
        for _ in range(2):  # rings without the others' holes, whose radii come from rings
            self._look()
            self.radius_px = masks.hole_radius(self.snr, self.beam)
            self._hide()
        self._models: np.ndarray | None = None  # of blended sources; a map only if there are any
        self._noted = np.zeros(len(x))

    @property
    def values(self) -> np.ndarray:
        """The cleaned map, without the margin."""
        return self._inner(self.cleaned)

    @property
    def mask(self) -> np.ndarray:
        """Where it was replaced, without the margin."""
        return self._inner(self.replaced)

    def window(self, i: int) -> tuple[slice, slice]:
        """Where source `i`'s cut-out lies in the map with its margin."""
        row, column = (at[i] + self._pad - CENTRE for at in (self._row, self._column))
        return slice(row, row + SIDE), slice(column, column + SIDE)

    def centre(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of sources within their cut-outs."""
        return (
            self.x[rows] - self._column[rows] + CENTRE,
            self.y[rows] - self._row[rows] + CENTRE,
        )

    def cut(self, array: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Cut some sources' pieces out of an array of the size of the map with its margin."""
        return np.stack([array[self.window(i)] for i in rows])

    def holes(self, rows: np.ndarray) -> np.ndarray:
        """Mark the holes of sources in their cut-outs."""
        return masks.hole(SIDE, self.radius_px[rows], *self.centre(rows))

    def hidden(self, rows: np.ndarray) -> np.ndarray:
        """Mark what a source may not see in its cut-out: the others' holes, as far as they own."""
        owner = self.cut(self._owner, rows)
        return (owner != NOBODY) & (owner != np.asarray(rows)[:, None, None])

    def others(self, rows: np.ndarray) -> np.ndarray:
        """Draw the other blended sources, as far as they are measured, in cut-outs."""
        if self._models is None:
            return np.zeros((len(rows), SIDE, SIDE), dtype=np.float32)
        own = [self._noted[i] * self._drawn(i) for i in rows]
        return self.cut(self._models, rows) - np.stack(own).astype(np.float32)

    def note(self, rows: np.ndarray) -> None:
        """Put blended sources, with their new fluxes, where the others see them."""
        if self._models is None:
            self._models = np.zeros(self.image.shape, dtype=np.float32)
        for i in rows:
            flux = self.flux[i] if np.isfinite(self.flux[i]) else 0.0
            self._models[self.window(i)] += (flux - self._noted[i]) * self._drawn(i)
            self._noted[i] = flux

    def _drawn(self, i: int) -> np.ndarray:
        """Draw the beam at a source's place in its cut-out."""
        x, y = self.centre(np.array([i]))
        return self.beam.image(SIDE, x[0], y[0])

    def share_of_data(self, rows: np.ndarray) -> np.ndarray:
        """Compute the share of pixels with data in some sources' holes."""
        shares = np.empty(len(rows))
        for start, piece in enumerate(batches(rows)):
            hole, good = self.holes(piece), np.isfinite(self.cut(self.image, piece))
            at = slice(start * BATCH, start * BATCH + len(piece))
            shares[at] = (hole & good).sum(axis=(1, 2)) / hole.sum(axis=(1, 2))
        return shares

    def neighbours(self) -> list[tuple[int, int]]:
        """Find pairs of sources whose holes overlap."""
        if len(self.x) < 2:
            return []
        tree = cKDTree(np.stack([self.x, self.y], axis=1))
        pairs = tree.query_pairs(2 * self.radius_px.max(), output_type="ndarray")
        i, j = pairs.T
        apart = np.hypot(self.x[i] - self.x[j], self.y[i] - self.y[j])
        return [tuple(pair) for pair in pairs[apart < self.radius_px[i] + self.radius_px[j]]]

    def _inner(self, array: np.ndarray) -> np.ndarray:
        """Cut the margin off."""
        return array[self._pad : -self._pad, self._pad : -self._pad]

    def _hide(self) -> None:
        """Give each pixel of the holes to the source that it is nearest to, in radii of holes."""
        self._owner = np.full(self.image.shape, NOBODY, dtype=np.int32)
        nearest = np.ones(self.image.shape, dtype=np.float32)
        axis = np.arange(SIDE) - CENTRE
        for i, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            radius = self.radius_px[i]
            reach = slice(CENTRE - int(radius) - 1, CENTRE + int(radius) + 2)
            dx, dy = axis[reach] - x + self._column[i], axis[reach] - y + self._row[i]
            apart = (np.hypot(dx[None], dy[:, None]) / radius).astype(np.float32)
            at = tuple(slice(s.start + reach.start, s.start + reach.stop) for s in self.window(i))
            closer = apart < nearest[at]
            nearest[at][closer] = apart[closer]
            self._owner[at][closer] = i

    def _look(self) -> None:
        """Measure the rings, and what stands out: `masks.signal_to_noise` and its parts."""
        inner, outer = (self.fwhm_px * edge for edge in masks.RING_FWHM)
        ring = masks.ring(SIDE, inner, outer, CENTRE, CENTRE)
        core = masks.hole(SIDE, max(1.0, self.fwhm_px / 2), CENTRE, CENTRE)
        self.level, self.rms, self.snr = (np.full(len(self.x), np.nan) for _ in range(3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a ring or a core without data
            for rows in batches(np.arange(len(self.x))):
                pieces = self.cut(self.image, rows).astype(np.float64)
                peak = np.nanmax(pieces[:, core], axis=1)
                pieces[self.cut(self._owner, rows) != NOBODY] = np.nan
                around = pieces[:, ring]
                self.level[rows] = np.nanmean(around, axis=1)
                self.rms[rows] = np.nanstd(around, axis=1)
                self.snr[rows] = (peak - self.level[rows]) / self.rms[rows]
            self.crowded = ~np.isfinite(self.rms)
            if self.crowded.any():
                quiet = self.image[(self._owner == NOBODY) & np.isfinite(self.image)]
                quiet = quiet if quiet.size else self.image[np.isfinite(self.image)]
                self.level[self.crowded], self.rms[self.crowded] = quiet.mean(), quiet.std()


def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Split rows into pieces of at most `BATCH`."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def visits(field: Field, rows: np.ndarray) -> Iterator[tuple[np.ndarray, bool]]:
    """Plan who is measured with whom: isolated sources at once, blended ones by brightness.

    A source waits for each brighter one whose hole overlaps its own; who waits for the same number
    of others is measured together.

    Parameters
    ----------
    field : Field
    rows : ndarray of int
        The sources to measure.

    Yields
    ------
    rows : ndarray of int
    last : bool
        Whether these are their last measurements, which go into the map.
    """
    bright = rows[np.argsort(-np.nan_to_num(field.snr[rows], nan=-np.inf), kind="stable")]
    rank = np.full(len(field.x), len(field.x))
    rank[bright] = np.arange(len(bright))
    brighter: dict[int, list[int]] = {}
    blended = np.zeros(len(field.x), dtype=bool)
    for pair in field.neighbours():
        first, second = sorted(pair, key=rank.__getitem__)
        if rank[second] < len(field.x):  # both are measured
            brighter.setdefault(second, []).append(first)
            blended[[first, second]] = True
    turn = np.zeros(len(field.x), dtype=int)
    for i in bright:
        turn[i] = max((turn[j] + 1 for j in brighter.get(i, ())), default=0)
    for piece in batches(bright[~blended[bright]]):
        yield piece, True
    waiting = bright[blended[bright]]
    for number in range(PASSES):
        for at in range(turn[waiting].max(initial=-1) + 1):
            for piece in batches(waiting[turn[waiting] == at]):
                yield piece, number == PASSES - 1


def remove(field: Field, rows: np.ndarray, engine: Engine, progress: bool) -> np.ndarray:
    """Take sources out of a field, in place.

    Parameters
    ----------
    field : Field
    rows : ndarray of int
        The sources to measure; the others are only hidden.
    engine : callable
        See `engines`.
    progress : bool
        Show a bar.

    Returns
    -------
    ndarray of bool, shape (n,)
        Sources that are blended.

    Raises
    ------
    CoganError
        If the engine measures none of them.
    """
    plan = list(visits(field, rows))
    blended = np.zeros(len(field.x), dtype=bool)
    for piece, last in plan:
        blended[piece] |= not last
    with tqdm(
        total=sum(len(piece) for piece, _ in plan), desc="sources", unit="source", mininterval=1.0,
        disable=not progress,
    ) as bar:  # fmt: skip
        for piece, last in plan:
            measure(field, piece, engine, blended[piece].any(), last)
            bar.update(len(piece))
    if len(rows) and not np.isfinite(field.flux).any():
        raise CoganError("The engine could measure none of the sources; look at the log.")
    return blended


def measure(field: Field, rows: np.ndarray, engine: Engine, blended: bool, last: bool) -> None:
    """Measure a batch of sources, none of whose holes overlap; the last time, replace them.

    Engines see numbers about the ring's level and in its rms, whatever the image's unit.

    Parameters
    ----------
    field : Field
    rows : ndarray of int
    engine : callable
    blended : bool
        Whether others must be taken off before, and these for others.
    last : bool
    """
    level, rms = field.level[rows], np.where(field.rms[rows] > 0, field.rms[rows], 1.0)
    x, y = field.centre(rows)

    def scaled(pieces: np.ndarray) -> np.ndarray:
        return ((pieces - level[:, None, None]) / rms[:, None, None]).astype(np.float32)

    pieces = field.cut(field.image, rows)
    if blended:
        pieces = pieces - field.others(rows)
    pieces = scaled(pieces)
    hole, hidden = field.holes(rows), field.hidden(rows)
    unseen = hidden & ~hole if last else hidden  # what is taken off by then is data
    try:
        found = engine(pieces, hole, unseen | np.isnan(pieces), x, y, field.fwhm_px)
    except CoganError as problem:  # of one of them, as a hole without a ring: the others go on
        if len(rows) > 1:
            for one in rows[:, None]:
                measure(field, one, engine, blended, last)
        else:
            at = field.x[rows[0]], field.y[rows[0]]
            log.info("The source at x = %.1f, y = %.1f stays: %s", *at, problem)
            field.flux[rows] = field.flux_error[rows] = np.nan
        return
    field.flux[rows], field.flux_error[rows] = found.flux * rms, found.flux_error * rms
    if blended:
        field.note(rows)
    if not last:
        return
    above = np.where(hole, pieces - found.background, np.nan)
    field.flux_aperture[rows] = rms * aperture_fluxes(above, x, y, field.fwhm_px)
    before = scaled(field.cut(field.cleaned, rows))
    after = masks.blend(found.background, before, hole)
    # The rim lies outside the hole: not where another source lies, which the engine leaves there.
    changed = hole | ((after != before) & ~hidden)
    changed &= np.isfinite(before) & np.isfinite(after)
    for k, i in enumerate(rows):
        at = field.window(i)
        field.cleaned[at][changed[k]] = after[k][changed[k]] * rms[k] + level[k]
        field.replaced[at] |= changed[k]
