"""The challenge's board: ranks that show ties, impostors without a rank, malformed entries."""

import json
import shutil
from pathlib import Path

import pages
import pytest
from leaderboard import leaderboard

from cogan_lib.base.files import CoganError

INCLUDES = Path(__file__).resolve().parents[2] / "book" / "_includes"
PUBLIC = {
    "challenge": "abc",
    "commitment": "abcdef",
    "sky_sha256": "12" * 32,
    "nside": 64,
    "fwhm_arcmin": 120.0,
    "places": [[110.0, 0.0]] * 20,
    "blocks": 12,
}


def entry(name, score, error=0.02, **changes):
    """An entry as `cogan_lib score` writes it."""
    ends = {"low": round(score - 1.96 * error, 2), "high": round(score + 1.96 * error, 2)}
    row = {"challenge": "abc", "name": name, "seed": 1, "members": 1, "file_sha256": name}
    row |= {"score": score, "error": error, **ends, "p_value": 0.2, "passes": True}
    row |= {"worst": "paired_spectrum", "r2": 0.5, "r2_low": 0.4, "r2_high": 0.6}
    return row | {"attempt": 1, "attempts": 3} | changes


@pytest.fixture
def folder(tmp_path):
    """Where the staged book has the entries of a challenge."""
    place = tmp_path / "results" / "challenge"
    place.mkdir(parents=True)
    (place / "challenge.json").write_text(json.dumps(PUBLIC), "utf-8")
    return place


def put(folder, *entries):
    for number, row in enumerate(entries):
        (folder / f"{number}.json").write_text(json.dumps(row), "utf-8")


def test_ranks_say_which_places_an_entry_may_hold(folder):
    impostor = entry("elsewhere", 0.01, r2=-0.9, r2_low=-1.1, r2_high=-0.7)
    put(folder, entry("far", 0.5), entry("b", 0.14), entry("a", 0.1), entry("c", 0.19), impostor)
    found = [(row["name"], row["rank"]) for row in leaderboard(folder)["rows"]]
    assert found == [("elsewhere", ""), ("a", "1-2"), ("b", "1-3"), ("c", "2-3"), ("far", "4")]


def test_the_page_has_a_row_for_each_entry(folder, tmp_path):
    shutil.copytree(INCLUDES, tmp_path / "_includes")
    put(folder, entry("mine", 0.1), entry("yours", 0.4, passes=False, p_value=0.002))
    pages.write_pages(tmp_path)
    text = (tmp_path / "_generated" / "challenge.md").read_text("utf-8")
    for said in ("`abcdef`", "passes, p = 0.200", "fails, p = 0.002", "0.10 [0.06, 0.14]",
                 "paired spectrum", "1 (of all: 3)", "20 tiles in 12 blocks"):  # fmt: skip
        assert said in text
    for path in folder.iterdir():
        path.unlink()
    pages.write_pages(tmp_path)
    assert "no challenge" in (tmp_path / "_generated" / "challenge.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([entry("a", 0.1, challenge="other")], "belongs to challenge other"),
        ([entry("a", 0.1) | {"score": "0.1"}], "no entry"),
        ([{"name": "a"}], "no entry"),
        ([entry("a | b", 0.1)], "no entry"),
        ([entry("a", 0.1), entry("a", 0.1)], "twice"),
    ],
)
def test_a_malformed_board_is_one_sentence(folder, rows, message):
    put(folder, *rows)
    with pytest.raises(CoganError, match=message):
        leaderboard(folder)
