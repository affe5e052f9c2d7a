"""The verdict: is a mock CO sky, cut into tiles, like the real one?

Three statistics are compared over held-out tiles: the power spectrum (amplitude and scale), the
Minkowski functionals and the structures above a threshold (shape). For each, `validate` gives

- the real and the mock median with the interval of 2.5-97.5 % of the tiles;
- ``inside_2sigma``: the share of points at which the mock's median lies within the real interval,
  which is what arXiv:2604.16167 means by "consistent within 2 sigma";
- ratios of the medians, mock over real;
- ``p_value``: a test for a systematic difference, far sharper than the interval (see
  `swap_p_value`).

Maps are in K km/s. Where CO spans decades, y = asinh(W / 0.3 K km/s) is used instead of W: linear
at the noise, logarithmic above. All numbers in a report are finite.
"""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from ..base.units import CO_SOFTENING
from . import morphology, spectra
from .amplitude import asinh_scale, r2_score
from .blocks import block_interval, separate_blocks, sky_blocks, swap_p_value
from .tiles import check_tiles, standardise

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles of a tile's structures
FEWEST_TILES = 4


def _numbers(values: np.ndarray) -> list[float]:
    """A list of floats with six significant digits, for JSON."""
    return [float(f"{value:.6g}") for value in np.asarray(values)]


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom, and 0 where bottom is 0."""
    return np.where(bottom != 0, top / np.where(bottom != 0, bottom, 1), 0.0)


def _band(values: np.ndarray) -> dict:
    """Median and 2.5-97.5 % interval over tiles (first axis)."""
    low, median, high = np.percentile(values, [2.5, 50, 97.5], axis=0)
    return {"median": _numbers(median), "low": _numbers(low), "high": _numbers(high)}


def _inside(real: np.ndarray, mock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the mock's median is in the real interval, and where that says anything.

    A point says nothing where the real interval has no width and the mock is just there, as V1 at
    a threshold that no tile reaches.
    """
    low, high = np.percentile(real, [2.5, 97.5], axis=0)
    median = np.median(mock, axis=0)
    return (median >= low) & (median <= high), (high > low) | (median != low)


def _share(inside: np.ndarray, counted: np.ndarray) -> float:
    return float(inside[counted].mean()) if counted.any() else 1.0


def _spectrum_section(real, mock, ell, edges, in_beam, unit, blocks, seed) -> dict:
    inside, _ = _inside(real, mock)
    powered = (real > 0).all(axis=1)

    def median_ratio(tiles):
        return _ratio(np.median(mock[tiles], axis=0), np.median(real[tiles], axis=0))

    low, high = block_interval(median_ratio, blocks, seed)
    return {
        "ell": _numbers(ell),
        "ell_edges": _numbers(edges),
        "in_beam": in_beam.tolist(),
        "unit": unit,
        "real": _band(real),
        "mock": _band(mock),
        "median_ratio": _numbers(median_ratio(slice(None))),
        "median_ratio_68": {"low": _numbers(low), "high": _numbers(high)},
        "tile_ratio": _band(mock[powered] / real[powered]),
        "inside": inside.tolist(),
        "inside_2sigma": _share(inside, in_beam),
    }


def _log_spectra(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """log10 of spectra, kept finite by a millionth of the median spectrum of `like`."""
    return np.log10(np.maximum(values, 0) + 1e-6 * np.median(like, axis=0))


def _minkowski_section(real, mock, thresholds) -> dict:
    names = ("V0", "V1", "V2")
    section = {"thresholds": _numbers(thresholds), "units": ["1", "deg-1", "deg-2"]}
    section |= {"peak_ratio": {}, "median_ratio": {}}
    verdicts = [_inside(r, m) for r, m in zip(real, mock, strict=True)]
    for name, r, m, (inside, counted) in zip(names, real, mock, verdicts, strict=True):
        section[name] = {"real": _band(r), "mock": _band(m), "inside": inside.tolist()}
        section[name]["inside_2sigma"] = _share(inside, counted)
        r, m = np.median(r, axis=0), np.median(m, axis=0)
        peak = np.abs(r).max()
        large = np.abs(r) >= 0.05 * peak
        middle = np.median(_ratio(m[large], r[large]))
        section["peak_ratio"][name], section["median_ratio"][name] = _numbers(
            [_ratio(np.abs(m).max(), peak), middle]
        )
    inside, counted = (np.concatenate(parts) for parts in zip(*verdicts, strict=True))
    section["inside_2sigma"] = _share(inside, counted)
    section["points"] = int(counted.sum())
    return section


def _structure_quantiles(tiles, pixel_arcmin, fwhm_arcmin, threshold) -> tuple[dict, np.ndarray]:
    """Per tile the LEVELS quantiles of each descriptor, and the number of structures.

    A tile without any structure has area, perimeter, compactness and circularity 0.
    """
    found = morphology.structures(
        tiles,
        pixel_arcmin=pixel_arcmin,
        threshold=threshold,
        smallest_arcmin2=np.pi * fwhm_arcmin**2 / 4,
    )
    count = np.bincount(found["tile"], minlength=len(tiles))
    order = np.argsort(found["tile"], kind="stable")
    ends = np.cumsum(count)[:-1]
    quantiles = {}
    for name in morphology.DESCRIPTORS:
        groups = np.split(found[name][order], ends)
        rows = [np.quantile(g, LEVELS) if g.size else np.zeros(len(LEVELS)) for g in groups]
        quantiles[name] = np.array(rows)
    return quantiles, count


def _shapes_section(real, mock, real_count, mock_count, threshold) -> dict:
    section = {"levels": list(LEVELS), "threshold_sigma": threshold}
    section["structures_per_tile"] = {
        "real": float(real_count.mean()),
        "mock": float(mock_count.mean()),
    }
    section["units"] = {"area": "deg2", "perimeter": "deg", "compactness": "1", "circularity": "1"}
    shares = []
    for name in morphology.DESCRIPTORS:
        inside, counted = _inside(real[name], mock[name])
        medians = np.median(mock[name], axis=0), np.median(real[name], axis=0)
        section[name] = {
            "real": _band(real[name]),
            "mock": _band(mock[name]),
            "median_ratio": _numbers(_ratio(*medians)),
            "inside": inside.tolist(),
        }
        shares.append((inside, counted))
    section["inside_2sigma"] = _share(*(np.concatenate(p) for p in zip(*shares, strict=True)))
    return section


def _pdf_section(real: np.ndarray, mock: np.ndarray, bins: int = 50) -> dict:
    """Share of the pixels in each bin of y = asinh(W / 0.3 K km/s)."""
    y_real, y_mock = asinh_scale(real), asinh_scale(mock)
    low, high = min(y_real.min(), y_mock.min()), max(y_real.max(), y_mock.max())
    edges = np.linspace(low, high, bins + 1)
    shares = [np.histogram(y, edges)[0] / y.size for y in (y_real, y_mock)]
    return {
        "asinh_edges": _numbers(edges),
        "edges_K_km_s": _numbers(CO_SOFTENING * np.sinh(edges)),
        "real": _numbers(shares[0]),
        "mock": _numbers(shares[1]),
    }


def validate(
    test,
    mock: np.ndarray,
    target: str,
    *,
    seed: int,
    baseline=None,
    thresholds: np.ndarray = morphology.THRESHOLDS,
    structure_sigma: float = 1.0,
    permutations: int = 2000,
) -> dict:
    """Compare mock CO tiles with real ones of the same places; the report section of one target.

    Parameters
    ----------
    test : `cogan_lib.tiles.patches.Patches`
        The held-out tiles, usually ``patches.select("test")``, or whatever else has `inputs`,
        `targets`, `lonlat`, and in `meta` the columns, geometry and beam (this floor lies below).
    mock : ndarray, shape (n, npix, npix)
        W in K km/s; tile i shows the place of the test tile i.
    target : str
        Which of the test tiles' target columns it shall be like.
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

    Returns
    -------
    dict
        JSON-ready. ``spectrum`` (K km/s, so amplitude counts; ``median_ratio`` is the median over
        the mock tiles' spectra over the median over the real tiles' spectra, bin by bin, and
        ``median_ratio_68`` how far chance moves that, see `sky_blocks` and `block_interval`;
        ``tile_ratio`` is the interval of mock over real tile by tile; ``inside_2sigma`` counts the
        bins within the beam), ``spectrum_standardised`` (the same with every tile scaled to mean 0
        and standard deviation 1, as published), ``minkowski``, ``shapes``, ``pdf``, ``rho_ell``,
        ``rho_ell_real_mock`` (its real x mock numbers), ``r2_heldout``, ``r2_heldout_loglinear``
        if `baseline` is given, ``tiles``, ``blocks``, ``blocks_apart`` (for the p-values, see
        `separate_blocks` and `swap_p_value`), ``within_2sigma`` and ``verdict``.

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
    mock = check_tiles("mock", mock, like=real).astype(np.float64)
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

    grid = {"pixel_arcmin": pixel_arcmin, "edges": edges}
    flat_real, flat_mock = standardise(real), standardise(mock)
    report = {"tiles": len(real), "blocks": int(np.unique(blocks).size)}
    report["blocks_apart"] = int(np.unique(apart[used]).size)
    for key, r, m, unit in (
        ("spectrum", real, mock, "(K km/s)2 sr"),
        ("spectrum_standardised", flat_real, flat_mock, "sr"),
    ):
        ell, c_real = spectra.power_spectra(r, **grid)
        _, c_mock = spectra.power_spectra(m, **grid)
        if np.any(np.median(c_real, axis=0) <= 0):
            raise CoganError(
                "Most real tiles are constant, so there is nothing to compare; "
                "choose held-out tiles with CO in them."
            )
        report[key] = _spectrum_section(c_real, c_mock, ell, edges, in_beam, unit, blocks, seed)
        logs = (_log_spectra(c, like=c_real)[:, in_beam] for c in (c_real, c_mock))
        report[key]["p_value"] = p_value(*logs)

    options = {"pixel_arcmin": pixel_arcmin, "standardised": True}
    v_real = morphology.minkowski(flat_real, thresholds, **options)
    v_mock = morphology.minkowski(flat_mock, thresholds, **options)
    report["minkowski"] = _minkowski_section(v_real, v_mock, thresholds)
    report["minkowski"]["p_value"] = p_value(np.hstack(v_real), np.hstack(v_mock))

    s_real, n_real = _structure_quantiles(real, pixel_arcmin, fwhm_arcmin, structure_sigma)
    s_mock, n_mock = _structure_quantiles(mock, pixel_arcmin, fwhm_arcmin, structure_sigma)
    report["shapes"] = _shapes_section(s_real, s_mock, n_real, n_mock, structure_sigma)
    report["shapes"]["p_value"] = p_value(
        np.hstack(list(s_real.values())), np.hstack(list(s_mock.values()))
    )

    report["pdf"] = _pdf_section(real, mock)
    report["rho_ell"] = {"ell": _numbers(ell)}
    pairs = [("real x mock", real, mock)]
    for name, channel in zip(input_names, channels, strict=True):
        pairs += [(f"{name} x real", channel, real), (f"{name} x mock", channel, mock)]
    for name, a, b in pairs:
        _, rho, rho_tiles = spectra.cross_correlation(a, b, **grid)
        report["rho_ell"][name] = {"mean_spectra": _numbers(rho), **_band(rho_tiles)}
    report["rho_ell_real_mock"] = report["rho_ell"]["real x mock"]["mean_spectra"]

    report["r2_heldout"] = r2_score(real, mock)
    if baseline is not None:
        report["r2_heldout_loglinear"] = r2_score(real, baseline.predict(inputs))
    report["within_2sigma"] = bool(
        report["spectrum"]["inside_2sigma"] == 1 and report["minkowski"]["inside_2sigma"] >= 0.95
    )
    report["verdict"] = _verdict(report)
    return report


def headline(section: dict) -> dict:
    """The few numbers of a comparison that tables quote, of bins within the beam.

    Parameters
    ----------
    section : dict
        What `validate` returned.

    Returns
    -------
    dict
        ``r2``, ``rho`` (real x mock) and ``ratio`` (of the median spectra, mock over real) from the
        first to the last bin, ``peaks`` (of V0, V1 and V2, mock over real), and ``inside``, the
        shares of ``spectrum`` and ``minkowski`` points within 2 sigma.
    """
    in_beam = np.array(section["spectrum"]["in_beam"])
    return {
        "r2": section["r2_heldout"],
        "rho": np.array(section["rho_ell_real_mock"])[in_beam].tolist(),
        "ratio": np.array(section["spectrum"]["median_ratio"])[in_beam].tolist(),
        "peaks": section["minkowski"]["peak_ratio"],
        "inside": {part: section[part]["inside_2sigma"] for part in ("spectrum", "minkowski")},
    }


def _verdict(report: dict) -> str:
    """The paper's sentence, with this run's numbers."""
    spectrum, minkowski, shapes = (report[key] for key in ("spectrum", "minkowski", "shapes"))
    inside = np.array(spectrum["inside"])[spectrum["in_beam"]]
    met = "is" if report["within_2sigma"] else "is not"
    return (
        f"The mock {met} consistent with the real sky within 2 sigma: its median lies within the "
        f"real 2.5-97.5 % interval in {inside.sum()} of {inside.size} spectrum bins, "
        f"{minkowski['inside_2sigma']:.0%} of {minkowski['points']} Minkowski points and "
        f"{shapes['inside_2sigma']:.0%} of the shape quantiles ({report['tiles']} tiles). "
        f"Swapping real and mock in {report['blocks_apart']} separate blocks of sky, a difference "
        f"of the means as large as this one has p = {spectrum['p_value']:.2g} (spectrum), "
        f"{minkowski['p_value']:.2g} (Minkowski), {shapes['p_value']:.2g} (shapes)."
    )


def per_epoch_check(
    real: np.ndarray, mock: np.ndarray, pixel_arcmin: float, fwhm_arcmin: float = 0.0
) -> dict[str, float]:
    """Two numbers to follow in training: how far generated CO is from real CO. NumPy alone.

    After the per-epoch check of the authors' code, but real *CO* against generated CO (their code
    takes the real inputs), and in K km/s, so that a lost amplitude shows.

    - ``spectrum``: mean over radial bins of the squared difference of mean log10 C_ell, the mean
      taken over tiles so that each weighs the same (CO spectra span four decades);
    - ``histogram``: mean over 50 bins of the squared difference of log10 pixel shares of
      asinh(W / 0.3 K km/s), over the real tiles' range (values beyond go into the end bins).

    Parameters
    ----------
    real, mock : ndarray, shape (n, npix, npix)
        W in K km/s; the two stacks may differ in number and order.
    pixel_arcmin : float
    fwhm_arcmin : float
        Beam: multipoles beyond it are left out. 0: up to the pixel's Nyquist multipole.

    Returns
    -------
    dict
        ``spectrum`` and ``histogram``, 0 for equal tiles.
    """
    real, mock = check_tiles("real", real), check_tiles("generated", mock)
    side_deg = real.shape[-1] * pixel_arcmin / 60
    edges, in_beam = spectra.bin_edges(side_deg, pixel_arcmin, fwhm_arcmin, max_bins=16)
    edges = edges[: in_beam.sum() + 1]
    _, c_real = spectra.power_spectra(real, pixel_arcmin=pixel_arcmin, edges=edges)
    _, c_mock = spectra.power_spectra(mock, pixel_arcmin=pixel_arcmin, edges=edges)
    means = [_log_spectra(c, like=c_real + 1e-30).mean(axis=0) for c in (c_real, c_mock)]
    y_real, y_mock = asinh_scale(real), asinh_scale(mock)
    low, high = y_real.min(), max(y_real.max(), y_real.min() + 1e-6)
    shares = [
        np.histogram(np.clip(y, low, high), 50, (low, high))[0] / y.size for y in (y_real, y_mock)
    ]
    logs = [np.log10(share + 1 / y_real.size) for share in shares]
    return {
        "spectrum": float(((means[1] - means[0]) ** 2).mean()),
        "histogram": float(((logs[1] - logs[0]) ** 2).mean()),
    }
