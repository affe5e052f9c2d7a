"""Is the time of a FITS header true? Its date, its modified Julian date and its exposure."""

from __future__ import annotations

from collections.abc import Iterator

from astropy.io import fits
from astropy.time import Time

#: MJD-OBS and DATE-OBS may differ by what five digits of a day leave [s].
TIME_SECONDS = 1.0
#: Farther apart they contradict each other: no exposure's start and middle.
CLOSE_SECONDS = 3600.0


def time_findings(header: fits.Header) -> Iterator[tuple[str, str, str]]:
    """Check DATE-OBS, MJD-OBS and EXPTIME, each and against each other.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Yields
    ------
    (keyword, level, sentence)
    """
    date, mjd = header.get("DATE-OBS"), header.get("MJD-OBS")
    seconds = header.get("EXPTIME")
    if seconds is not None and seconds < 0:
        yield "EXPTIME", "error", f"EXPTIME is {seconds} s; an exposure is not negative."
    if seconds == 0:
        yield "EXPTIME", "note", "EXPTIME is 0 s, as of a bias frame."
    time = observed(header)
    if isinstance(date, str) and date.strip() and time is None:
        if len(date.strip().split("/")) == 3:
            yield (
                "DATE-OBS",
                "warning",
                (f"DATE-OBS is {date!r}: FITS has written year-month-day since 1999."),
            )
        else:
            yield "DATE-OBS", "error", f"DATE-OBS is {date!r}, which is no date of FITS's."
    if mjd is None:
        return
    if mjd > 1e6:
        yield (
            "MJD-OBS",
            "error",
            (
                f"MJD-OBS is {mjd}, which looks like a Julian date: a modified one is "
                "2400000.5 less."
            ),
        )
    elif time is not None:
        days = float(mjd) - time.mjd
        if "T" not in date:  # a day without the time in it
            days = 0.0 if 0 <= days < 1 else days
        exposure = seconds or 0.0
        apart = abs(days) * 86400
        if apart > TIME_SECONDS:
            middle = days > 0 and apart <= exposure + TIME_SECONDS
            level = "note" if middle else "warning" if apart < CLOSE_SECONDS else "error"
            yield (
                "MJD-OBS",
                level,
                (
                    f"MJD-OBS is {mjd}, but DATE-OBS {date} is {time.mjd:.6f}: "
                    + f"{_length(days)} apart"
                    + (", within the exposure." if middle else ".")
                ),
            )


def _length(days: float) -> str:
    return f"{abs(days):.6g} days" if abs(days) >= 1 else f"{abs(days) * 86400:.4g} s"


def moment(header: fits.Header) -> Time | None:
    """Find when it was observed, to the time of day: the Moon moves 13 degrees a day.

    A DATE-OBS without a time takes it from MJD-OBS, if that is within the day (midnight itself
    is the day once more, not a time), or from UT or TIME-OBS.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Returns
    -------
    Time or None
        None if it cannot be known.
    """
    day = observed(header)
    if day is None or "T" in header["DATE-OBS"]:
        return day
    mjd = header.get("MJD-OBS")
    if mjd is not None and 0 < float(mjd) - day.mjd < 1:
        return Time(float(mjd), format="mjd", scale=day.scale)
    for keyword in ("UT", "TIME-OBS"):
        try:
            text = f"{header['DATE-OBS'].strip()}T{header[keyword].strip().rstrip('Z')}"
            return Time(text, format="fits", scale=day.scale)
        except (KeyError, AttributeError, ValueError, TypeError):  # missing, or no time of day
            continue
    return None


def observed(header: fits.Header) -> Time | None:
    """Read DATE-OBS.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Returns
    -------
    Time or None
        None if it is missing, or no date of FITS's.
    """
    date = header.get("DATE-OBS")
    if not isinstance(date, str) or not date.strip():
        return None
    scale = str(header.get("TIMESYS", "UTC")).strip().lower()
    try:
        return Time(date.strip().rstrip("Z"), format="fits", scale=scale if scale in Time.SCALES
                    else "utc")  # fmt: skip
    except (ValueError, TypeError):
        return None
