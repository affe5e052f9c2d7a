"""Facts on the origin of maps, which travel in a FITS header: an allow-list, and their spelling."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from ..base.files import CoganError

#: Keywords of a header that say where data come from; no others of a stranger's travel on. What
#: describes how numbers are stored (TSCAL, TNULL, BLANK, ...) would be applied a second time.
_PROVENANCE = re.compile(
    r"ORIGIN|SOURCE|CREATOR|AUTHOR|REFERENC|BIBCODE|DOI|TELESCOP|INSTRUME|OBSERVER|SURVEY|PRODUCT"
    r"|VERSION|RELEASE|FILENAME|FILE|DATE|DATE-OBS|PROCVER|FREQ|LICENSE|LICENCE|SEED|SRCSHA"
    r"|MADEFROM|MEMBERS|COTARGET|(?:DUST|HI|CO)(?:FILE|SHA|BEAM)|AST-COMP"
)
#: Keywords that describe the file itself: `Sky.meta` may not hold them.
_STORAGE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|THEAP|TFIELDS|END|EXTNAME|EXTVER"
    r"|EXTLEVEL|INHERIT|(?:TTYPE|TFORM|TUNIT|TSCAL|TZERO|TNULL|TDIM|TDISP|TBCOL|TLMIN|TLMAX|TDMIN"
    r"|TDMAX)\d+|BSCALE|BZERO|BUNIT|BLANK|DATAMIN|DATAMAX|CHECKSUM|DATASUM|Z(?:IMAGE|TABLE|NAXIS"
    r"\d*|FORM\d+|CMPTYPE)|(?:CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)\d|PIXTYPE|ORDERING|COORDSYS"
    r"|NSIDE|FIRSTPIX|LASTPIX|INDXSCHM|OBJECT|FWHM|BAD_DATA|FACTS|COMMENT|HISTORY|CONTINUE|"
)


def facts_of(header: dict) -> dict[str, str | int | float]:
    """Choose what of a header travels on: keywords of provenance, and what we wrote ourselves.

    Parameters
    ----------
    header : dict

    Returns
    -------
    dict
        For `Sky.meta`.

    Examples
    --------
    >>> facts_of({"NSIDE": 2, "TSCAL1": 2.0, "ORIGIN": "ESA"})
    {'origin': 'ESA'}
    """
    ours = str(header.get("FACTS", "")).upper().split()
    return {
        key.lower(): unquote_fact(value)
        for key, value in header.items()
        if re.fullmatch(r"[\w-]+", key, re.ASCII)
        and (key.upper() in ours or _PROVENANCE.fullmatch(key.upper()))
        and not _STORAGE.fullmatch(key.upper())
    }


def put_facts(header: object, facts: dict[str, str | int | float]) -> None:
    """Write facts into a FITS header.

    Parameters
    ----------
    header : astropy.io.fits.Header
    facts : dict

    Raises
    ------
    CoganError
        If one of them cannot stand there, or would describe the file itself.
    """
    if facts:
        header["FACTS"] = " ".join(key.upper() for key in facts)
    for key, value in facts.items():
        if _STORAGE.fullmatch(key.upper()):
            raise CoganError(
                f"{key!r} in the sky's meta would describe the file itself; leave it out."
            )
        keyword = key.upper() if len(key) <= 8 else f"HIERARCH {key.upper()}"
        try:
            header[keyword] = quote_fact(value) if isinstance(value, str) else value
        except ValueError as error:
            raise CoganError(
                f"{key!r} = {value!r} in the sky's meta cannot stand in a FITS header ({error}); "
                "leave it out."
            ) from error


def quote_fact(text: str) -> str:
    """Write characters beyond ASCII, which a FITS header cannot hold, as %C3%B6.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> quote_fact("größe.fits"), unquote_fact(quote_fact("größe 100%20.fits"))
    ('gr%C3%B6%C3%9Fe.fits', 'größe 100%20.fits')
    """
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0]), text)


def unquote_fact(value: object) -> object:
    """Undo `quote_fact`; whatever else has a per cent sign in it stays.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
    """
    if not isinstance(value, str):
        return value
    return re.sub(r"(?:%[89A-F][0-9A-F])+", lambda found: unquote(found[0]), value)
