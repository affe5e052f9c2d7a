"""The tables that are made from the library itself."""

import json
from pathlib import Path

import book_tables

from cogan_lib.base.config import Settings
from cogan_lib.sky.lines import COLUMN_UNITS

ROOT = Path(__file__).resolve().parents[2]


def test_tables_name_every_parameter_product_and_module(tmp_path):
    book_tables.write_tables(tmp_path)
    pages = {path.stem: path.read_text("utf-8") for path in (tmp_path / "_generated").iterdir()}
    assert all(f"| `{name}` |" in pages["parameters"] for name in Settings.model_fields)
    assert "`NHI_HPX.fits`" in pages["products"]
    for path in (ROOT / "cogan_lib").rglob("*.py"):
        if path.name != "__init__.py":
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            assert f".. automodule:: {name}\n   :members:" in pages["api"]
    assert pages["profiles"].startswith("| Parameter | `smoke` | `laptop` | `real` | `gpu` |")


def test_the_parameter_table_says_which_chapters_have_it(tmp_path):
    cell = {"metadata": {"tags": ["parameters"]}, "source": ["seed: int = 1  # why\n", "nside = 8"]}
    (tmp_path / "03-training.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")
    lines = book_tables.parameter_table(tmp_path).splitlines()
    used = {line.split("`")[1]: line.split("|")[-2].strip() for line in lines[2:]}
    assert used["seed"] == used["nside"] == "3"
    assert used["run_dir"] == ""


def test_the_data_page_explains_every_column():
    page = (ROOT / "book" / "data.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in COLUMN_UNITS)
