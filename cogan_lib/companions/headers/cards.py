"""Header cards out of a text: each is kept, repaired, or refused with the reason.

Whether a card is good FITS is for astropy to say; what it says is kept. Whether what is in it is
*true* is for `checks`.
"""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

from astropy.io import fits

from ...base.files import CoganError

#: Longer texts are not read [letters].
MOST_LETTERS = 20_000

WIDTH = 80
#: Keywords whose text follows without "=".
COMMENTARY = ("COMMENT", "HISTORY")
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_ASSIGNED = re.compile(r"\s*([A-Za-z][\w-]*)\s*=\s*(.*)")
_LOGICAL = {"true": "T", "false": "F"}
_NO_NUMBERS = ("nan", "inf", "+inf", "-inf")
_STRING = re.compile(r"'(?:[^']|'')*'\s*(?:/.*)?")


class Proposed(NamedTuple):
    """One line of a proposed header, and what became of it.

    Attributes
    ----------
    line : str
        As it came.
    state : str
        'kept', 'repaired' or 'refused'.
    why : str
        What was repaired, or why it is refused; empty for one that is kept.
    card : astropy.io.fits.Card or None
        None if it is refused.
    """

    line: str
    state: str
    why: str
    card: fits.Card | None


class Reading(NamedTuple):
    """A text read as a header.

    Attributes
    ----------
    proposed : list of Proposed
        A line each; empty lines and what follows END are left out.
    header : astropy.io.fits.Header
        The cards that were kept or repaired.
    has_end : bool
        Whether the END card is there.
    """

    proposed: list[Proposed]
    header: fits.Header
    has_end: bool

    def count(self, state: str) -> int:
        """How many lines were 'kept', 'repaired' or 'refused'."""
        return sum(one.state == state for one in self.proposed)


def read_cards(text: str) -> Reading:
    r"""Read a text as a FITS header, line by line.

    Parameters
    ----------
    text : str
        What a model said; fences of code blocks are skipped.

    Returns
    -------
    Reading

    Raises
    ------
    CoganError
        If the text is too long to be a header.

    Examples
    --------
    >>> reading = read_cards("NAXIS1  =  512\nOBJECT  = Mars\nMars is a planet.\nEND")
    >>> [one.state for one in reading.proposed], reading.has_end
    (['kept', 'repaired', 'refused'], True)
    >>> print(reading.proposed[1].why)
    'Mars' has quotes now
    """
    if len(text) > MOST_LETTERS:
        raise CoganError(
            f"The header has {len(text):,} letters and is not read: {MOST_LETTERS:,} are allowed."
        )
    proposed, seen, has_end = [], set(), False
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("```"):
            continue
        if line.strip() == "END":
            has_end = True
            break
        one = _read_card(line)
        if one.card is not None and one.card.keyword not in COMMENTARY:
            if one.card.keyword in seen:
                one = Proposed(line, "refused", f"{one.card.keyword} stands there already.", None)
            else:
                seen.add(one.card.keyword)
        proposed.append(one)
    header = fits.Header([one.card for one in proposed if one.card is not None])
    return Reading(proposed, header, has_end)


def _read_card(line: str) -> Proposed:
    def refused(why: str) -> Proposed:
        return Proposed(line, "refused", why, None)

    if not (line.isascii() and line.isprintable()):
        return refused("it has letters that FITS does not know.")
    word = line.split(maxsplit=1)[0]
    if word in COMMENTARY and "=" not in line[len(word) :].lstrip()[:1]:
        told = line.split(word, 1)[1].strip()
        kept = line.startswith(word) and len(line.rstrip()) <= WIDTH
        why = "" if kept else f"it is {word} in column 1 with at most 72 letters now"
        card = fits.Card(word, told[: WIDTH - 8])
        return Proposed(line, "kept" if kept else "repaired", why, card)
    match = _ASSIGNED.fullmatch(line.rstrip())
    if not match:
        return refused("it has no keyword with a value, and is no COMMENT or HISTORY.")
    keyword, rest = match[1].upper(), match[2]
    if not _KEYWORD.fullmatch(keyword):
        return refused(f"{keyword} is no keyword: FITS has up to 8 letters, digits, - and _.")
    done = []
    if keyword != match[1]:
        done.append("the keyword is in capitals now")
    if line[: len(match[1])] != match[1] or line[8:10] not in ("= ", "="):
        done.append('"= " stands in columns 9 and 10 now')
    if rest.startswith('"'):
        rest = rest.replace('"', "'")
        done.append("its quotes are single now")
    value = rest.partition("/")[0].strip()
    if value.lower() in _LOGICAL and value not in ("T", "F"):
        rest = _LOGICAL[value.lower()] + rest[len(value) :]
        done.append(f"{value} is {rest[0]} now")
    image = f"{keyword:8s}= {rest}" if done else line.rstrip()
    if len(image) > WIDTH:
        image = image[:WIDTH]
        done.append("the comment is cut at column 80")
    if rest.startswith("'") and not _STRING.fullmatch(image[10:].strip()):
        return refused("it has a string that does not end within the card, or several.")
    return _verified(line, image, value, done, refused)


def _verified(line: str, image: str, value: str, done: list[str], refused) -> Proposed:
    """Let astropy verify a card, and fix it if it can."""
    card = fits.Card.fromstring(image)
    try:
        card.verify("exception")
    except fits.VerifyError:
        card = fits.Card.fromstring(image)
        try:
            card.verify("silentfix")
            read = card.value
        except (fits.VerifyError, ValueError) as error:
            return refused(f"astropy cannot read it ({' '.join(str(error).split())[:120]}).")
        if value.lower() in _NO_NUMBERS or str(read) not in value:
            return refused(f"its value {value[:40]!r} is none of FITS's.")
        if not isinstance(read, str):
            done.append("astropy rewrote it")
        else:
            done.append(f"{read!r} has quotes now")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if card.value is None or isinstance(card.value, fits.card.Undefined):
            return refused(f"{card.keyword} has no value.")
        card = fits.Card(card.keyword, card.value, card.comment)
        image = str(card)  # shortens a comment that does not fit beside its value
    if len(image) > WIDTH:
        return refused("its value is longer than a card.")
    return Proposed(line, "repaired" if done else "kept", ", ".join(done), card)
