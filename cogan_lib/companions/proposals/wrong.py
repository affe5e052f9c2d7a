"""Replies that must be refused, and why: faults put in on purpose, and the document's own examples.

No reply of a model is among them.
"""

from __future__ import annotations

import json

from .objects import KINDS

#: A possible object of each kind, into which the faults are put.
POSSIBLE: dict[str, dict[str, object]] = {
    "flare": {
        "goes_class": "M2.3", "peak_w_m2": 2.3e-5, "rise_min": 8.0, "decay_min": 12.0,
        "energy_erg": 5e28,
    },
    "planet": {"period_day": 12.5, "radius_earth": 2.4, "eccentricity": 0.05},
    "galaxy": {"log_mass": 11.2, "sfr_msun_yr": 0.1, "radius_kpc": 6.0, "sersic_n": 4.5},
    "cluster": {
        "mass_msun": 1e5, "half_mass_radius_pc": 3.0, "n_stars": 2e5, "dispersion_km_s": 4.4,
        "fe_h": -1.5,
    },
}  # fmt: skip


def _with(kind: str, **changes: object) -> str:
    return json.dumps({**POSSIBLE[kind], **changes})


def _without(kind: str, field: str) -> str:
    return json.dumps({name: value for name, value in POSSIBLE[kind].items() if name != field})


def _syntax(kind: str) -> dict[str, tuple[str, str]]:
    """Faults that any kind can have, in its first number."""
    field = next(iter(KINDS[kind].RANGES))
    text = json.dumps(POSSIBLE[kind])
    return {
        "no JSON": ("Sure! Here are the parameters that you asked for.", "The reply is no JSON."),
        "cut off": (text[:-9], "The reply is no JSON."),
        "a list": (f"[{text}]", "no object of fields and values"),
        "two objects": (f"{text} {text}", "The reply is no JSON."),
        "NaN": (_with(kind, **{field: float("nan")}), f"{field} is nan; it must be a finite"),
        "infinity": (_with(kind, **{field: float("inf")}), f"{field} is inf; it must be a finite"),
        "negative": (_with(kind, **{field: -1.0}), f"{field} is -1;"),
        "a string": (_with(kind, **{field: "2e-5"}), f"{field} is '2e-5'; it must be a number."),
        "a truth value": (_with(kind, **{field: True}), f"{field} is True; it must be a number."),
        "null": (_with(kind, **{field: None}), f"{field} is None; it must be a number."),
        "a field too many": (_with(kind, name="best"), "name is no field of this object."),
        "a field too few": (_without(kind, field), f"{field} is missing."),
    }


#: By kind and fault: the raw reply, and words that the reason must have.
WRONG: dict[str, dict[str, tuple[str, str]]] = {
    "flare": {
        **_syntax("flare"),
        "six orders too bright": (_with("flare", peak_w_m2=200.0), "from 1e-08 to 0.01 W/m^2"),
        "wrong letter": (
            _with("flare", goes_class="X2.3"),
            "goes_class X2.3 stands for a peak of 0.00023 W/m^2, but peak_w_m2 is 2.3e-05",
        ),
        "wrong number": (_with("flare", goes_class="M3.2"), "which is M2.3"),
        "no such letter": (_with("flare", goes_class="Z2.3"), "'Z2.3' is no GOES class"),
        "a letter alone": (_with("flare", goes_class="M"), "'M' is no GOES class"),
        "beyond its decade": (_with("flare", goes_class="M12.0"), "'M12.0' is no GOES class"),
        "energy of the whole spectrum": (_with("flare", energy_erg=1e31), "radiates 7.8e+27 to"),
        "a day of rise": (_with("flare", rise_min=1440.0), "rise is from 0.5 to 180 minutes"),
    },
    "planet": {
        **_syntax("planet"),
        "eccentric and hot": (
            _with("planet", period_day=1.5, radius_earth=1.2, eccentricity=0.3),
            "Gyr would leave 0.05 at most",
        ),
        "unbound": (_with("planet", eccentricity=1.2), "from 0 to 0.4"),
        "a star's radius": (_with("planet", radius_earth=109.0), "from 0.5 to 15"),
        "a year in seconds": (_with("planet", period_day=3.2e7), "from 1 to 300 days"),
    },
    "galaxy": {
        **_syntax("galaxy"),
        "star-forming": (_with("galaxy", sfr_msun_yr=30.0), "is quiescent below 4.3"),
        "mass not in logarithm": (_with("galaxy", log_mass=1.6e11), "from 10.3 to 12.2"),
        "too small": (_with("galaxy", radius_kpc=1.0), "the mass-size relation gives 6 kpc"),
        "a disc's size": (_with("galaxy", radius_kpc=15.0), "times its scatter away"),
        "no such profile": (_with("galaxy", sersic_n=40.0), "from 1 to 8"),
    },
    "cluster": {
        **_syntax("cluster"),
        "too hot": (_with("cluster", dispersion_km_s=50.0), "equilibrium at 4.4 km/s"),
        "stars too light": (_with("cluster", n_stars=1e7), "are 0.01 each"),
        "metallicity not in logarithm": (_with("cluster", fe_h=12.0), "from -2.6 to 0.6 dex"),
        "a galaxy's radius": (_with("cluster", half_mass_radius_pc=3000.0), "from 0.1 to 50 pc"),
        "never relaxes": (
            _with("cluster", mass_msun=9e6, n_stars=3e7, half_mass_radius_pc=45.0,
                  dispersion_km_s=10.7),
            "The half-mass relaxation time is",
        ),
    },
}  # fmt: skip

#: The document's own examples (its sections 15.8.1, 15.8.4, 15.8.6), in our fields; it gives flares
#: no energy, so a flare has that of its peak over half of its duration.
DOCUMENT: dict[str, list[dict[str, object]]] = {
    "flare": [
        {"goes_class": "C5", "peak_w_m2": 5e-6, "rise_min": 5.0, "decay_min": 15.0,
         "energy_erg": 8.4e27},
        {"goes_class": "M2", "peak_w_m2": 2e-5, "rise_min": 8.0, "decay_min": 30.0,
         "energy_erg": 6.4e28},
        {"goes_class": "X1", "peak_w_m2": 1.5e-4, "rise_min": 12.0, "decay_min": 60.0,
         "energy_erg": 9.1e29},
    ],
    "planet": [
        {"period_day": 3.2, "radius_earth": 1.6, "eccentricity": 0.05},
        {"period_day": 15.8, "radius_earth": 2.5, "eccentricity": 0.12},
        {"period_day": 85.3, "radius_earth": 8.0, "eccentricity": 0.08},
        {"period_day": 6.1, "radius_earth": 1.2, "eccentricity": 0.25},
        {"period_day": 210.0, "radius_earth": 4.0, "eccentricity": 0.02},
    ],
    "galaxy": [
        {"log_mass": 11.2, "sfr_msun_yr": 0.1, "radius_kpc": 6.0, "sersic_n": 4.5},
        {"log_mass": 10.9, "sfr_msun_yr": 0.3, "radius_kpc": 4.5, "sersic_n": 3.8},
        {"log_mass": 11.5, "sfr_msun_yr": 0.05, "radius_kpc": 7.5, "sersic_n": 5.0},
    ],
}  # fmt: skip
