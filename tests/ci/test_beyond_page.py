"""The stored run of chapter 06 becomes tables; without one the page stays empty."""

import json

import pytest
from beyond_page import FOLDER, write_beyond

from cogan_lib.base.files import CoganError


def correlation(value):
    return {"value": value, "p_value": 0.0007}


def report():
    numbers = {"rho": [0.9, 0.5], "ratio": [0.8, 1.2], "peaks": {"V1": 1.1, "V2": 1.3}}
    whole = numbers | {"r2": 0.71, "crps": 0.41, "parameters": 347160, "seconds": 1800.7}
    clouds = whole | {"rho": None, "r2": None, "crps": None, "parameters": 0}
    inside = {"spectrum": 1.0, "minkowski": 0.97}
    keys = ("mock", "dust", "mock_beyond_dust", "mock_beyond_dust_hi")
    part = {key: correlation(0.64 - i / 10) for i, key in enumerate(keys)}
    training = ["CRPS", "R²", "coverage of 68 %", "power, first bin", "power, last bin"]
    training += ["spread/error"]
    beyond = {
        "line": "W_CO21",
        "tiles": 465,
        "members": 8,
        "came_along": True,
        "targets": [
            {"quantity": "R²", "paper": "–", "to reach": "0.72", "ours": "0.71", "met": "not met"}
        ],
        "trainings": [dict.fromkeys(training, 0.4) | {"members": "20 of seed 7", "R²": 0.7213}],
        "baselines": {"one member": whole, "cloud population": clouds},
        "verdicts": {
            "blurred": {"inside_2sigma": inside, "sharp": {"passes": False, "p_value": 0.002}},
            "too few": {"inside_2sigma": inside, "sharp": {}},
        },
        "high_latitude": {
            "b_min_deg": 20.0,
            "regions": {"unseen": part | {"share_of_sky": 0.61}},
        },
    }
    return {"beyond": beyond, "provenance": {"seed": 1, "git_commit": "abc"}}


def written(stage):
    write_beyond(stage)
    return (stage / "_generated" / "beyond-run.md").read_text()


def test_without_a_run_there_is_nothing(tmp_path):
    assert written(tmp_path).strip() == ""


def test_every_number_is_in_its_table(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report()))
    (folder / "sky.png").write_bytes(b"")
    (folder / "figures.yaml").write_text("- {file: sky.png, caption: A sky, alt: A map}\n")
    text = written(tmp_path)
    for piece in (
        *("465 held-out tiles", "8 skies", "code abc", "came along", "not met"),
        *("0.710", "0.90 → 0.50", "0.80 to 1.20", "1.10, 1.30", "347,160", "1,801"),
        *("20 of seed 7", "0.721", "0.400", "Members", "CRPS"),
        *("100% / 97%", "fails, p = 0.002", "0.64 (p = 0.0007)", "61% of the sky"),
        *(f"```{{figure}} {FOLDER}/sky.png", ":name: fig-results-beyond-sky"),
    ):
        assert piece in text, piece
    assert text.count("````{list-table}") == 5 and "None" not in text


def test_a_report_of_another_chapter_is_refused(tmp_path):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "report.json").write_text('{"training": {}}')
    with pytest.raises(CoganError, match="no section of chapter 06"):
        write_beyond(tmp_path)
