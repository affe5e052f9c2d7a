"""One figure is made again from a run, and what stands under it on the site."""

import base64
import copy
import io
import json
import os
import re
import shutil
import time

import figures
import finish_site
import numpy as np
import pytest
import remake
import run_notebooks
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cogan_lib.base.files import sha256
from tests.books import SKY, code, drive, execute_here, save, status, write_book

DRAW = """\
import io

import numpy as np
from IPython.display import Image, display
from PIL import Image as Picture

seen = (run / "sky.fits").read_text()
(run / "sky.fits").write_text("spoilt")
stream = io.BytesIO()
Picture.fromarray(np.full((4, 6, 3), 10 * seed + len(seen), np.uint8)).save(stream, "png")
display(Image(stream.getvalue()))"""
LEVEL = 10 * 2 + len("sky of seed 2")


def png(pixels, software="Matplotlib version1"):
    """A PNG file with metadata."""
    stream, facts = io.BytesIO(), PngInfo()
    facts.add_text("Software", software)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, "png", pnginfo=facts)
    return stream.getvalue()


def output(content, kind="image/png"):
    text = base64.b64encode(content).decode() if kind == "image/png" else content
    return {"output_type": "display_data", "data": {kind: text}, "metadata": {}}


def picture(pixels):
    return figures.Figure("fig-a", "01-sky", "draw", "png", png(pixels))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A book that has run, with a figure and a slider in its first chapter."""
    book = write_book(tmp_path_factory.mktemp("book"))
    chapter = copy.deepcopy(SKY)
    for cell_id, name, source in (
        ("draw", "fig-sky-map", DRAW),
        ("slide", "fig-sky-slide", "pass"),
        ("later", "", "later = True"),
    ):
        cell = code(cell_id, source)
        if name:
            cell["metadata"]["mystnb"] = {"figure": {"name": name, "caption": "A."}}
        chapter["cells"].append(cell)
    save(book, "01-sky", chapter)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(book)
        here.setattr(run_notebooks, "begin", lambda chapter, out, *_: execute_here(chapter, out))
        assert drive(book, "-p", "seed", "2") == 0
    (book / "runs" / "toy" / "sky.fits").write_text("sky of seed 2", "utf-8")
    path = book / "_build" / "executed" / "toy" / "01-sky.ipynb"
    run = json.loads(path.read_text("utf-8"))
    run["cells"][-3]["outputs"] = [output(png(np.full((4, 6, 3), LEVEL)))]
    run["cells"][-2]["outputs"] = [output("<p>a slider</p>", "text/html")]
    path.write_text(json.dumps(run), "utf-8")
    return book


def again(book, *arguments):
    return remake.main([*arguments, "--profile", "toy"], root=book)


def refused(book, capsys, *arguments):
    """What is said, in one sentence."""
    assert again(book, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1
    return said


def test_a_figure_is_made_by_a_real_kernel_and_its_run_stays_as_it_was(drawn, capfd):
    before = {path: sha256(path) for path in (drawn / "runs").rglob("*.*") if path.is_file()}
    out = drawn / "mine" / "a.png"
    assert again(drawn, "fig-sky-map", "--out", str(out)) == 0
    said = capfd.readouterr().out
    assert "6 of 8 cells" in said and "-p seed 2" in said and "the same pixels" in said
    with Image.open(out) as made:
        assert (np.asarray(made) == LEVEL).all() and made.size == (6, 4)
    assert {path: sha256(path) for path in before} == before
    assert not list((drawn / "_build").glob("remake-*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fig-sky-mop"], "did you mean fig-sky-map"),
        (["xyz"], "'xyz'; its name is the end of the address"),
        (["fig-sky-map", "--out", "a.jpg"], "wants the name of a .png file"),
        (["fig-sky-slide", "--out", "a.png"], "wants the name of a .html file"),
        (["fig-sky-map", "--out", "/dev/null/a.png"], "Cannot write /dev/null/a.png"),
        (["fig-sky-map", "--profile", "none"], "run `make book PROFILE=none`"),
    ],
)
def test_bad_requests_are_one_sentence(drawn, capsys, arguments, words):
    assert remake.main(["--profile", "toy", *arguments], root=drawn) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_lost_run_or_cell_is_a_sentence(drawn, tmp_path, capsys):
    lost = shutil.copytree(drawn, tmp_path / "lost", ignore=shutil.ignore_patterns("runs"))
    assert "There is no run folder" in refused(lost, capsys, "fig-sky-map")
    save(lost, "01-sky", SKY)
    assert "has no cell draw any more" in refused(lost, capsys, "fig-sky-map")
    (lost / "_build" / "executed" / "toy" / "status.json").write_text("{", "utf-8")
    assert "status.json" in refused(lost, capsys, "fig-sky-map")


def test_what_a_killed_remake_has_left_is_swept_a_day_later(tmp_path):
    for name in ("remake-old", "remake-now", "executed"):
        (tmp_path / name / "run").mkdir(parents=True)
    for name in ("remake-old", "executed"):
        os.utime(tmp_path / name, (time.time() - 2 * remake.OLD_SECONDS,) * 2)
    remake.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"remake-now", "executed"}


def test_what_has_changed_since_the_run_is_said(drawn):
    told = status(drawn)
    told["machine"] |= {"python": "3.0", "versions": {"numpy": "0.1"}}
    told["chapters"]["01-sky"]["source_sha256"] = "other"
    lines = remake.changes(picture(np.zeros((2, 2, 3))), told, drawn)
    assert "NOTE: 01-sky has changed since it was run." in lines
    assert any(line.startswith("NOTE: numpy was 0.1, here it is ") for line in lines)
    assert any("Python was 3.0" in line for line in lines)
    assert any("run with commit not a checkout" in line for line in lines)


def test_pixels_are_compared_not_files():
    grey = np.full((10, 10, 3), 100)
    built, other = picture(grey), grey.copy()
    renamed = figures.Figure("fig-a", "01-sky", "draw", "png", png(grey, "Matplotlib version2"))
    assert renamed.content != built.content and remake.compare(built, renamed) == ""
    other[0, :3, 1] += 2  # not seen
    other[1, :2, 0] += 40
    said = remake.compare(built, picture(other))
    assert "2 of 100 (2.00%) differ by more than 2 of 255, the most by 40; 5 differ" in said
    assert "the built one has 10 x 10 pixels" in remake.compare(built, picture(grey[:5]))


def test_what_stands_under_a_figure(drawn):
    found = figures.folds(drawn / "book", drawn / "_build" / "executed" / "toy", status(drawn))
    assert list(found) == ["01-sky"] and list(found["01-sky"]) == ["fig-sky-map", "fig-sky-slide"]
    text = found["01-sky"]["fig-sky-map"]
    words = re.sub(r"<[^>]*>", "", text)
    assert "Cell draw of book/01-sky.ipynb, run with profile toy, seed 2, commit not" in words
    assert "python ci/remake.py fig-sky-map --profile toy" in words
    line = "papermill book/01-sky.ipynb _build/executed/toy/01-sky.ipynb -r run_dir runs/toy"
    assert f"{line} -p seed 2" in words
    assert figures.Figure("", "", "", "png", png(np.full((4, 6, 3), LEVEL))).hash in words
    assert "SHA-256 of its HTML as drawn" in found["01-sky"]["fig-sky-slide"]
    assert len(text.encode()) < 1000


def test_folds_stand_under_their_figures_and_not_in_the_page_to_print(tmp_path):
    shown = '<figure class="a" id="{0}"><figure>x</figure><figcaption>c</figcaption>\n</figure>\n'
    body = shown.format("fig-a") + shown.format("fig-ab")
    page = f'<html><head></head><article class="bd-article">{body}</article></html>'
    (tmp_path / "01-sky.html").write_text(page, "utf-8")
    (tmp_path / "_static").mkdir()
    part = r"<details>\1 of a</details>"
    finish_site.finish(tmp_path, "Toy", {"01-sky": {"fig-a": part, "fig-none": "?"}})
    text = (tmp_path / "01-sky.html").read_text("utf-8")
    assert (
        text.count(part) == 1 and text.index(part) < text.index('id="fig-ab"') and "?" not in text
    )
    assert text.index("c</figcaption>\n</figure>") < text.index(part)
    assert part not in (tmp_path / "print.html").read_text("utf-8")
