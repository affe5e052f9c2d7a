"""Four objects that a model may propose, each with the checks that physics makes.

A proposal that breaks a rule is refused, with a sentence that has the number and the rule. Syntax
and types are pydantic's; `reasons` says all of it in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...base.config import Checked
from ...base.files import CoganError
from . import physics


class Reason(NamedTuple):
    """Why a proposal is refused.

    Attributes
    ----------
    rule : str
        Its name, to count by: json, missing, extra, type, not finite, range, or a law of the kind.
    sentence : str
        With the number.
    """

    rule: str
    sentence: str


class Proposal(Checked):
    """What the four have in common: fields within their ranges, and laws that tie them together."""

    #: Of each number: least, most, unit, and whose it is.
    RANGES: ClassVar[dict[str, tuple[float, float, str, str]]] = {}

    @field_validator("*")
    @classmethod
    def _in_range(cls, value: object, info: ValidationInfo) -> object:
        low, high, unit, what = cls.RANGES.get(info.field_name, (None, None, "", ""))
        if low is not None and not low <= value <= high:
            said = f"{info.field_name} is {value:.4g}; {what} is from {low:g} to {high:g} {unit}"
            raise _refusal({"range": f"{said.strip()}."})
        return value

    @model_validator(mode="after")
    def _lawful(self) -> Self:
        broken = self.broken_laws()
        if broken:
            raise _refusal(broken)
        return self

    def broken_laws(self) -> dict[str, str]:
        """Look for laws that the numbers break together.

        Returns
        -------
        dict of str to str
            Sentences by the law's name; empty if all is well.
        """
        return {}


class Flare(Proposal):
    """A solar flare as GOES sees it in 1-8 Angstrom."""

    RANGES: ClassVar = {
        "peak_w_m2": (1e-8, 1e-2, "W/m^2", "the peak flux of a flare at the Earth"),
        "rise_min": (0.5, 180.0, "minutes", "a flare's rise"),
        "decay_min": (0.5, 1440.0, "minutes", "a flare's decay"),
        "energy_erg": (1e25, 1e33, "erg", "what a flare radiates in 1-8 Angstrom"),
    }

    goes_class: str = Field(
        description="GOES class: letter and number, such as C5.0",
        json_schema_extra={"pattern": r"^[ABCMX][0-9]{1,2}\.[0-9]$"},
    )
    peak_w_m2: float = Field(description="peak flux in 1-8 Angstrom at the Earth [W/m^2]")
    rise_min: float = Field(description="time from start to peak [minutes]")
    decay_min: float = Field(description="time from peak to half of it [minutes]")
    energy_erg: float = Field(
        description="energy radiated in 1-8 Angstrom from the start until half of the peak [erg]"
    )

    @field_validator("goes_class")
    @classmethod
    def _a_class(cls, value: str) -> str:
        try:
            physics.class_flux(value)
        except CoganError as error:
            raise _refusal({"class": str(error)}) from None
        return value

    def broken_laws(self) -> dict[str, str]:  # noqa: D102
        broken = {}
        flux, step = physics.class_flux(self.goes_class)
        if abs(self.peak_w_m2 - flux) > step * (1 + 1e-6):
            broken["class against peak"] = (
                f"goes_class {self.goes_class} stands for a peak of {flux:g} W/m^2, but peak_w_m2 "
                f"is {self.peak_w_m2:.4g}, which is {physics.class_of(self.peak_w_m2)}."
            )
        most = float(physics.most_energy_erg(self.peak_w_m2, self.rise_min + self.decay_min))
        low, high = (share * most for share in physics.ENERGY_SHARE)
        if not low <= self.energy_erg <= high:
            broken["energy"] = (
                f"energy_erg is {self.energy_erg:.3g}; a peak of {self.peak_w_m2:.3g} W/m^2 over "
                f"{self.rise_min + self.decay_min:g} minutes radiates {low:.2g} to {high:.2g} erg "
                "in 1-8 Angstrom."
            )
        return broken


class Planet(Proposal):
    """A planet of a Sun-like star."""

    RANGES: ClassVar = {
        "period_day": (1.0, 300.0, "days", "the period"),
        "radius_earth": (0.5, 15.0, "radii of the Earth", "a planet's radius"),
        "eccentricity": (0.0, physics.LARGEST, "", "the eccentricity at these periods"),
    }

    period_day: float = Field(description="orbital period [days]")
    radius_earth: float = Field(description="radius [Earth radii]")
    eccentricity: float = Field(description="orbital eccentricity")

    def broken_laws(self) -> dict[str, str]:  # noqa: D102
        most = float(physics.largest_eccentricity(self.period_day, self.radius_earth))
        if self.eccentricity <= most:
            return {}
        time = float(physics.circularisation_gyr(self.period_day, self.radius_earth))
        return {
            "tides": f"eccentricity is {self.eccentricity:.3g}; tides make the orbit of a planet "
            f"of {self.radius_earth:.3g} Earth radii at {self.period_day:.3g} days circular in "
            f"{time:.2g} Gyr, and were they {physics.TIDES_WEAKER:g} times weaker, "
            f"{physics.TIDES_GYR:g} Gyr would leave {most:.2g} at most."
        }


class Galaxy(Proposal):
    """A massive quiescent galaxy at z = 0.7."""

    RANGES: ClassVar = {
        "log_mass": (10.3, 12.2, "(log10 of solar masses)", "a massive galaxy's mass"),
        "sfr_msun_yr": (0.0, 1000.0, "solar masses per year", "the star formation rate"),
        "radius_kpc": (0.3, 50.0, "kpc", "the effective radius"),
        "sersic_n": (1.0, 8.0, "", "the Sersic index of a quiescent galaxy"),
    }

    log_mass: float = Field(description="log10 of the stellar mass [solar masses]")
    sfr_msun_yr: float = Field(description="star formation rate [solar masses per year]")
    radius_kpc: float = Field(description="effective radius [kpc]")
    sersic_n: float = Field(description="Sersic index")

    def broken_laws(self) -> dict[str, str]:  # noqa: D102
        broken = {}
        most = float(physics.most_sfr(self.log_mass))
        if self.sfr_msun_yr > most:
            broken["quiescence"] = (
                f"sfr_msun_yr is {self.sfr_msun_yr:.3g}; at log_mass {self.log_mass:g} a galaxy "
                f"at z = 0.7 is quiescent below {most:.2g} ({physics.QUIESCENT} of its mass in the "
                f"universe's age of {physics.AGE_GYR} Gyr)."
            )
        residual = float(physics.size_residual(self.log_mass, self.radius_kpc))
        if abs(residual) > physics.SIZE_SIGMAS:
            expected = self.radius_kpc * 10 ** (-residual * physics.SIZE_SCATTER)
            broken["mass-size relation"] = (
                f"radius_kpc is {self.radius_kpc:.3g}; at log_mass {self.log_mass:g} the mass-size "
                f"relation gives {expected:.2g} kpc, {abs(residual):.1f} times its scatter away, "
                f"and {physics.SIZE_SIGMAS:g} are allowed."
            )
        return broken


class Cluster(Proposal):
    """A globular cluster as an N-body run starts with it: in equilibrium."""

    RANGES: ClassVar = {
        "mass_msun": (1e3, 1e7, "solar masses", "a cluster's mass"),
        "half_mass_radius_pc": (0.1, 50.0, "pc", "the half-mass radius"),
        "n_stars": (1e3, 5e7, "", "the number of stars"),
        "dispersion_km_s": (0.1, 100.0, "km/s", "the velocity dispersion in one direction"),
        "fe_h": (-2.6, 0.6, "dex", "[Fe/H] of a star cluster"),
    }
    #: Mean stellar mass [M_sun]: of red dwarfs alone, and of young stars without any.
    MEAN_MASS: ClassVar = (0.2, 1.5)
    #: Dispersion over that of equilibrium, and half-mass relaxation time [Myr].
    VIRIAL_FACTOR: ClassVar = (0.7, 1.4)
    RELAXATION_MYR: ClassVar = (5.0, 1e5)

    mass_msun: float = Field(description="total mass [solar masses]")
    half_mass_radius_pc: float = Field(description="half-mass radius [pc]")
    n_stars: float = Field(description="number of stars")
    dispersion_km_s: float = Field(description="velocity dispersion in one direction [km/s]")
    fe_h: float = Field(description="metallicity [Fe/H]")

    def broken_laws(self) -> dict[str, str]:  # noqa: D102
        broken = {}
        mean = self.mass_msun / self.n_stars
        low, high = self.MEAN_MASS
        if not low <= mean <= high:
            broken["mean mass"] = (
                f"{self.mass_msun:.3g} solar masses in {self.n_stars:.3g} stars are {mean:.2g} "
                f"each; the mean is from {low} to {high}."
            )
        virial = float(physics.virial_dispersion(self.mass_msun, self.half_mass_radius_pc))
        low, high = (factor * virial for factor in self.VIRIAL_FACTOR)
        if not low <= self.dispersion_km_s <= high:
            broken["equilibrium"] = (
                f"dispersion_km_s is {self.dispersion_km_s:.3g}; {self.mass_msun:.3g} solar masses "
                f"within a half-mass radius of {self.half_mass_radius_pc:.3g} pc are in "
                f"equilibrium at {virial:.2g} km/s ({low:.2g} to {high:.2g})."
            )
        time = physics.relaxation_myr(self.mass_msun, self.half_mass_radius_pc, self.n_stars)
        low, high = self.RELAXATION_MYR
        if not low <= time <= high:
            broken["relaxation"] = (
                f"The half-mass relaxation time is {float(time):.2g} Myr; of a star cluster it is "
                f"from {low:g} to {high:g} Myr."
            )
        return broken


KINDS: dict[str, type[Proposal]] = {
    "flare": Flare, "planet": Planet, "galaxy": Galaxy, "cluster": Cluster,
}  # fmt: skip

#: The request in one sentence, from which a prompt is made.
TASKS = {
    "flare": "Give plausible parameters of one solar flare of GOES class C, M or X: its class with "
    "one digit after the point, the peak flux in 1-8 Angstrom in W/m^2, the rise and decay times "
    "in minutes, and the energy radiated in 1-8 Angstrom in erg.",
    "planet": "Give plausible parameters of the innermost planet of one Sun-like star: the orbital "
    "period in days (1 to 300), the radius in Earth radii (0.5 to 15), and the eccentricity "
    "(0 to 0.4).",
    "galaxy": "Give plausible parameters of one massive quiescent galaxy at redshift 0.7: log10 of "
    "the stellar mass in solar masses, the star formation rate in solar masses per year, the "
    "effective radius in kpc, and the Sersic index.",
    "cluster": "Give plausible initial conditions for an N-body simulation of one globular "
    "cluster: the mass in solar masses, the half-mass radius in pc, the number of stars, the "
    "velocity dispersion in one direction in km/s, and the metallicity [Fe/H].",
}

#: What pydantic finds before any law: name of the rule, and the sentence.
_TYPES = {
    "json_invalid": ("json", "The reply is no JSON."),
    "model_type": ("json", "The reply is JSON, but no object of fields and values."),
    "missing": ("missing", "{name} is missing."),
    "extra_forbidden": ("extra", "{name} is no field of this object."),
    "float_type": ("type", "{name} is {value}; it must be a number."),
    "string_type": ("type", "{name} is {value}; it must be a string."),
    "finite_number": ("not finite", "{name} is {value}; it must be a finite number."),
}


def reasons(error: ValidationError) -> list[Reason]:
    """Say in words why pydantic refused a proposal.

    Parameters
    ----------
    error : ValidationError
        Of one of `KINDS`.

    Returns
    -------
    list of Reason
        One a broken rule.

    Examples
    --------
    >>> try:
    ...     Planet.model_validate_json('{"period_day": 20, "radius_earth": -1}')
    ... except ValidationError as error:
    ...     for rule, sentence in reasons(error):
    ...         print(rule, "|", sentence)
    range | radius_earth is -1; a planet's radius is from 0.5 to 15 radii of the Earth.
    missing | eccentricity is missing.
    """
    found = []
    for item in error.errors(include_url=False):
        if "broken" in item.get("ctx", {}):
            found += [Reason(*pair) for pair in item["ctx"]["broken"].items()]
            continue
        name = ".".join(_short(part) for part in item["loc"])
        rule, words = _TYPES.get(item["type"], ("type", f"{name}: {item['msg']}."))
        if item["type"] in _TYPES:
            words = words.format(name=name, value=_short(item["input"], repr))
        found.append(Reason(rule, words))
    return found


def refusal(kind: str, text: str) -> list[Reason]:
    """Say why a reply is refused, as it stands and without any repair.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    text : str
        Should be JSON.

    Returns
    -------
    list of Reason
        Empty if the proposal is accepted.

    Examples
    --------
    >>> refusal("planet", '{"period_day": 20, "radius_earth": 2.4, "eccentricity": 0.1}')
    []
    >>> refusal("galaxy", "A galaxy of 1e11 solar masses.")[0].sentence
    'The reply is no JSON.'
    """
    try:
        KINDS[kind].model_validate_json(text)
    except ValidationError as error:
        return reasons(error)
    return []


def number_fields(kind: str) -> Sequence[str]:
    """List the fields of a kind that are numbers.

    Parameters
    ----------
    kind : str

    Returns
    -------
    sequence of str
    """
    return tuple(KINDS[kind].RANGES)


def _refusal(broken: dict[str, str]) -> PydanticCustomError:
    rule = next(iter(broken))
    context = {"sentence": " ".join(broken.values()), "broken": broken}
    return PydanticCustomError(rule.replace(" ", "_"), "{sentence}", context)


def _short(value: object, write=str) -> str:
    text = write(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
