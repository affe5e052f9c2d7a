"""The companion's own parameters, in profiles and on the command line."""

from pathlib import Path

import book_tables
import companion_settings
import pytest
import run_notebooks

from cogan_lib.base.config import PROFILE_FOLDER, read_profile
from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer.settings import LineTransferSettings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"npix": 36}, "npix must be a multiple of 8"),
        ({"npix": 8}, "npix should be greater than or equal to 16"),
        ({"models": 9}, "models should be greater than or equal to 10"),
        ({"minutes": 0.0}, "minutes should be greater than 0"),
        ({"minuts": 1.0}, "no parameter 'minuts'; did you mean 'minutes'"),
        ({"nside": 64}, "no parameter 'nside'; see cogan_lib.companions.line_transfer.settings"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(parameters, words):
    with pytest.raises(CoganError, match=words):
        LineTransferSettings.check(**parameters)


def of_lines(dotted):
    return {name: value for name, value in dotted.items() if name.startswith("line_transfer.")}


def test_profiles_set_them_in_a_section_and_commands_by_a_dotted_name():
    for path in PROFILE_FOLDER.glob("*.yaml"):
        for name, values in read_profile(path.stem)[1].items():
            own = companion_settings.companion_settings()[name].check(**values)
            assert all(getattr(own, key) == value for key, value in values.items())
    settings, dotted = companion_settings.read_parameters(
        "smoke", {"line_transfer.minutes": 0.1, "seed": 3}
    )
    assert settings.seed == 3
    assert of_lines(dotted) == {
        "line_transfer.npix": 16,
        "line_transfer.models": 20,
        "line_transfer.minutes": 0.1,
    }
    with pytest.raises(CoganError, match="npix must be a multiple of 8"):
        companion_settings.read_parameters("smoke", {"line_transfer.npix": 20})
    with pytest.raises(CoganError, match="no companion 'lines' .* choose from: .*line_transfer"):
        companion_settings.read_parameters("smoke", {"lines.npix": 16})


def test_a_companions_chapter_gets_its_section_and_no_other_does():
    settings, dotted = companion_settings.read_parameters("smoke", {"line_transfer.minutes": 0.1})
    book = Path(__file__).resolve().parents[3] / "book"
    chapters = run_notebooks.select(book, settings, dotted, [], {"line_transfer.minutes"})
    (own,) = (chapter for chapter in chapters if chapter.name == "07-line-transfer")
    others = [chapter for chapter in chapters if chapter is not own]
    assert of_lines(dotted).items() <= own.parameters.items()
    assert own.cell["npix"] == 16 and own.cell["minutes"] == 0.1
    assert own.cell["run_dir"] == "runs/smoke"
    assert not any(of_lines(chapter.parameters) for chapter in others)
    with pytest.raises(CoganError, match="No notebook has a parameter line_transfer.other"):
        run_notebooks.select(book, settings, dotted, ["07"], {"line_transfer.other"})


def test_the_books_tables_have_them():
    book = Path(__file__).resolve().parents[3] / "book"
    (row,) = [
        line for line in book_tables.parameter_table(book).splitlines() if "transfer.npix`" in line
    ]
    assert row.split("|")[2].strip() == "`32`" and row.split("|")[-2].strip() == "7"
    assert (
        "| `line_transfer.models` | `20` | `200` | `200` | `3000` |" in book_tables.profile_table()
    )
