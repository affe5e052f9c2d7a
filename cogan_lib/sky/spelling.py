"""What the words in a header mean: frames, pixel orders and units, as people spell them.

A placeholder ('unknown', '') is as good as nothing said.
"""

from __future__ import annotations

import re

from astropy import units as u

from ..base.files import CoganError

#: Words that archives write where they do not know.
_NOTHING = {*("", "UNKNOWN", "UNKN", "UNDEFINED", "UNDEF", "UNSPECIFIED", "UNSET", "NONE", "NULL"),
            *("N/A", "NA", "NAN", "?", "-", "--", "TBD", "NOT SPECIFIED", "NOT SET", "NOTSET",
              "UNIT", "UNITS", "X", "XX")}  # fmt: skip
#: Frames, by what a file's header may call them; those of other equinoxes are not among them.
FRAMES = {
    **dict.fromkeys(("G", "GAL", "GALACTIC", "GALACTICCOORDINATES", "LB", "GLON/GLAT"), "G"),
    **dict.fromkeys(("C", "CEL", "CELESTIAL", "Q", "EQU", "EQ", "EQUATORIAL", "ICRS"), "C"),
    **dict.fromkeys(("FK5", "J2000", "RADEC", "RA/DEC", "CELESTIAL2000", "EQUATORIALJ2000"), "C"),
    **dict.fromkeys(("E", "ECL", "ECLIPTIC", "ECLIPTICCOORDINATES"), "E"),
}
ORDERS = {"RING": "RING", "RINGED": "RING", "R": "RING",
          "NESTED": "NESTED", "NEST": "NESTED", "N": "NESTED"}  # fmt: skip

#: K_CMB is nobody's kelvin: it needs a frequency to become one. (PySM enables such a unit when it
#: is imported; what a file means must not depend on that.)
_CMB = u.def_unit("cogan_K_cmb")
_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "k": 1e3}
_REWRITTEN = [
    (r"[\[\]{}$\\]", ""),
    (r"\bmu ?(?=K)", "u"),
    (r"\bK,? ?[_(]?(?:R-?J|rayleigh.jeans|antenna|ant|mb|T_?mb)\b\)?", "K"),
    (r"(?<=[numkµμ])K,? ?[_(]?(?:R-?J|rayleigh.jeans|antenna|ant|mb|T_?mb)\b\)?", "K"),
    (r"\bKkm", "K km"),
    (r"\bsec\b|\bsecs\b|\bsecond\b", "s"),
    (r"\bsec(?=-)", "s"),
    (r"\bster\b|\bsterad\b|\bsteradian\b", "sr"),
    (r"\bMjy\b|\bMJY\b", "MJy"),
    (r"^(?:H[ _-]?)?(?:atoms?|nuclei|H|HI) ?(?=/ ?cm)", "1"),
    (r"(?<=\d)[ .*](?:H[ _-]?)?(?:atoms?|nuclei|H|HI) ?(?=/ ?cm)", " "),
    (r"\bK ?\(km/s\)", "K km/s"),
    (r"\b(?:H[ _-]?)?(?:atoms?|nuclei|H|HI)[ .*](?=cm)", ""),
    (r"^[x×*] ?(?=10)", ""),
]  # fmt: skip
_CASES = {"JY": "Jy", "SR": "sr", "CM": "cm", "KM": "km", "S": "s", "MAG": "mag", "MJY": "MJy",
          "M": "m", "KELVIN": "K", "SEC": "s"}  # fmt: skip


def said(*words: object) -> str:
    """Return the first word that says something, without blanks around it; else an empty text.

    Parameters
    ----------
    *words : object
        Values of keywords, None where there is none.

    Returns
    -------
    str

    Examples
    --------
    >>> said(None, "unknown ", "GAL")
    'GAL'
    """
    for word in words:
        text = "" if word is None else str(word).strip().strip("'\"()<>[]").strip()
        if text.upper() not in _NOTHING:
            return str(word).strip()
    return ""


def frame_of(word: str) -> str | None:
    """Return G, C or E for what a header calls a frame; None if it is none of them.

    Parameters
    ----------
    word : str

    Returns
    -------
    str or None

    Examples
    --------
    >>> frame_of("CEL"), frame_of("Galactic"), frame_of("B1950")
    ('C', 'G', None)
    """
    return FRAMES.get(re.sub(r"[\s_.,()-]", "", str(word)).upper())


def order_of(word: str) -> str | None:
    """Return RING or NESTED for what a header calls a pixel order; None if it is neither.

    Parameters
    ----------
    word : str

    Returns
    -------
    str or None
    """
    return ORDERS.get(str(word).strip().upper())


def unit_factor(unit: object, to_unit: object, where: str) -> float:
    """Find the factor from one unit to another, in any of the spellings of archives.

    ``K_RJ`` and antenna or main-beam temperatures are K; ``K_CMB`` is a unit of its own; atoms do
    not count.

    Parameters
    ----------
    unit, to_unit : str or astropy unit
    where : str
        Whose unit it is, for the sentence of the error.

    Returns
    -------
    float

    Raises
    ------
    CoganError
        If one of them is not understood, or they are of different quantities.

    Examples
    --------
    >>> unit_factor("mK_RJ.km/s", "K km/s", "co.fits")
    0.001
    >>> unit_factor("1.823E18 cm-2", "cm-2", "hi.fits") / 1e18
    1.823
    """
    spelled = str(unit)
    try:
        one, other = _parse(spelled), _parse(str(to_unit))
        if isinstance(one, u.function.FunctionUnitBase):  # a logarithm has no factor
            raise u.UnitConversionError("it is logarithmic: take 10 to its power first")
        return float(one.to(other))
    except (ValueError, TypeError, u.UnitsError) as error:
        reason = "it is logarithmic" if "logarithmic" in str(error) else "another quantity"
        advice = "take another map, or correct its unit"
        if not understood(spelled):  # only then does a file's reader listen to unit=
            reason, advice = "not a unit that astropy knows", "say what holds with unit='...'"
        raise CoganError(
            f"{where}: the unit {spelled[:60]!r} cannot be converted to {str(to_unit)!r} "
            f"({reason}); {advice}."
        ) from error


def understood(unit: object) -> bool:
    """Whether a text says a unit.

    Parameters
    ----------
    unit : str

    Returns
    -------
    bool
    """
    if not said(unit):
        return False
    try:
        _parse(str(unit))
    except (ValueError, TypeError):
        return False
    return True


def _parse(text: str) -> u.UnitBase:
    """Read the unit that a text means, or raise astropy's ValueError."""
    text = text.strip()
    cmb = r"(?<![A-Za-z])([numkµμ]?)K,? ?[_(]? ?(?:cmb|thermodynamic|thermo)\b\)?"
    factor, kelvin = 1.0, re.search(cmb, text, re.IGNORECASE)
    if kelvin:
        factor = _PREFIXES[kelvin[1].lower()]
        text = re.sub(cmb, "cogan_K_cmb", text, flags=re.IGNORECASE)
    for pattern, ours in _REWRITTEN:
        text = re.sub(pattern, ours, text, flags=re.IGNORECASE if "antenna" in pattern else 0)
    text = text.strip()
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1]
    times_ten = re.fullmatch(r"([\d.]+) ?[x×*] ?10 ?(?:\^|\*\*)? ?\(?([+-]?\d+)\)?[ *.]?(.*)", text)
    if times_ten:
        factor *= float(f"{times_ten[1]}e{times_ten[2]}")
        text = times_ten[3]
    with u.add_enabled_units([_CMB]):
        try:
            unit = u.Unit(text)
        except ValueError:
            words = re.sub(r"[A-Za-z]+", lambda word: _CASES.get(word[0], word[0]), text)
            unit = u.Unit(words)
    return unit if factor == 1 else u.Unit(factor * unit)
