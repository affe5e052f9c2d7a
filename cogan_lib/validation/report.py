"""The verdict: whether a generated CO sky, cut into tiles, is like the real one.

Three statistics are compared over held-out tiles: the power spectrum (amplitude and scale), the
Minkowski functionals and the structures above a threshold (shape). For each, `validate` gives

- the real and the generated median with the interval of 2.5-97.5 % of the tiles;
- ``inside_2sigma``: the share of points at which the generated median lies within the real
  interval, which is what arXiv:2604.16167 means by "consistent within 2 sigma";
- ratios, generated over real: of the power tile by tile (`power`), and of the medians;
- ``p_value``: a test for a systematic difference, far sharper than the interval (see
  `swap_p_value`).

**Noise.** The real map has the instrument's noise, a generated one has not, which every statistic
would find. So noise is drawn anew (`tiles.instrument`) and added to the generated tiles before
anything is compared with the real ones; only R^2 and the correlation of real and generated, which
ask how well the one predicts the other, are those of the generated map itself.

**Intervals** are of 95 %, over blocks of sky (`blocks.block_interval`): so far could the number
have moved, had other blocks been held out.

Maps are in K km/s. Where CO spans decades, y = asinh(W / 0.3 K km/s) is used instead of W: linear
at the noise, logarithmic above. Another target has its own unit and, instead of 0.3, three of its
standard errors (`sky.columns`). All numbers in a report are finite. Its keys say "mock" for
generated, as in every report since the first.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..base.files import CoganError
from ..base.units import CO_SOFTENING
from . import morphology, spectra
from .amplitude import asinh_scale, r2_of, r2_sums, softening_of
from .blocks import separate_blocks, sky_blocks, swap_p_value
from .sections import (
    band,
    interval,
    log_spectra,
    minkowski_section,
    numbers,
    pdf_section,
    shapes_section,
    spectrum_section,
    structure_quantiles,
)
from .tiles import check_tiles, standardise

FEWEST_TILES = 4
#: What is kept of a comparison that is a diagnostic only, beside two numbers of its own.
DIAGNOSTICS = {
    "spectrum": ("paired_ratio", "median_ratio", "inside_2sigma", "p_value"),
    "minkowski": ("peak_ratio", "inside_2sigma", "p_value"),
    "shapes": ("inside_2sigma", "p_value"),
}


def validate(
    test,
    generated: np.ndarray,
    target: str,
    *,
    noise: np.ndarray | None,
    seed: int,
    baseline=None,
    thresholds: np.ndarray = morphology.THRESHOLDS,
    structure_sigma: float = 1.0,
    permutations: int = 2000,
) -> dict:
    """Compare generated CO tiles with real ones of the same places.

    Parameters
    ----------
    test : `cogan_lib.tiles.patches.Patches`
        The held-out tiles, usually ``patches.select("test")``, or whatever else has `inputs`,
        `targets`, `lonlat`, and in `meta` the columns, geometry and beam (this floor lies below).
    generated : ndarray, shape (n, npix, npix)
        In the unit of the target; tile i shows the place of the test tile i.
    target : str
        Which of the test tiles' target columns it is compared with.
    noise : ndarray, shape (n, npix, npix), or None
        The instrument's noise at these places, from `tiles.instrument.noise_tiles`; None if the
        generated tiles hold it already, or the real ones have none.
    seed : int
        For the draws.
    baseline : optional
        A fit to training tiles with ``predict(inputs)``, for ``r2_heldout_loglinear``.
    thresholds : ndarray
        For the Minkowski functionals, in standard deviations of each tile.
    structure_sigma : float
        Threshold of the structures, in standard deviations above each tile's mean. Structures
        smaller than the beam's disc, pi fwhm^2 / 4, are left out.
    permutations : int
        Swaps of blocks that a p-value draws.

    Returns
    -------
    dict
        One target's section of the report, JSON-ready. ``spectrum`` (K km/s, so amplitude counts;
        ``paired_ratio`` is the geometric mean over the tiles of generated over real, bin by bin;
        ``median_ratio`` the median over the generated tiles' spectra over that over the real tiles'
        spectra; ``tile_ratio`` is the interval of generated over real tile by tile;
        ``inside_2sigma`` counts the bins within the beam), ``spectrum_standardised``
        (the same with every tile scaled to mean 0 and standard deviation 1, as published);
        the interval of a number is under its name with ``_95`` behind it;
        ``minkowski``, ``shapes``, ``pdf``, ``rho_ell``, ``rho_ell_real_mock`` (its real x generated
        numbers), ``r2_heldout``, ``r2_heldout_loglinear`` if `baseline` is given, ``tiles``,
        ``blocks``, ``blocks_apart`` (for the p-values, see `separate_blocks` and `swap_p_value`),
        ``noise_added``, ``within_2sigma`` and ``verdict``.

    Raises
    ------
    CoganError
        For an unknown target, unequal shapes, NaN, fewer than four tiles, or real tiles without any
        structure.
    """
    input_names, target_names = test.meta["input_columns"], test.meta["target_columns"]
    if target not in target_names:
        raise CoganError(f"The tiles show {', '.join(target_names)}; there is no {target}.")
    real = np.asarray(test.targets)[:, target_names.index(target)]
    real = check_tiles("real", real).astype(np.float64)
    bare = check_tiles("generated", generated, like=real).astype(np.float64)
    generated = bare if noise is None else bare + check_tiles("noise", noise, like=real)
    inputs = np.asarray(test.inputs)
    if len(real) < FEWEST_TILES:
        raise CoganError(
            f"Validation needs at least {FEWEST_TILES} held-out tiles, but there are {len(real)}; "
            "take a finer grid of tile centres or a lower S/N limit."
        )
    if inputs.ndim != 4 or inputs.shape[1] != len(input_names) or len(inputs) != len(real):
        raise CoganError(
            f"The inputs have shape {inputs.shape}; expected ({len(real)}, {len(input_names)}, "
            f"{real.shape[1]}, {real.shape[2]}) with the channels {', '.join(input_names)}."
        )
    channels = [check_tiles(name, inputs[:, i], like=real) for i, name in enumerate(input_names)]
    if np.shape(test.lonlat) != (len(real), 2):
        raise CoganError(f"{len(real)} tiles need as many centres, not {np.shape(test.lonlat)}.")
    pixel_arcmin, fwhm_arcmin = test.meta["geometry"]["pixel_arcmin"], test.meta["fwhm_arcmin"]
    edges, in_beam = spectra.bin_edges(
        real.shape[-1] * pixel_arcmin / 60, pixel_arcmin, fwhm_arcmin
    )
    blocks = sky_blocks(*np.transpose(test.lonlat))
    apart = separate_blocks(test.lonlat, real.shape[-1] * pixel_arcmin / 60)
    used = np.flatnonzero(apart >= 0)

    def p_value(a, b):
        return swap_p_value(a[used], b[used], apart[used], seed, permutations)

    unit = test.meta.get("units", {}).get(target, "K km/s")
    softening = softening_of(test.meta, target)
    scale = partial(asinh_scale, softening=softening)
    grid = {"pixel_arcmin": pixel_arcmin, "edges": edges}
    flat_real, flat_generated = standardise(real), standardise(generated)
    report = {"tiles": len(real), "blocks": int(np.unique(blocks).size)}
    report["noise_added"] = noise is not None
    report["blocks_apart"] = int(np.unique(apart[used]).size)
    for key, r, m, of_power in (
        ("spectrum", real, generated, f"({unit})2 sr"),
        ("spectrum_standardised", flat_real, flat_generated, "sr"),
    ):
        ell, c_real = spectra.power_spectra(r, **grid)
        _, c_generated = spectra.power_spectra(m, **grid)
        if np.any(np.median(c_real, axis=0) <= 0):
            raise CoganError(
                "Most real tiles are constant, so there is nothing to compare; "
                "choose held-out tiles with something in them."
            )
        bins = ell, edges, in_beam
        report[key] = spectrum_section(c_real, c_generated, *bins, of_power, blocks, seed)
        logs = (log_spectra(c, like=c_real)[:, in_beam] for c in (c_real, c_generated))
        report[key]["p_value"] = p_value(*logs)

    options = {"pixel_arcmin": pixel_arcmin, "standardised": True}
    v_real = morphology.minkowski(flat_real, thresholds, **options)
    v_generated = morphology.minkowski(flat_generated, thresholds, **options)
    report["minkowski"] = minkowski_section(v_real, v_generated, thresholds, blocks, seed)
    report["minkowski"]["p_value"] = p_value(np.hstack(v_real), np.hstack(v_generated))

    s_real, n_real = structure_quantiles(real, pixel_arcmin, fwhm_arcmin, structure_sigma)
    s_generated, n_generated = structure_quantiles(
        generated, pixel_arcmin, fwhm_arcmin, structure_sigma
    )
    report["shapes"] = shapes_section(s_real, s_generated, n_real, n_generated, structure_sigma)
    report["shapes"]["p_value"] = p_value(
        np.hstack(list(s_real.values())), np.hstack(list(s_generated.values()))
    )

    report["pdf"] = pdf_section(real, generated, unit, softening)
    report["rho_ell"] = {"ell": numbers(ell)}
    pairs = [("real x mock", real, bare)]
    for name, channel in zip(input_names, channels, strict=True):
        pairs += [(f"{name} x real", channel, real), (f"{name} x mock", channel, generated)]
    for name, a, b in pairs:
        _, rho, rho_tiles = spectra.cross_correlation(a, b, **grid)
        report["rho_ell"][name] = {"mean_spectra": numbers(rho), **band(rho_tiles)}
    report["rho_ell_real_mock"] = report["rho_ell"]["real x mock"]["mean_spectra"]
    report["rho_ell_real_mock_95"] = interval(
        spectra.correlation_of(real, bare, **grid), blocks, seed
    )

    sums = r2_sums(real, bare, scale)
    report["r2_heldout"] = r2_of(sums)
    report["r2_heldout_95"] = interval(lambda tiles: r2_of(sums[tiles]), blocks, seed)
    if baseline is not None:
        fit = r2_sums(real, baseline.predict(inputs), scale)
        report["r2_heldout_loglinear"] = r2_of(fit)
        report["r2_heldout_loglinear_95"] = interval(lambda t: r2_of(fit[t]), blocks, seed)
    report["within_2sigma"] = bool(
        report["spectrum"]["inside_2sigma"] == 1 and report["minkowski"]["inside_2sigma"] >= 0.95
    )
    report["verdict"] = _verdict(report)
    return report


def headline(section: dict) -> dict:
    """Keep the few numbers of a comparison that tables quote, of bins within the beam.

    Parameters
    ----------
    section : dict
        What `validate` returned.

    Returns
    -------
    dict
        ``r2``, ``rho`` (real x generated) and ``ratio`` (of the power, generated over real:
        ``paired_ratio``) from the first to the last bin, ``peaks`` (of V0, V1 and V2, generated
        over real), the intervals of these four with ``_95`` behind the name, and ``inside``, the
        shares of ``spectrum`` and ``minkowski`` points within 2 sigma.
    """
    in_beam = np.array(section["spectrum"]["in_beam"])

    def chosen(values):
        if isinstance(values, dict):
            return {end: chosen(of_end) for end, of_end in values.items()}
        return np.array(values)[in_beam].tolist()

    return {
        "r2": section["r2_heldout"],
        "r2_95": section["r2_heldout_95"],
        "rho": chosen(section["rho_ell_real_mock"]),
        "rho_95": chosen(section["rho_ell_real_mock_95"]),
        "ratio": chosen(section["spectrum"]["paired_ratio"]),
        "ratio_95": chosen(section["spectrum"]["paired_ratio_95"]),
        "peaks": section["minkowski"]["peak_ratio"],
        "peaks_95": section["minkowski"]["peak_ratio_95"],
        "inside": {part: section[part]["inside_2sigma"] for part in ("spectrum", "minkowski")},
    }


def diagnostics(section: dict) -> dict:
    """Keep some numbers of a comparison that is not the verdict, such as that of bare tiles.

    Parameters
    ----------
    section : dict
        What `validate` returned.

    Returns
    -------
    dict
        The entries named in `DIAGNOSTICS`.
    """
    kept = {part: {key: section[part][key] for key in keys} for part, keys in DIAGNOSTICS.items()}
    return kept | {key: section[key] for key in ("r2_heldout", "rho_ell_real_mock")}


def _verdict(report: dict) -> str:
    """Write the paper's sentence, with this run's numbers."""
    spectrum, minkowski, shapes = (report[key] for key in ("spectrum", "minkowski", "shapes"))
    inside = np.array(spectrum["inside"])[spectrum["in_beam"]]
    met = "is" if report["within_2sigma"] else "is not"
    return (
        f"The generated sky {met} consistent with the real one within 2 sigma: its median lies "
        f"within the real 2.5-97.5 % interval in {inside.sum()} of {inside.size} spectrum bins, "
        f"{minkowski['inside_2sigma']:.0%} of {minkowski['points']} Minkowski points and "
        f"{shapes['inside_2sigma']:.0%} of the shape quantiles ({report['tiles']} tiles). "
        f"Swapping real and generated in {report['blocks_apart']} separate blocks of sky, a "
        "difference of the means as large as this one has "
        f"p = {spectrum['p_value']:.2g} (spectrum), "
        f"{minkowski['p_value']:.2g} (Minkowski), {shapes['p_value']:.2g} (shapes)."
    )


def per_epoch_check(
    real: np.ndarray,
    generated: np.ndarray,
    pixel_arcmin: float,
    fwhm_arcmin: float = 0.0,
    softening: float = CO_SOFTENING,
) -> dict[str, float]:
    """Find two numbers to follow in training: how far generated CO is from real. NumPy alone.

    After the per-epoch check of the authors' code, but real *CO* against generated CO (their code
    takes the real inputs), and in K km/s, so that a lost amplitude shows.

    - ``spectrum``: mean over radial bins of the squared difference of mean log10 C_ell, the mean
      taken over tiles so that each weighs the same (CO spectra span four decades);
    - ``histogram``: mean over 50 bins of the squared difference of log10 pixel shares of
      asinh(W / 0.3 K km/s), over the real tiles' range (values beyond go into the end bins).

    Parameters
    ----------
    real, generated : ndarray, shape (n, npix, npix)
        W in K km/s; the two stacks may differ in number and order.
    pixel_arcmin : float
        Side of a pixel.
    fwhm_arcmin : float
        Beam: multipoles beyond it are left out. 0: up to the pixel's Nyquist multipole.
    softening : float
        As for `amplitude.asinh_scale`.

    Returns
    -------
    dict
        ``spectrum`` and ``histogram``, 0 for equal tiles.

    Raises
    ------
    CoganError
        If tiles are not square and finite.

    Examples
    --------
    >>> tiles = np.random.default_rng(1).lognormal(size=(4, 16, 16))
    >>> per_epoch_check(tiles, tiles, pixel_arcmin=15.0)
    {'spectrum': 0.0, 'histogram': 0.0}
    """
    real, generated = check_tiles("real", real), check_tiles("generated", generated)
    side_deg = real.shape[-1] * pixel_arcmin / 60
    edges, in_beam = spectra.bin_edges(side_deg, pixel_arcmin, fwhm_arcmin, max_bins=16)
    edges = edges[: in_beam.sum() + 1]
    _, c_real = spectra.power_spectra(real, pixel_arcmin=pixel_arcmin, edges=edges)
    _, c_generated = spectra.power_spectra(generated, pixel_arcmin=pixel_arcmin, edges=edges)
    means = [log_spectra(c, like=c_real + 1e-30).mean(axis=0) for c in (c_real, c_generated)]
    y_real, y_generated = asinh_scale(real, softening), asinh_scale(generated, softening)
    low, high = y_real.min(), max(y_real.max(), y_real.min() + 1e-6)
    shares = [
        np.histogram(np.clip(y, low, high), 50, (low, high))[0] / y.size
        for y in (y_real, y_generated)
    ]
    logs = [np.log10(share + 1 / y_real.size) for share in shares]
    return {
        "spectrum": float(((means[1] - means[0]) ** 2).mean()),
        "histogram": float(((logs[1] - logs[0]) ** 2).mean()),
    }
