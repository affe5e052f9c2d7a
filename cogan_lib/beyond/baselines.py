"""What the Cycle-GAN has to beat without a network: a quadratic fit, and dust minus hydrogen.

The simplest baseline is `fit_loglinear`. Like it, the others and those of `baseline_networks`
give an object with ``predict(inputs)``, from inputs (n, channels, npix, npix) in physical units to
W (n, npix, npix) in K km/s; theirs also has ``parameters`` (trained numbers) and ``seconds``. They
learn one target (`column`; by default the patches' first) from the training tiles of a patches
file, and raise `CoganError` for a target that is not there and a split without tiles.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from ..base.checks import check_side
from ..base.files import CoganError
from ..base.units import CO_SOFTENING
from ..sky.lines import X_CO
from ..tiles.patches import Patches
from ..tiles.scaling import PatchMinMax
from ..validation.amplitude import asinh_scale
from ..validation.tiles import check_tiles

MOST_PIXELS = 2_000_000  # of more training pixels than this, the fits use every k-th
ATOMIC_SHARE = 0.05  # 2 X_CO W is less than this share of N_HI there


@dataclass(frozen=True)
class LogLinear:
    """The fit a network must beat: asinh(W / 0.3) = c_0 + sum_i c_i log10(max(x_i, floor_i)).

    Attributes
    ----------
    coefficients : tuple of float
        c_0, then one per input.
    floors : tuple of float
        In the inputs' units; keeps the logarithm finite.
    softening : float
        0.3 K km/s, or that of another target (`amplitude.softening_of`).
    """

    coefficients: tuple[float, ...]
    floors: tuple[float, ...]
    softening: float = CO_SOFTENING

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Predict W [K km/s] from dust and HI.

        Parameters
        ----------
        inputs : ndarray, shape (n, channels, npix, npix)
            Physical units.

        Returns
        -------
        ndarray, shape (n, npix, npix), float64

        Raises
        ------
        CoganError
            If the number of channels is another one.
        """
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 4 or inputs.shape[1] != len(self.floors):
            raise CoganError(
                f"The fit takes inputs (n, {len(self.floors)}, npix, npix), not {inputs.shape}."
            )
        y = np.full((len(inputs), *inputs.shape[2:]), self.coefficients[0])
        for channel, floor in enumerate(self.floors):
            y += self.coefficients[channel + 1] * np.log10(np.maximum(inputs[:, channel], floor))
        return self.softening * np.sinh(y)


def fit_loglinear(
    inputs: np.ndarray,
    targets: np.ndarray,
    most_pixels: int = MOST_PIXELS,
    softening: float = CO_SOFTENING,
) -> LogLinear:
    """Fit asinh(W / 0.3 K km/s) to log10 of the inputs over training tiles, by least squares.

    Parameters
    ----------
    inputs : ndarray, shape (n, channels, npix, npix)
        Physical and positive (dust, N_HI). The lowest thousandth of the positive pixels, and all
        that ringing or noise made negative, count as that thousandth's upper end.
    targets : ndarray, shape (n, npix, npix)
        W in K km/s.
    most_pixels : int
        Of more pixels than this, every k-th is used.
    softening : float
        As in `LogLinear`.

    Returns
    -------
    LogLinear

    Raises
    ------
    CoganError
        If shapes differ, a value is not finite, or an input is not positive in most pixels.

    Examples
    --------
    >>> inputs = np.random.default_rng(1).uniform(1, 9, (2, 1, 16, 16))
    >>> fit = fit_loglinear(inputs, 0.3 * np.sinh(1 + 2 * np.log10(inputs[:, 0])))
    >>> np.round(fit.coefficients, 2)
    array([1., 2.])
    """
    inputs, targets = np.asarray(inputs), check_tiles("training", targets)
    if inputs.ndim != 4 or inputs[:, 0].shape != targets.shape:
        raise CoganError(
            f"The fit needs inputs (n, channels, npix, npix) for targets {targets.shape}; "
            f"it got {inputs.shape}."
        )
    stride = -(-targets.size // most_pixels)
    pixels = [inputs[:, channel].ravel()[::stride] for channel in range(inputs.shape[1])]
    pixels = np.array(pixels, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise CoganError("The training inputs hold NaN or infinite values; leave such tiles out.")
    medians = np.median(pixels, axis=1)
    if np.any(medians <= 0):
        raise CoganError(
            f"Input channel {int(np.argmin(medians))} is not positive in most training pixels, so "
            "it has no logarithm; give inputs in physical units, not scaled ones."
        )
    floors = np.array([np.quantile(values[values > 0], 1e-3) for values in pixels])
    logs = np.log10(np.maximum(pixels, floors[:, None]))
    centre = logs.mean(axis=1)  # log10 N_HI is about 21: centring keeps the fit well conditioned
    design = np.vstack([np.ones(logs.shape[1]), logs - centre[:, None]]).T
    y = asinh_scale(targets.ravel()[::stride], softening)
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    solution[0] -= solution[1:] @ centre
    return LogLinear(tuple(solution.tolist()), tuple(floors.tolist()), softening)


@dataclass(frozen=True)
class Quadratic:
    """asinh(W / 0.3 K km/s) = c_0 + sum_i c_i u_i + sum_i<=j c_ij u_i u_j, u_i = log10(x_i) - m_i.

    Inputs are cut off at the range it was fitted in: a parabola bends back.

    Attributes
    ----------
    coefficients : tuple of float
        c_0, c_i, c_ij.
    centres : tuple of float
        m_i.
    lows, highs : tuple of float
        Range of the fit, in the inputs' units.
    seconds : float
    """

    coefficients: tuple[float, ...]
    centres: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    seconds: float

    @property
    def parameters(self) -> int:
        """Number of fitted coefficients."""
        return len(self.coefficients)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Predict W [K km/s] from dust and HI.

        Parameters
        ----------
        inputs : ndarray, shape (n, channels, npix, npix)
            Physical units.

        Returns
        -------
        ndarray, shape (n, npix, npix), float64
        """
        inputs = checked_inputs(inputs, len(self.lows))
        terms = _quadratic_terms(inputs.swapaxes(0, 1), self.centres, self.lows, self.highs)
        return CO_SOFTENING * np.sinh(np.tensordot(self.coefficients, terms, axes=1))


def _quadratic_terms(values: np.ndarray, centres, lows, highs) -> np.ndarray:
    """1, u_i and u_i u_j, shape (terms, ...), from values of shape (channels, ...)."""
    ends = zip(values, centres, lows, highs, strict=True)
    logs = [np.log10(np.clip(x, low, high)) - centre for x, centre, low, high in ends]
    pairs = itertools.combinations_with_replacement(logs, 2)
    return np.stack([np.ones_like(logs[0]), *logs, *(one * other for one, other in pairs)])


def fit_quadratic(patches: Patches, column: str | None = None) -> Quadratic:
    """Fit asinh(W / 0.3 K km/s) with all terms up to the second order, pixel by pixel.

    Parameters
    ----------
    patches : Patches
    column : str, optional
        The target; by default the patches' first.

    Returns
    -------
    Quadratic

    Raises
    ------
    CoganError
        If there is no such target, no training tile, or an input has no logarithm.
    """
    start = time.perf_counter()
    tiles = one_target(patches, column, "train").select("train")
    lows = fit_loglinear(tiles.inputs, tiles.targets[:, 0], MOST_PIXELS).floors  # and its checks
    pixels, w_co = _pixels(tiles)
    highs = pixels.max(axis=1)
    logs = np.log10(np.clip(pixels, np.array(lows)[:, None], None))
    centres = tuple(logs.mean(axis=1).tolist())
    terms = _quadratic_terms(pixels, centres, lows, highs)
    solution = np.linalg.lstsq(terms.T, asinh_scale(w_co), rcond=None)[0]
    seconds = time.perf_counter() - start
    return Quadratic(tuple(solution.tolist()), centres, lows, tuple(highs.tolist()), seconds)


@dataclass(frozen=True)
class Excess:
    """W = max(0, slope (DUST - ratio N_HI) + offset): dust that belongs to no atom is molecular.

    With N_H = N_HI + 2 X_CO W and DUST = ratio N_H, the slope is 1 / (2 X_CO ratio).

    Attributes
    ----------
    ratio : float
        Dust per N_HI [dust unit / cm-2].
    slope : float
        In K km/s per dust unit.
    offset : float
        In K km/s, for dust in gas seen in neither line, and for zero levels.
    dust, hi : int
        Which channels of the inputs these are.
    channels : int
        How many the inputs have.
    seconds : float
    parameters : int
    """

    ratio: float
    slope: float
    offset: float
    dust: int
    hi: int
    channels: int
    seconds: float
    parameters: int = 3

    @property
    def x_co(self) -> float:
        """N(H2) / W(CO) [cm-2 / (K km/s)] that the fit implies."""
        return 1 / (2 * self.slope * self.ratio)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Predict W [K km/s] from dust and HI.

        Parameters
        ----------
        inputs : ndarray, shape (n, channels, npix, npix)
            Physical units.

        Returns
        -------
        ndarray, shape (n, npix, npix), float64
        """
        inputs = checked_inputs(inputs, self.channels)
        excess = inputs[:, self.dust] - self.ratio * inputs[:, self.hi]
        return np.maximum(0.0, self.slope * excess + self.offset)


def fit_excess(patches: Patches, column: str | None = None) -> Excess:
    """Fit the dust-to-HI ratio where atoms dominate, then CO against the dust in excess of it.

    The ratio is the median of DUST / N_HI over pixels where 2 X_CO W is below a twentieth of N_HI
    (`lines.X_CO`). Slope and offset minimise the squared difference of asinh(W / 0.3 K km/s), by
    which all are compared: in K km/s, the few brightest pixels alone would decide.

    Parameters
    ----------
    patches : Patches
    column : str, optional
        The target; by default the patches' first.

    Returns
    -------
    Excess

    Raises
    ------
    CoganError
        If there is no such target, no training tile, no DUST or N_HI among the inputs, or hardly a
        pixel that is dominated by atoms.
    """
    start = time.perf_counter()
    names = patches.meta["input_columns"]
    if not {"DUST", "N_HI"} <= set(names):
        raise CoganError(f"The excess needs the inputs DUST and N_HI, not {', '.join(names)}.")
    dust, hi = names.index("DUST"), names.index("N_HI")
    pixels, w_co = _pixels(one_target(patches, column, "train").select("train"))
    atomic = 2 * X_CO * w_co < ATOMIC_SHARE * pixels[hi]
    if atomic.sum() < 100:
        raise CoganError(
            f"Only {atomic.sum()} training pixels are dominated by atoms, too few for a "
            "dust-to-HI ratio; lower snr_min, so that tiles hold more of their surroundings."
        )
    ratio = float(np.median(pixels[dust][atomic] / pixels[hi][atomic]))
    excess, real = pixels[dust] - ratio * pixels[hi], asinh_scale(w_co)
    expected = 1 / (2 * X_CO * ratio)

    def residual(p: np.ndarray) -> np.ndarray:
        return asinh_scale(np.maximum(0.0, p[0] * expected * excess + p[1])) - real

    slope, offset = least_squares(residual, (1.0, 0.0)).x
    fitted = float(slope * expected), float(offset)
    return Excess(ratio, *fitted, dust, hi, len(names), time.perf_counter() - start)


def one_target(patches: Patches, column: str | None, *splits: str) -> Patches:
    """Reduce patches to one target, after refusing what cannot be learnt from.

    Parameters
    ----------
    patches : Patches
    column : str or None
        The target; None: the first.
    *splits : str
        Those that must have tiles; with 'validation', the tiles must suit a network.

    Returns
    -------
    Patches

    Raises
    ------
    CoganError
        If there is no such target, no tile in a split, or no network could learn from them.
    """
    columns = patches.meta["target_columns"]
    column = column or columns[0]
    if column not in columns:
        raise CoganError(f"The patches have no target {column}; they have {', '.join(columns)}.")
    for split in splits:
        if not len(patches.select(split).split):
            raise CoganError(f"The patches hold no {split} tiles; lower snr_min in chapter 01.")
    patches = patches.interior()
    target = patches.targets[:, [columns.index(column)]]
    one = replace(patches, targets=target, meta={**patches.meta, "target_columns": [column]})
    if "validation" in splits:  # for a network
        if isinstance(one.target_scalings[0], PatchMinMax):
            raise CoganError(
                "These patches are scaled by their own extremes (minmax), which nobody knows where "
                "CO is unknown; make them with target_scaling='asinh'."
            )
        check_side(patches.inputs.shape[-1])
    return one


def _pixels(tiles: Patches) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (channels, m) and target (m,) of every k-th pixel, float64."""
    stride = -(-tiles.targets.size // MOST_PIXELS)
    inputs = [channel.ravel()[::stride] for channel in tiles.inputs.swapaxes(0, 1)]
    return np.array(inputs, np.float64), tiles.targets.ravel()[::stride].astype(np.float64)


def checked_inputs(inputs: np.ndarray, channels: int) -> np.ndarray:
    """Check the inputs of a prediction.

    Parameters
    ----------
    inputs : array_like, shape (n, channels, npix, npix)
    channels : int

    Returns
    -------
    ndarray, float64

    Raises
    ------
    CoganError
        If the shape is another one.
    """
    inputs = np.asarray(inputs, dtype=np.float64)
    if inputs.ndim != 4 or inputs.shape[1] != channels:
        raise CoganError(f"Give inputs (n, {channels}, npix, npix), not {inputs.shape}.")
    return inputs
