"""A CO sky in PySM 3: as a component with the physical signal of a band, and as its own templates.

A CO map holds the line's whole intensity, W in K km/s. What an instrument sees of it depends on its
band: `band_factor` has the equation, `COSky` applies it to maps, `write_templates` writes the files
that PySM's presets ``co1`` to ``co3`` read, and `pysm_band_factor` says what those make of them.
Chapter 04 uses all four.
"""

from __future__ import annotations

from pathlib import Path

import healpy as hp
import numpy as np
from astropy.io import fits
from pysm3 import Model, utils
from pysm3 import units as u

from .. import __version__
from ..base.checks import nan_where_missing
from ..base.files import CoganError
from .lines import LINES, Line
from .maps import check_nside, to_nside
from .skyfile import Sky, write_sky

C_KM_S = 299792.458
DOPPLER_KM_S = 300.0  # Galactic CO moves at up to about this speed, towards us or away


class COSky(Model):
    """A CO sky as a component of PySM, unpolarised.

    ``pysm3.Sky(component_objects=[COSky(co)], output_unit="uK_CMB").get_emission(freqs, weights)``

    Parameters
    ----------
    sky : Sky
        With one column of `LINES` or more, in K km/s.
    nside : int, optional
        Resolution of the output (default: the sky's own). Coarser pixels are the means of the finer
        ones, PySM's convention (`healpy.ud_grade`); finer ones come from the a_lm, with the same
        beam.

    Raises
    ------
    CoganError
        No CO column, another unit, or missing pixels.

    Examples
    --------
    >>> from cogan_lib.sky import Sky
    >>> co = Sky({"W_CO10": np.ones(12)}, {"W_CO10": "K km/s"}, fwhm_arcmin=6000.0)
    >>> band = COSky(co).get_emission([100, 130] * u.GHz)
    >>> band.shape, str(band.unit), bool(band[0, 0] > 0)
    ((3, 12), 'uK_RJ', True)
    """

    def __init__(self, sky: Sky, nside: int | None = None):
        lines = _co_columns(sky)
        nside = sky.nside if nside is None else check_nside(nside)
        super().__init__(nside=nside, max_nside=max(nside, sky.nside))
        self.maps = {n: to_nside(values, nside, sky.fwhm_arcmin) for n, values in lines.items()}

    def get_emission(self, freqs: u.Quantity, weights: np.ndarray | None = None) -> u.Quantity:
        """Compute the band's signal: each line's W times its `band_factor`, summed.

        Parameters
        ----------
        freqs : Quantity, shape (n,)
            Increasing frequencies over the band. One frequency alone gives zero off the lines; near
            a line it is refused, see `band_factor`.
        weights : ndarray, shape (n,), optional
            Transmission in power units, as everywhere in PySM; default: a top hat.

        Returns
        -------
        Quantity, shape (3, 12 * nside**2)
            I, Q, U in uK_RJ, PySM's inner unit (`pysm3.Sky` converts it to its ``output_unit``); Q
            and U are zero.
        """
        out = np.zeros((3, hp.nside2npix(self.nside)))
        for line, values in self.maps.items():
            out[0] += values * band_factor(line, freqs, weights, "uK_RJ")
        return out << u.uK_RJ


def band_factor(
    line: str, freqs: u.Quantity, weights: np.ndarray | None = None, unit: str = "K_CMB"
) -> float:
    r"""Signal of a line of 1 K km/s in a band.

    By the Doppler formula :math:`dv = c\,d\nu/\nu_0`, so the line's brightness temperature T, which
    is W when integrated over velocity, is :math:`\int T\,d\nu = W\nu_0/c` over frequency. A band
    of transmission :math:`\tau` (to power, so that it weighs brightnesses in Jy/sr) shows

    .. math:: T_{RJ} = \int g\,T\,d\nu = W\,\frac{\nu_0}{c}\,g(\nu_0), \qquad
              g(\nu) = \frac{\tau\nu^2}{\int\tau\nu^2\,d\nu},

    the temperature of a source, constant over the band, that gives the same power; :math:`\nu^2` is
    what makes K_RJ a power. For K_CMB the same power is divided by that of 1 K_CMB. Both integrals
    are PySM's (``normalize_weights``, ``bandpass_unit_conversion``): trapezoids over `freqs`,
    between which g is a straight line. The ends of `freqs` belong to the band. Weights of zero
    count like others; PySM's conversion of units drops them, and with them the band's last slopes
    (up to 0.2 %) or, of a gap inside, fills it.

    Parameters
    ----------
    line : str
        ``"W_CO10"``, ``"W_CO21"`` or ``"W_CO32"``.
    freqs : Quantity, shape (n,)
        Increasing frequencies over the band.
    weights : ndarray, shape (n,), optional
        Transmission at `freqs`; its norm does not matter. Default: a top hat.
    unit : str
        A unit of PySM, such as ``"K_CMB"``, ``"uK_RJ"`` or ``"MJy/sr"``.

    Returns
    -------
    float
        `unit` per K km/s; zero where the line is not in the band.

    Raises
    ------
    CoganError
        Frequencies or weights that are no band. A band at the line that is narrower than the
        spread of the line by the motions of the gas, a single frequency above all: what it sees
        hangs on velocities, which W does not hold.

    Examples
    --------
    >>> round(band_factor("W_CO10", [85, 115] * u.GHz), 9)  # the line, at 115.27 GHz, is not in it
    0.0
    >>> band_factor("W_CO10", [100, 130] * u.GHz) > 0
    True
    """
    nu = _line(line).ghz
    ghz, tau = _band(freqs, weights)
    reach = nu * DOPPLER_KM_S / C_KM_S
    touches = ghz[0] <= nu + reach and ghz[-1] >= nu - reach
    if touches and ghz[-1] - ghz[0] < 2 * reach:
        raise CoganError(
            f"The band from {ghz[0]:g} to {ghz[-1]:g} GHz lies within the Doppler spread of "
            f"{line} ({nu:g} +- {reach:.2f} GHz), where W alone gives no brightness; give "
            f"frequencies over at least {2 * reach:.2f} GHz."
        )
    return nu / C_KM_S * _weight(nu, ghz, tau, unit, least=-np.inf)


def pysm_band_factor(
    line: str, freqs: u.Quantity, weights: np.ndarray | None = None, unit: str = "K_CMB"
) -> float:
    r"""Compute what PySM's own ``COLines`` gives for 1 K km/s.

    Its templates are W times Planck's factor F, K_CMB averaged over *Planck's* band. Its
    ``get_emission`` takes them as the brightness at :math:`\nu_0` (rounded to MHz) and multiplies
    by g of the new band, a number in 1/GHz:

    .. math:: T_{RJ} = W\,F\,\left.\frac{K_{RJ}}{K_{CMB}}\right|_{\nu_0} g(\nu_0).

    F holds a :math:`g(\nu_0)` already, that of Planck's band, so the value is too small by the
    effective width of that band in GHz, about :math:`1/g_{Planck}(\nu_0)`: 37.7, 58.0 and 78.6 for
    the three lines, whatever the new band. A single frequency gives the template itself, and zero
    unless it is exactly the line's. PySM drops weights below 1e-10 where it converts units, and so
    does this: a band of one weight above zero is NaN in PySM.

    Parameters
    ----------
    line : str
        As in `band_factor`, and so are the next three.
    freqs : Quantity, shape (n,)
    weights : ndarray, shape (n,), optional
    unit : str

    Returns
    -------
    float
        `unit` per K km/s.

    Raises
    ------
    CoganError
        No such line or unit; frequencies or weights that are no band.
    """
    _, planck_factor = _line(line)
    nu = round(_line(line).ghz, 3)
    at_line = (1 * u.K_CMB).to_value(u.K_RJ, equivalencies=u.cmb_equivalencies(nu * u.GHz))
    return planck_factor * at_line * _weight(nu, *_band(freqs, weights), unit, least=1e-10)


def write_templates(sky: Sky, folder: str | Path) -> list[Path]:
    """Write a CO sky as the files of PySM's presets ``co1``, ``co2`` and ``co3``.

    With the environment variable ``PYSM_LOCAL_DATA`` set to `folder` the presets use this sky, and
    run offline. Maps are in K_CMB by `Line.planck_factor`, so bands get PySM's values
    (`pysm_band_factor`), not the physical ones. Lines that the sky lacks are zero, and the header
    says so. So are the angles, the depolarisation (hence no polarisation) and the map of
    high-latitude clouds, since the sky has its own; these are written coarse.

    PySM looks for names with 512 (up to NSIDE 512) or 2048 (above), whatever NSIDE is inside, and
    brings the map to the NSIDE asked for with `healpy.ud_grade`. Both are written, at the sky's own
    NSIDE.

    Parameters
    ----------
    sky : Sky
        With one column of `LINES` or more, in K km/s.
    folder : path
        Gets a subfolder ``co``; older files of this function are replaced, each in one step.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    CoganError
        No CO column, another unit, missing pixels, or a folder with templates that are not ours.
    """
    found = _co_columns(sky)
    maps, meta = {}, {**sky.meta, "creator": f"cogan {__version__}"}
    for line, (_, factor) in LINES.items():
        name = line.removeprefix("W_")
        maps[name] = found.get(line, np.zeros(hp.nside2npix(sky.nside))) * factor
        meta[f"{name}_is"] = (
            f"{line} x {factor:g} K_CMB/(K km/s)" if line in found else f"zero: no {line}"
        )
    empty = np.zeros(hp.nside2npix(1))
    zero = {"creator": meta["creator"], "content": "zero everywhere: not known"}
    angle, depolarisation, clouds = (
        Sky({name: empty for name in names}, dict.fromkeys(names, unit), sky.fwhm_arcmin, zero)
        for names, unit in ((["PSI"], "rad"), (["G"], "1"), (list(maps), "K_CMB"))
    )
    lines = Sky(maps, dict.fromkeys(maps, "K_CMB"), sky.fwhm_arcmin, meta)
    files = {}
    for size in (512, 2048):
        files[f"HFI_CompMap_CO-Type1_{size}_R2.00_ring.fits"] = lines
        files[f"psimap_dust90_{size}.fits"] = angle
        files[f"gmap_dust90_{size}.fits"] = depolarisation
        files[f"mcmoleCO_HGL_{size}.fits"] = clouds
    paths = {Path(folder) / "co" / name: content for name, content in files.items()}
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise CoganError(
                f"{path} is there already and not ours, perhaps PySM's own; choose another folder."
            )
    return [write_sky(path, content) for path, content in paths.items()]


def _co_columns(sky: Sky) -> dict[str, np.ndarray]:
    """Return the sky's CO maps (12 nside^2,) in float64, after a look at their units and pixels."""
    found = [line for line in LINES if line in sky.maps]
    if not found:
        raise CoganError(
            f"The sky has no CO: its columns are {', '.join(sky.maps)}; PySM needs "
            f"{' or '.join(LINES)} (co.fits of chapter 04 has them)."
        )
    for line in found:
        unit = sky.units[line]
        if unit.replace(" ", "") != "Kkm/s":
            raise CoganError(
                f"The sky has {line} in the unit {unit!r}; it must be K km/s (sky.read_map with "
                "to_unit converts a foreign map)."
            )
        if not np.isfinite(nan_where_missing(sky.maps[line])).all():
            raise CoganError(f"{line} has missing pixels; fill them first (sky.fill_missing).")
    return {line: np.asarray(sky.maps[line], dtype=np.float64) for line in found}


def _line(name: str) -> Line:
    if name not in LINES:
        raise CoganError(f"There is no line {name!r}; the lines are {', '.join(LINES)}.")
    return LINES[name]


def _band(freqs: u.Quantity, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [GHz] and transmission of a band, both (n,), after a look at them.

    Of the zeros at either end one is left, to which the transmission falls.
    """
    try:
        ghz = np.atleast_1d(u.Quantity(freqs).to_value(u.GHz)).astype(np.float64)
    except (u.UnitsError, TypeError) as error:
        raise CoganError(
            "freqs are not frequencies; give them a unit, for example [100, 130] * u.GHz with "
            f"pysm3's units as u ({error})."
        ) from error
    tau = np.ones_like(ghz) if weights is None else np.atleast_1d(np.array(weights, np.float64))
    if ghz.ndim != 1 or tau.shape != ghz.shape:
        raise CoganError(
            f"A band needs one weight per frequency, not shapes {ghz.shape} and {tau.shape}."
        )
    if not (np.isfinite(ghz).all() and ghz[0] > 0 and (np.diff(ghz) > 0).all()):
        # PySM's own unit conversion goes wrong without a word on others, so no sorting here
        raise CoganError("freqs must be positive and increase; sort them, with their weights.")
    if not 0 < (np.trapezoid(tau, ghz) if ghz.size > 1 else tau[0]) < np.inf:
        raise CoganError("The weights' integral over freqs is not positive; check the weights.")
    passes = np.flatnonzero(tau)
    band = slice(max(passes[0] - 1, 0), passes[-1] + 2)
    return ghz[band], tau[band]


def _weight(nu: float, ghz: np.ndarray, tau: np.ndarray, unit: str, least: float) -> float:
    """PySM's g(nu) [1/GHz], or 1 for a single frequency, times the band's `unit` per K_RJ.

    For the latter PySM leaves out weights below `least`, and joins what is on their two sides.
    """
    if not ghz[0] <= nu <= ghz[-1]:
        return 0.0
    g = np.interp(nu, ghz, utils.normalize_weights(ghz, tau))
    try:
        u.Unit(unit)
    except ValueError as error:
        raise CoganError(
            f"There is no unit {unit!r}; take one of PySM's, such as K_CMB."
        ) from error
    per_k_rj = utils.bandpass_unit_conversion(ghz * u.GHz, tau, u.Unit(unit), u.K_RJ, cut=least)
    return float(np.squeeze(g * per_k_rj.value))


def _is_ours(path: Path) -> bool:
    try:
        return str(fits.getheader(path, 1).get("CREATOR", "")).startswith("cogan")
    except (OSError, IndexError):
        return False
