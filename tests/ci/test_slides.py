"""Slides: the rule that says what is one, and that nothing comes from another host."""

import re
from pathlib import Path

import nbformat
import pytest
import slides
import yaml

from cogan_lib.base.files import CoganError

ROOT = Path(__file__).resolve().parents[2]


def code(name, source, *outputs, tags=()):
    return {
        "cell_type": "code", "id": name, "source": source, "outputs": list(outputs),
        "metadata": {"tags": list(tags)}, "execution_count": 1,
    }  # fmt: skip


def text(name, source):
    return {"cell_type": "markdown", "id": name, "source": source, "metadata": {}}


PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "iVBOR\n", "text/plain": "F"},
    "metadata": {},
}
SAID = {"output_type": "stream", "name": "stdout", "text": "3\n"}
WARNED = {"output_type": "stream", "name": "stderr", "text": "oh\n"}
WIDGET = {
    "output_type": "display_data",
    "data": {"application/vnd.jupyter.widget-view+json": {}},
    "metadata": {},
}
CELLS = [
    text("title", "# One\n\nA promise.\n\nMore words.\n\n- a\n- b"),
    code("setup", "%pip install x", SAID, tags=["setup"]),
    text(
        "part",
        "## A part\n\nThere are **[data n]** and **[other]**.\n\nSaid **aloud**.\n\n"
        "$$x=1$$\n\n### Below\n\nLast.",
    ),
    code("short", "print(3)", SAID, WARNED),
    code("long", "x = 1\n" * 30, SAID),
    code("fig-a", "draw(<b>)", PICTURE, WIDGET),
    text("fig-a-caption", "**Figure 1.** It.\n\nShows."),
    code("ex-answer", "..."),
    text("end", "## References\n\nNobody.\n\n## What can go wrong\n\nMuch."),
]


def laid_out():
    return slides.lay_out(CELLS, {"data n": "7"}, {"fig-a": "A <curve>"})


def test_headings_and_figures_start_slides():
    made = laid_out()
    kinds = [(c["metadata"]["slideshow"]["slide_type"], c["source"].split("\n")[0]) for c in made]
    assert kinds == [
        ("slide", "# One"),
        ("notes", "More words."),
        ("slide", "## A part"),
        ("notes", "Said **aloud**."),
        ("subslide", "### Below"),
        ("subslide", "print(3)"),
        ("subslide", ""),
        ("-", "**Figure 1.** It."),
        ("slide", "## What can go wrong"),
    ]
    assert len({cell["id"] for cell in made}) == len(made)


def test_numbers_are_the_runs_and_figures_have_words():
    made = laid_out()
    assert "There are 7 and **[other]**" in made[2]["source"] and "$$x=1$$" in made[2]["source"]
    (figure,) = (cell for cell in made if cell["cell_type"] == "code" and not cell["source"])
    (output,) = figure["outputs"]
    assert output["data"] == {
        "text/html": '<img alt="A &lt;curve&gt;" src="data:image/png;base64,iVBOR">'
    }
    (short,) = (cell for cell in made if cell["source"] == "print(3)")
    assert short["outputs"] == [SAID]
    record = {"output_type": "display_data", "data": {slides.RECORD: "'356'"},
              "metadata": {"scrapbook": {"name": "training-tiles"}}}  # fmt: skip
    assert slides.glued([code("a", "", record)]) == {slides.glue_label("training-tiles"): "356"}


def test_a_hash_in_code_is_no_heading():
    found = slides.sections("# A\n\n```bash\n# no\n```\n\n## B\n\ntext")
    assert [level for level, _ in found] == [1, 2]


@pytest.fixture(scope="module")
def page():
    made = {"nbformat": 4, "nbformat_minor": 5, "cells": laid_out(), "metadata": {"title": "T"}}
    return slides.to_html(nbformat.from_dict(made))


def test_nothing_comes_from_another_host(page):
    assert slides.foreign(page) == []
    assert 'src="reveal/dist/reveal.js"' in page and "Reveal.initialize" in page
    assert page.count("<section>") >= 8 and "draw(" not in page and "require" not in page
    scripts = re.findall(r"<script[^>]*src=[\"']([^\"']+)", page)
    assert set(scripts) == {
        "_static/mathjax/tex-mml-chtml.js", "reveal/dist/reveal.js", "reveal/plugin/notes/notes.js",
    }  # fmt: skip


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://a.b/x.js">',
        "<img alt='' src='//a.b/x.png'>",
        '<link rel="stylesheet" href="http://a.b/x.css">',
        "<style>@import url(https://a.b/x.css);</style>",
        "<script type=module>import m from 'https://a.b/m.js'</script>",
    ],
)
def test_another_host_is_seen(html):
    assert slides.foreign(html) and not slides.foreign('<a href="https://a.b/">a link</a>')


def test_slides_say_which_run_they_show(tmp_path):
    assert slides.run_of(tmp_path) == ""
    said = "Notebooks executed with profile laptop, commit 0123456789ab, 2026-11-02."
    config = yaml.safe_dump({"html": {"extra_footer": f"By us.\n<p>{said}</p>\n"}})
    (tmp_path / "stage-config.yml").write_text(config, "utf-8")
    assert slides.run_of(tmp_path) == said


def test_what_is_missing_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "files", lambda _: [])
    with pytest.raises(CoganError, match="Slides take reveal.js from"):
        slides.copy_reveal(tmp_path)
    monkeypatch.setattr(slides, "copy_reveal", lambda out: None)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text("", "utf-8")
    (tmp_path / "book" / "glossary.md").write_text("# Glossary\n", "utf-8")
    assert slides.main([str(tmp_path / "out"), "--only", "03"], tmp_path) == 1
    assert "run `make book` before" in capsys.readouterr().err


TEACH = sorted((ROOT / "book" / "teach").glob("*.md"))


@pytest.mark.parametrize("path", TEACH, ids=lambda path: path.stem)
def test_pages_for_teachers_are_short_and_point_somewhere(path):
    source = path.read_text("utf-8")
    everything = "\n".join(p.read_text("utf-8") for p in (ROOT / "book").glob("*.ipynb"))
    for name in re.findall(r"\{doc\}`([^`]+)`", source):
        base = ROOT / "book" if name.startswith("/") else path.parent
        assert any((base / f"{name.strip('/')}{end}").exists() for end in (".md", ".ipynb")), name
    for role, name in re.findall(r"\{(numref|eq)\}`([^`]+)`", source):
        assert (f'"name": "{name}"' if role == "numref" else f"({name})") in everything, name
    labels = "\n".join(p.read_text("utf-8") for p in (ROOT / "book").rglob("*.md"))
    assert all(f"({name})=" in labels for name in re.findall(r"\{ref\}`([^`]+)`", source))
    for block in re.split(r"\n\s*\n", source):
        if not block.startswith(("|", "```")):
            for piece in re.split(r"\n(?=[-\d:]\.? )", block):
                assert len(piece.split()) <= 60, piece


def test_schedules_add_up():
    source = (ROOT / "book" / "teach" / "schedules.md").read_text("utf-8")
    parts = re.split(r"^## ", source, flags=re.MULTILINE)[1:]
    sums = {
        part.split("\n")[0].partition(":")[0]: sum(
            map(int, re.findall(r"^\| (\d+) \|", part, re.M))
        )
        for part in parts
    }
    assert sums["90 minutes"] == 90 and sums["3 hours"] == 180
    assert all(6 * 60 <= sums[day] <= 8 * 60 for day in ("One day", "Two days"))


def test_the_pages_are_in_the_table_of_contents_together_or_not_at_all():
    toc = str(yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8")))
    assert len({f"teach/{path.stem}" in toc for path in TEACH}) == 1
