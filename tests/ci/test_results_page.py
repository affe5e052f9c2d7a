"""The generated parts of the book: the reproduction tables and the tables made from the library."""

import copy
import json
import shutil
from pathlib import Path

import book_tables
import pytest
import results_page
import yaml

from cogan_lib.base.config import Settings
from cogan_lib.base.files import CoganError
from cogan_lib.sky.lines import COLUMN_UNITS

ROOT = Path(__file__).resolve().parents[2]
RESULT = {
    "r2_heldout": 0.67,
    "r2_heldout_loglinear": 0.61,
    "spectrum": {
        "ell": [100, 300, 900],
        "in_beam": [True, True, False],
        "median_ratio": [0.9, 1.2, 5.0],
        "median_ratio_68": {"low": [0.7, 1.1, 4.0], "high": [1.15, 1.35, 6.0]},
        "inside_2sigma": 1.0,
        "p_value": 0.01,
    },
    "spectrum_standardised": {"inside_2sigma": 1.0},
    "rho_ell_real_mock": [0.9, 0.4, 0.0],
    "rho_ell": {
        "DUST x real": {"mean_spectra": [0.8, 0.6, 0.1]},
        "DUST x mock": {"mean_spectra": [0.9, 0.5, 0.9]},
    },
    "minkowski": {"inside_2sigma": 0.97, "p_value": 0.2, "peak_ratio": {"V1": 1.1, "V2": 1.2}},
    "shapes": {"inside_2sigma": 0.8},
}
REPORT = {
    "validation": {"W_CO21": RESULT},
    "training": {"seconds": 1080.0, "epochs": 31},
    "synthesis": {"seconds": 55.0},
    "provenance": {"seed": 1, "git_commit": "abc", "python": "3.12", "versions": {"torch": "2.9"}},
}


@pytest.fixture
def stage(tmp_path):
    """A staged book without results of its own."""
    shutil.copytree(ROOT / "book" / "_includes", tmp_path / "_includes")
    return tmp_path


def store(stage: Path, report: dict) -> None:
    (stage / "results" / "real").mkdir(parents=True, exist_ok=True)
    (stage / results_page.REPORT).write_text(json.dumps(report))


def rows(stage: Path, report: dict) -> dict[str, tuple[str, str]]:
    """Ours and status of every claim of the shipped rows."""
    prose = results_page.read_prose(stage / "_includes" / "reproduction.yaml")
    report = results_page.within_beam(copy.deepcopy(report))
    every = (row for section in prose["sections"] for row in section["rows"])
    return {row["claim"]: results_page.judge(row, report) for row in every}


def generated(stage: Path, name: str) -> str:
    return (stage / "_generated" / f"{name}.md").read_text()


def test_without_a_report_the_page_says_so(stage):
    results_page.write_results(stage)
    page = generated(stage, "reproduction")
    assert "no results on the real sky" in page
    assert "not run yet" in page
    assert "{validation" not in page and "TARGET" not in page
    assert generated(stage, "headline").strip() == ""


def test_numbers_of_the_report_reach_the_pages(stage):
    store(stage, REPORT)
    results_page.write_results(stage)
    page = generated(stage, "reproduction")
    assert "R² = 0.670; a log-linear fit of the same inputs 0.610" in page
    assert "31 epochs, 18 minutes" not in page  # its row also needs the settings: not recorded here
    assert "31 epochs, 18 minutes" in generated(stage, "real-run")
    assert "R² = 0.67, against 0.61" in generated(stage, "headline")


def test_bins_beyond_the_beam_do_not_count(stage):
    ours, status = rows(stage, REPORT)["Power on small scales"]
    assert "0.90 to 1.20 for ell 100 to 300" in ours
    assert status == "reproduced"


@pytest.mark.parametrize(
    ("path", "value", "claim", "status"),
    [
        ("spectrum.median_ratio", [0.9, 2.0, 1.0], "Power on small scales", "approximated"),
        ("spectrum.median_ratio", [0.9, 7.0, 1.0], "Power on small scales", "not"),
        ("r2_heldout", 0.5, "The amplitude of CO on held-out sky", "not"),
        (
            "minkowski.inside_2sigma",
            0.8,
            "The Minkowski functionals agree within 2 sigma",
            "approximated",
        ),
        (
            "spectrum.p_value",
            0.2,
            "Can chance alone make the difference between real and made?",
            "reproduced",
        ),
        (
            "spectrum.p_value",
            None,
            "Can chance alone make the difference between real and made?",
            "not measured",
        ),
    ],
)
def test_a_status_follows_its_number(stage, path, value, claim, status):
    report = copy.deepcopy(REPORT)
    *above, last = path.split(".")
    place = report["validation"]["W_CO21"]
    for key in above:
        place = place[key]
    place[last] = value
    assert rows(stage, report)[claim][1] == status


def test_of_two_lines_the_worse_counts(stage):
    report = copy.deepcopy(REPORT)
    report["validation"]["W_CO10"] = {**copy.deepcopy(RESULT), "r2_heldout": 0.1}
    ours, status = rows(stage, report)["The amplitude of CO on held-out sky"]
    assert status == "not"
    assert "CO J=1-0: R² = 0.100" in ours and "CO J=2-1: R² = 0.670" in ours


def test_figures_come_with_caption_and_alt(stage):
    store(stage, REPORT)
    listed = stage / results_page.FOLDER / "figures.yaml"
    listed.write_text("- {file: sky.png, caption: The sky., alt: An ellipse.}\n")
    with pytest.raises(CoganError, match="not there"):
        results_page.write_results(stage)
    (listed.parent / "sky.png").touch()
    results_page.write_results(stage)
    assert ":name: fig-results-real-sky\n:alt: An ellipse." in generated(stage, "real-run")
    listed.write_text("- {file: sky.png, caption: The sky.}\n")
    with pytest.raises(CoganError, match="alt"):
        results_page.write_results(stage)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"why": None}, "why missing"),
        ({"status": "reproduced", "reproduced": "a >= 1"}, "either"),
        ({"status": "perfect"}, "no status 'perfect'"),
    ],
)
def test_malformed_rows_are_refused(tmp_path, change, message):
    row = {"claim": "c", "paper": "p", "ours": "o", "why": "w", "status": "not", **change}
    row = {key: value for key, value in row.items() if value is not None}
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"sections": [{"title": "t", "rows": [row]}]}))
    with pytest.raises(CoganError, match=message):
        results_page.read_prose(path)


def test_tables_name_every_parameter_product_and_module(stage):
    book_tables.write_tables(stage, {"03-training": {"seconds": 600.0}})
    parameters = generated(stage, "parameters")
    assert all(f"| `{name}` |" in parameters for name in Settings.model_fields)
    assert "10 min" in generated(stage, "chapters")
    assert "`NHI_HPX.fits`" in generated(stage, "products")
    api = generated(stage, "api")
    for path in (ROOT / "cogan_lib").rglob("*.py"):
        if path.name != "__init__.py":
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            assert f".. automodule:: {name}\n   :members:" in api
    profiles = generated(stage, "profiles")
    assert profiles.startswith("| Parameter | `smoke` | `laptop` | `real` | `gpu` |")


def test_the_parameter_table_says_which_chapters_have_it(stage):
    cell = {"metadata": {"tags": ["parameters"]}, "source": ["seed: int = 1  # why\n", "nside = 8"]}
    (stage / "03-training.ipynb").write_text(json.dumps({"cells": [cell]}))
    lines = book_tables.parameter_table(stage).splitlines()
    used = {line.split("`")[1]: line.split("|")[-2].strip() for line in lines[2:]}
    assert used["seed"] == used["nside"] == "3"
    assert used["run_dir"] == ""


def test_the_data_page_explains_every_column():
    page = (ROOT / "book" / "data.md").read_text()
    assert all(f"`{name}`" in page for name in COLUMN_UNITS)
