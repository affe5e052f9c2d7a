"""Header cards: kept, repaired with what, or refused with why."""

import pytest
from astropy.io import fits

from cogan_lib.base.files import CoganError
from cogan_lib.companions.headers.cards import read_cards
from cogan_lib.companions.proposals.document import MARS, SAMPLE


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("SIMPLE  =                    T / Standard", True),
        ("NAXIS1  = 2048", 2048),
        ("EXPTIME =               1.5D3", 1500.0),
        ("OBSERVER= 'O''Neill, first light' / name", "O'Neill, first light"),
        ("COMMENT  anything at all = fine", "anything at all = fine"),
    ],
)
def test_good_cards_are_kept(line, value):
    (one,) = read_cards(line).proposed
    assert (one.state, one.why, one.card.value) == ("kept", "", value)


@pytest.mark.parametrize(
    ("line", "value", "words"),
    [
        ("naxis1  = 2048", 2048, "in capitals"),
        ("NAXIS1 = 2048", 2048, "columns 9 and 10"),
        ("  NAXIS1=2048", 2048, "columns 9 and 10"),
        ("SIMPLE  = True / x", True, "True is T"),
        ("OBJECT  = Mars", "Mars", "quotes"),
        ('OBJECT  = "Mars"', "Mars", "quotes are single"),
        ("DATE-OBS= 2024-03-15T04:30:00", "2024-03-15T04:30:00", "quotes"),
        (
            "EXPTIME = 30.0 seconds",
            "30.0 seconds",
            "quotes",
        ),  # a text: of which a card knows nothing
        ("MJD-OBS =         60384.187500 / " + 60 * "x", 60384.1875, "cut at column 80"),
        ("  HISTORY " + 90 * "x", 72 * "x", "column 1"),
    ],
)
def test_cards_are_repaired(line, value, words):
    reading = read_cards(line)
    (one,) = reading.proposed
    assert one.state == "repaired" and words in one.why and one.card.value == value
    assert len(str(one.card)) == 80
    one.card.verify("exception")
    assert list(reading.header.values()) == [value]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Mars was observed in March.", "no keyword with a value"),
        ("A B = 3", "no keyword with a value"),
        ("TELESCOPE = 'a'", "up to 8 letters"),
        ("FILTER  = 'R / no end", "does not end within the card"),
        ("CTYPE1  = 'RA---TAN', 'DEC--TAN'", "or several"),
        (f"OBJECT  = '{80 * 'x'}'", "does not end within the card"),
        ("CRVAL1  = nan", "none of FITS's"),
        ("CRVAL1  = 1e999", "none of FITS's"),
        ("CRVAL1  =", "no value"),
        ("OBJECT  = 'Café'", "letters that FITS does not know"),
        ("OBJECT  = 'a\x07'", "letters that FITS does not know"),
    ],
)
def test_cards_are_refused_in_words(line, words):
    reading = read_cards(line)
    (one,) = reading.proposed
    assert one.state == "refused" and words in one.why and one.card is None
    assert not reading.header


def test_a_keyword_stands_once_and_nothing_follows_the_end():
    reading = read_cards(
        "```fits\n\nNAXIS1  = 5\nNAXIS1  = 6\nCOMMENT a\nCOMMENT b\nEND\nX = 1\n```"
    )
    assert [one.state for one in reading.proposed] == ["kept", "refused", "kept", "kept"]
    assert reading.header["NAXIS1"] == 5 and reading.has_end and reading.count("kept") == 3
    with pytest.raises(CoganError, match="is not read"):
        read_cards("x" * 10**6)
    assert not read_cards("").proposed


def test_the_documents_headers_are_cards():
    mars, galaxy = read_cards(MARS), read_cards(SAMPLE)
    assert (mars.count("kept"), mars.has_end) == (25, True)
    (one,) = (one for one in mars.proposed if one.state == "repaired")
    assert one.card.keyword == "MJD-OBS" and len(one.line) > 80  # its comment is too long
    assert (galaxy.count("kept"), galaxy.has_end) == (22, False)
    assert isinstance(mars.header, fits.Header) and mars.header["CRVAL1"] == 160.12345678
