"""An ensemble judged as one: whether the real sky is like one more member.

One member's power swings by chance, so that "its power is 1.2 times the real one" says little. Here
the real sky is compared with all members together: its band power among theirs, sky-averaged and
tile by tile, its pixels among theirs, and both with proper scores. The best guesses that an
ensemble gives, its mean in K km/s and its middle (the mean in asinh), are judged beside it.

**Noise.** The real map has the instrument's noise. A different draw of it is added to every member
before spectra, shapes and pixels are compared; best guesses are those of the members themselves.

**Power** is that of pairs, ln(C_member / C_real) tile by tile (`power.log_ratio`): 0 is the real
sky. Two averages over the sky say two things: the mean of these logarithms, in which each tile
weighs the same, and the ratio of the summed powers, which a few bright tiles make.

Intervals are of 95 %, over blocks of sky (`blocks.block_interval`). W is in K km/s.
"""

from __future__ import annotations

import numpy as np

from ..base.checks import check_centres
from ..base.files import CoganError
from . import morphology, spectra
from .amplitude import middle_of, r2_of, r2_sums
from .blocks import separate_blocks, sky_blocks
from .calibration import calibration, fair_crps, ranks, within
from .power import log_ratio, paired_ratio
from .report import FEWEST_TILES
from .sections import interval, numbers, peak_interval, peak_ratio
from .tiles import check_tiles, standardise
from .two_sample import ALPHA, TESTS, sharp_verdict

LEVELS = (0.68, 0.9)  # of central intervals; 90 % takes 19 members
PIT_BINS = 10
PART = 32  # tiles whose members are compared pixel by pixel at a time
FEWEST_BLOCKS = 3  # so that every tile has two of other blocks for its climatology


def judge_tiles(
    real: np.ndarray,
    members: np.ndarray,
    lonlat: np.ndarray,
    geometry,
    fwhm_arcmin: float,
    *,
    noise: np.ndarray,
    seed: int,
) -> dict:
    """Compare an ensemble of generated CO tiles with real ones of the same places.

    Parameters
    ----------
    real : ndarray, shape (n, npix, npix)
        W in K km/s.
    members : ndarray, shape (m, n, npix, npix)
        W in K km/s, without noise; at least two, and 19 for a central interval of 90 %.
    lonlat : ndarray, shape (n, 2)
        Tile centres in degrees.
    geometry : `cogan_lib.tiles.geometry.Geometry`
        Of the tiles (its floor lies above).
    fwhm_arcmin : float
        Beam of the maps.
    noise : ndarray, shape (m, n, npix, npix)
        The instrument's noise in K km/s at these places, drawn anew for every member
        (`tiles.instrument.noise_tiles`).
    seed : int
        For the intervals, and for ranks of equal values.

    Returns
    -------
    dict
        JSON-ready, lists over the bins within the beam:

        - ``tiles``, ``members``, ``blocks`` (numbers), ``ell``, ``ell_edges``;
        - ``power`` (geometric mean over tiles of the paired ratios, generated over real) and
          ``power_bright`` (ratio of the summed powers): ``members`` (a list per member), ``mean``
          over them with ``mean_95``, ``rank`` (share of the members below the real sky) and
          ``within_90`` (is the real sky in their central 90 %);
        - ``coverage``: level to the share of tiles whose real power lies in their own members'
          central interval, with ``..._95``; ``pit``: for each bin the histogram of the place of the
          real tiles among their members, 10 shares, each 0.1 if calibrated;
        - ``crps_power`` of ln C_ell: ``members``, ``climatology`` (the real tiles of other blocks),
          ``skill`` = 1 - members / climatology, and ``skill_95``;
        - ``calibration`` of the pixels: ``rank``, ``coverage``, ``spread_over_error``, ``crps``,
          ``mean_error`` as in `calibration.calibration`, with ``coverage_95`` (level to interval)
          and ``spread_over_error_95``;
        - ``best``: for the ``middle`` (`amplitude.middle_of`) and the ``mean`` of members ``r2`` in
          asinh(W / 0.3 K km/s), ``r2_linear`` in K km/s and ``rho``, each with ``..._95``;
        - ``peaks``: for V0, V1, V2 the ratio of the peaks, generated over real, of the ``members``,
          their ``mean`` and ``mean_95``.

    Raises
    ------
    CoganError
        If shapes do not fit, a value is not finite, there are fewer than two members, or fewer than
        four tiles with any structure in three blocks.
    """
    real, members, noise = _checked(real, members, noise, lonlat, geometry)
    edges, in_beam = spectra.bin_edges(geometry.side_deg, geometry.pixel_arcmin, fwhm_arcmin)
    edges = edges[: in_beam.sum() + 1]
    grid = {"pixel_arcmin": geometry.pixel_arcmin, "edges": edges}
    blocks = sky_blocks(*np.transpose(lonlat))

    ell, c_real = spectra.power_spectra(real, **grid)
    powered = (c_real > 0).all(axis=1)
    if powered.sum() < FEWEST_TILES or np.unique(blocks[powered]).size < FEWEST_BLOCKS:
        raise CoganError(
            f"{powered.sum()} real tiles in {np.unique(blocks[powered]).size} blocks of sky have "
            f"any structure; an ensemble is judged on {FEWEST_TILES} or more in {FEWEST_BLOCKS}."
        )

    shapes_real = _shapes(real, geometry.pixel_arcmin)
    powers, shapes = [], []
    for member, draw in zip(members, noise, strict=True):  # one at a time: the memory of one
        seen = member + draw.astype(np.float64)
        powers.append(spectra.power_spectra(seen, **grid)[1])
        shapes.append(_shapes(seen, geometry.pixel_arcmin))
    powers = np.stack(powers)[:, powered]
    parts, best = _by_parts(real, members, noise, blocks, seed)
    return {
        "tiles": len(real),
        "members": len(members),
        "blocks": int(np.unique(blocks).size),
        "ell": numbers(ell),
        "ell_edges": numbers(edges),
        **_power(c_real[powered], powers, blocks[powered], seed),
        "calibration": _pixels(parts, seed),
        "best": {name: _best(real, guess, grid, blocks, seed) for name, guess in best.items()},
        "peaks": _peaks(shapes_real, shapes, blocks, seed),
    }


def verdicts(
    real: np.ndarray,
    members: np.ndarray,
    noise: np.ndarray,
    lonlat: np.ndarray,
    geometry,
    fwhm_arcmin: float,
    *,
    seed: int,
    most: int = 8,
) -> dict:
    """Put the sharp verdict on each of the first members, in blocks that do not touch.

    Parameters
    ----------
    real, members, noise, lonlat, geometry, fwhm_arcmin
        As in `judge_tiles`.
    seed : int
        Of `two_sample.sharp_verdict`, the same for each: the labels are exchanged alike.
    most : int
        How many members are judged.

    Returns
    -------
    dict
        JSON-ready: ``p_values`` of the joint verdict, one per member; ``share_passing``, of those
        with p >= 0.05; ``tests``, the p-values of each test; ``blocks``, and ``tiles`` in them.

    Raises
    ------
    CoganError
        As `judge_tiles` and `sharp_verdict`, such as for too few blocks.
    """
    real, members, noise = _checked(real, members, noise, lonlat, geometry)
    apart = separate_blocks(lonlat, geometry.side_deg)
    options = {"pixel_arcmin": geometry.pixel_arcmin, "fwhm_arcmin": fwhm_arcmin}
    options |= {"blocks": apart, "seed": seed}
    found = [
        sharp_verdict(real, member, noise=draw, **options)
        for member, draw in zip(members[:most], noise[:most], strict=True)
    ]
    p_values = [one["p_value"] for one in found]
    return {
        "members": len(found),
        "p_values": p_values,
        "share_passing": float(np.mean(np.array(p_values) >= ALPHA)),
        "tests": {name: [one[name]["p_value"] for one in found] for name in TESTS},
        "blocks": found[0]["blocks"],
        "tiles": found[0]["tiles"]["real"],
    }


def _checked(real, members, noise, lonlat, geometry) -> tuple[np.ndarray, ...]:
    """Refuse what does not fit, member by member: nothing is copied but the real tiles."""
    real = check_tiles("real", real).astype(np.float64)
    members, noise = np.asarray(members), np.asarray(noise)
    if members.ndim != 4 or len(members) < 2 or members.shape != noise.shape:
        raise CoganError(
            f"Members of shape {members.shape} with noise of shape {noise.shape} are no ensemble; "
            "give at least two members, (m, n, npix, npix), and a draw of the noise for each."
        )
    for member, draw in zip(members, noise, strict=True):
        check_tiles("members'", member, like=real)
        check_tiles("noise", draw, like=real)
    if len(check_centres(lonlat)) != len(real):
        raise CoganError(f"{len(real)} tiles need as many centres, not {np.shape(lonlat)}.")
    if geometry.npix != real.shape[-1]:
        raise CoganError(
            f"The tiles have {real.shape[-1]} pixels a side, but the geometry {geometry.npix}; "
            "give the geometry that they were cut with."
        )
    return real, members, noise


def _shapes(tiles: np.ndarray, pixel_arcmin: float) -> tuple[np.ndarray, ...]:
    options = {"pixel_arcmin": pixel_arcmin, "standardised": True}
    return morphology.minkowski(standardise(tiles), **options)


def _rows(values: np.ndarray) -> list[list[float]]:
    return [numbers(row) for row in values]


def _average(of_tiles: np.ndarray, blocks, seed: int) -> tuple[list[float], dict]:
    """Mean over tiles, bin by bin, with its interval."""
    ends = interval(lambda tiles: of_tiles[tiles].mean(axis=0), blocks, seed)
    return numbers(of_tiles.mean(axis=0)), ends


def _power(c_real: np.ndarray, powers: np.ndarray, blocks: np.ndarray, seed: int) -> dict:
    """Sections ``power``, ``power_bright``, ``coverage``, ``pit`` and ``crps_power``.

    `c_real` is (n, bins), `powers` (m, n, bins).
    """
    logs = np.stack([log_ratio(power, c_real) for power in powers])  # 0: the real sky
    sky = np.zeros_like(c_real)
    typical, total = logs.mean(axis=0), powers.mean(axis=0)
    out = {}
    for name, of_members, statistic in (
        ("power", [paired_ratio(log) for log in logs], lambda t: paired_ratio(typical[t])),
        (
            "power_bright",
            powers.sum(axis=1) / c_real.sum(axis=0),
            lambda t: total[t].sum(axis=0) / c_real[t].sum(axis=0),
        ),
    ):
        of_members = np.array(of_members)
        one = np.ones(of_members.shape[1])  # the real sky
        out[name] = {
            "members": _rows(of_members),
            "mean": numbers(statistic(slice(None))),
            "mean_95": interval(statistic, blocks, seed),
            "rank": numbers((of_members < one).mean(axis=0)),
            "within_90": within(of_members, one, 0.9).tolist(),
        }
    out["coverage"] = {}
    for share in LEVELS:
        found = _average(within(logs, sky, share), blocks, seed)
        out["coverage"] |= dict(zip((f"{share:g}", f"{share:g}_95"), found, strict=True))
    jitter = np.random.default_rng(seed).random(sky.shape)  # m + 1 places, 10 bins
    place = (ranks(logs, sky, seed) + jitter) / (len(logs) + 1)
    counts = [np.histogram(column, PIT_BINS, (0, 1))[0] for column in place.T]
    out["pit"] = _rows(np.array(counts) / len(place))

    scores = fair_crps(logs, sky)
    own = log_ratio(c_real, np.broadcast_to(np.median(c_real, axis=0), c_real.shape))
    climatology = np.empty_like(scores)
    for mine in (blocks == block for block in np.unique(blocks)):
        climatology[mine] = fair_crps(own[~mine][:, None], own[mine])

    def skill(tiles):
        return 1 - scores[tiles].mean(axis=0) / climatology[tiles].mean(axis=0)

    out["crps_power"] = {
        "members": numbers(scores.mean(axis=0)),
        "climatology": numbers(climatology.mean(axis=0)),
        "skill": numbers(skill(slice(None))),
        "skill_95": interval(skill, blocks, seed),
    }
    return out


def _by_parts(real, members, noise, blocks, seed) -> tuple[list, dict[str, np.ndarray]]:
    """Go through a few tiles of one block at a time: all pixels of all members would fill memory.

    Returns (block, number of tiles, `calibration`) of each part, and the best guesses.
    """
    parts, best = [], {name: np.empty_like(real) for name in ("middle", "mean")}
    for block in np.unique(blocks):
        tiles = np.flatnonzero(blocks == block)
        for part in np.array_split(tiles, -(-tiles.size // PART)):
            bare = members[:, part].astype(np.float64)
            best["middle"][part] = middle_of(bare)
            best["mean"][part] = bare.mean(axis=0)
            seen = bare + noise[:, part]
            parts.append((block, part.size, calibration(seen, real[part], seed, LEVELS)))
    return parts, best


def _pixels(parts: list, seed: int) -> dict:
    """Section ``calibration``, from that of the parts: their means, weighted by their tiles."""
    blocks, weights, found = (list(column) for column in zip(*parts, strict=True))
    weights = np.array(weights, dtype=np.float64)

    def pooled(values):
        values = np.array(values, dtype=np.float64)
        return lambda use: np.average(values[use], axis=0, weights=weights[use])

    every = slice(None)
    spread, error = (pooled([one[key] ** 2 for one in found]) for key in ("spread", "error"))

    def ratio(use):
        return np.sqrt(spread(use) / error(use))

    out = {"rank": numbers(pooled([one["rank"] for one in found])(every))}
    out |= {"coverage": {}, "coverage_95": {}}
    for level in found[0]["coverage"]:
        share = pooled([one["coverage"][level] for one in found])
        out["coverage"][level] = float(share(every))
        out["coverage_95"][level] = interval(share, blocks, seed)
    out |= {"spread_over_error": float(ratio(every))}
    out |= {"spread_over_error_95": interval(ratio, blocks, seed)}
    keys = ("crps", "crps_of_one", "mean_error")
    return out | {key: float(pooled([one[key] for one in found])(every)) for key in keys}


def _best(real: np.ndarray, guess: np.ndarray, grid: dict, blocks, seed: int) -> dict:
    """R^2 on both scales, and rho_ell, of one best guess."""
    out = {}
    for name, sums in (
        ("r2", r2_sums(real, guess)),
        ("r2_linear", r2_sums(real, guess, np.asarray)),
    ):
        out[name] = r2_of(sums)
        out[f"{name}_95"] = interval(lambda tiles, s=sums: r2_of(s[tiles]), blocks, seed)
    rho = spectra.correlation_of(real, guess, **grid)
    return out | {"rho": numbers(rho(slice(None))), "rho_95": interval(rho, blocks, seed)}


def _peaks(real: tuple, members: list, blocks, seed: int) -> dict:
    """Section ``peaks``: of V0, V1 and V2."""
    out = {}
    for i, name in enumerate(("V0", "V1", "V2")):
        curves = [shapes[i] for shapes in members]
        ratios = [peak_ratio(real[i], curve) for curve in curves]
        out[name] = {"members": numbers(ratios), "mean": float(np.mean(ratios))}
        out[name]["mean_95"] = peak_interval(real[i], curves, blocks, seed)
    return out
