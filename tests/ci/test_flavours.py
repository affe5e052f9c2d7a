"""The flavours of the notebooks: what every role and directive becomes, and what is left out."""

import json
import zipfile
from pathlib import Path

import flavour_check
import flavours
import pytest
from flavour_labels import Book, numbers_on_site
from flavour_parts import Exercise, code, markdown
from flavour_runs import alone_environment, displayed, stub_is_seen
from flavour_text import Words, left_raw, roles, split_solutions

from cogan_lib.base.files import CoganError
from cogan_lib.base.session import BOOK_RUN

ROOT = Path(__file__).resolve().parents[2]
SITE = "https://you.github.io/cogan/"
WORKS = """
@article{zhu2017, author = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip}, title = {Cycles},
  journal = {J}, year = {2017}, url = {https://arxiv.org/abs/1703.10593}}
@article{ade2014a, author = {{Planck Collaboration}}, title = {Dust}, journal = {A}, year = {2014},
  url = {https://doi.org/10.1/a}}
@article{ade2014b, author = {{Planck Collaboration}}, title = {{CO}}, journal = {A}, year = {2014},
  url = {https://doi.org/10.1/b}}
"""
GLOSSARY = "# Glossary\n\n```{glossary}\nPower spectrum\n  How much.\n\nK km/s\n  A unit.\n```\n"
TITLE = "# Two\n\nA promise.\n\n<!-- badges -->\n\n| a |\n|---|\n| b |"
EXERCISE = "```{exercise} Twice\n:label: ex-1\n\nWrite `twice(x)` and `limit`.\n```"
FIGURE = {
    "figure": {"name": "fig-one", "caption": "Of {eq}`eq-one`\n$x_1$."},
    "image": {"alt": "-"},
}


def cell(name, source, **metadata):
    return {**code(name, source), "metadata": metadata}


def chapter():
    return [
        markdown("title", TITLE),
        cell("setup", "%pip install x", tags=["setup", "hide-input"]),
        cell("parameters", "n: int = 1  # a number", tags=["parameters"]),
        markdown("part", "(sec-part)=\n## A part\n\n$$\na = b\n$$ (eq-one)"),
        cell("fig-one", "draw()", mystnb=FIGURE),
        cell("n-glue", 'session.glue("two-n", n)', tags=["remove-input"]),
        markdown("checks-text", "There are {glue:text}`two-n`."),
        cell("checks", "def check_twice(twice, to): ...", tags=["hide-input"]),
        markdown(
            "exercise-1", "```{exercise} Twice\n:label: ex-1\n\nWrite `twice(x)` and `limit`.\n```"
        ),
        markdown("exercise-1-solution-start", "```{solution-start} ex-1\n:class: dropdown\n```"),
        cell(
            "exercise-1-solution",
            "import math\n\n\ndef aid(x):\n    return x\n\n\n"
            "def twice(x: int, *, y=2) -> int:\n    return y * aid(x)\n\n\n"
            "limit = 3\ncheck_twice(twice, limit)\nprint(twice(2))",
        ),
        markdown("exercise-1-solution-end", "That was {eq}`eq-one`.\n\n```{solution-end}\n```"),
        markdown("end", "The end {cite}`zhu2017`."),
    ]


@pytest.fixture
def folder(tmp_path):
    """A small book: one chapter, two pages, three works."""
    book = tmp_path / "book"
    book.mkdir()
    write(book, chapter())
    (book / "glossary.md").write_text(GLOSSARY, "utf-8")
    (book / "data.md").write_text("# The data\n\n(own)=\n## Your own maps\n", "utf-8")
    (book / "references.bib").write_text(WORKS, "utf-8")
    return book


def write(book, cells, page="02-two"):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "accelerator": "GPU", "colab": {"gpuType": "T4"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (book / f"{page}.ipynb").write_text(json.dumps(notebook), "utf-8")


def words(folder, text, site=""):
    return Words(Book(folder), "02-two", [text], site).plain(text)


def made(out, flavour, page="02-two"):
    return json.loads((out / flavour / f"{page}.ipynb").read_text("utf-8"))


def by_id(notebook):
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


ARXIV, DOI = "https://arxiv.org/abs/1703.10593", "https://doi.org/10.1"
PLANCK = "[Planck Collaboration 2014"


@pytest.mark.parametrize(
    ("text", "plain", "linked"),
    [
        ("a {term}`power spectrum` b", "a power spectrum b",
         f"a [power spectrum]({SITE}glossary.html#term-Power-spectrum) b"),
        ("in {term}`kelvins <K km/s>`", "in kelvins",
         f"in [kelvins]({SITE}glossary.html#term-K-km-s)"),
        ("{numref}`fig-one` and {eq}`eq-one`", "Figure 2.1 and (2.1)", None),
        ("see {ref}`sec-part`, {ref}`there <sec-part>`", 'see "A part", there', None),
        ("{ref}`own`", '"Your own maps" (the book\'s page "The data")',
         f"[Your own maps]({SITE}data.html#own)"),
        ("{ref}`ex-1`", "Exercise 2.1", None),
        ("Go to {doc}`02-two`. {doc}`data` is a page.",
         'Go to chapter 2 ("Two"). The book\'s page "The data" is a page.',
         f"Go to [Two]({SITE}02-two.html). [The data]({SITE}data.html) is a page."),
        ("x {cite}`zhu2017,\n  ade2014b`, y",
         f"x [[Zhu et al. 2017]({ARXIV}); {PLANCK}]({DOI}/b)], y", None),
        ("{cite:t}`zhu2017` says", f"[Zhu et al. (2017)]({ARXIV}) says", None),
        ("{cite}`ade2014a` {cite}`ade2014b`",
         f"[{PLANCK}a]({DOI}/a)] [{PLANCK}b]({DOI}/b)]", None),
        ("n = {glue:text}`two-n-all`, ±{glue:text}`two-n`°", "n = **[n all]**, ±<b>[n]</b>°", None),
        ("{eq}`eq-one`\n\n```\n{eq}`eq-one`\n```", "(2.1)\n\n```\n{eq}`eq-one`\n```", None),
        ("`` {eq}`eq-one` `` is {eq}`eq-one`", "`` {eq}`eq-one` `` is (2.1)", None),
        ("`{eq}` is {eq}`eq-one`", "`{eq}` is (2.1)", None),
        ("- a\n  {eq}`eq-one`\n- b\n\n  $$\n  c\n  $$ (eq-one)",
         "- a\n  (2.1)\n- b\n\n  $$\n  c \\tag{2.1}\n  $$", None),
        ("| {eq}`eq-one` | eq |\n|---|---|\n| eq | *{numref}`fig-one`* |",
         "| (2.1) | eq |\n|---|---|\n| eq | *Figure 2.1* |", None),
        ("```{warning}\nMind {eq}`eq-one`.\n\nTwice.\n```",
         "> **Warning.** Mind (2.1).\n>\n> Twice.", None),
        (":::{tip}\nGo.\n:::", "> **Tip.** Go.", None),
        ("(here)=\n# T\n\n% a remark\n\nx <!-- y --> z\n\n<!-- w -->", "# T\n\nx  z", None),
    ],
)  # fmt: skip
def test_each_role_becomes_text_or_a_link(folder, text, plain, linked):
    assert words(folder, text) == plain
    assert words(folder, text, SITE) == (linked or plain)
    assert not left_raw(plain)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{term}`nobody`", "the glossary has no term 'nobody'"),
        ("{eq}`nothing`", "nothing has the label 'nothing'"),
        ("{doc}`nowhere`", "there is no page 'nowhere'"),
        ("{cite}`none2000`", "references.bib has no work 'none2000'"),
        ("{download}`x`", "nothing has the label 'x'"),
        ("{kbd}`ex-1`", "no flavour knows the role 'kbd'"),
        ("```{figure} x.png\n```", "no flavour knows the directive 'figure'"),
    ],
)
def test_what_points_nowhere_is_refused(folder, text, said):
    with pytest.raises(CoganError, match=said):
        words(folder, text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a {eq}`b`", "the role {eq}`b`"),
        ("```{note}\nx\n```", "the directive note"),
        ("(a)=\n# T", "myst target"),
        ("$$\na\n$$ (eq-b)", "math block label 'eq-b'"),
        ("% x", "myst line comment"),
        ("<!-- x -->", "an HTML comment"),
        ("a <!-- x -->", "an HTML comment"),
        ("[a]{.b}", "{attributes}"),
        ("{.b}\na", "{attributes}"),
        ("a**[b]**c", "asterisks"),
    ],
)
def test_what_is_left_raw_is_found(text, what):
    assert any(found.startswith(what) for found in left_raw(text))


def test_code_and_mathematics_are_not_raw():
    text = "`{eq}`, ``(a)=``, $\\frac{a}{b}$, {x}\n\n```python\nx = {1: 2}  # {eq}`a`\n```"
    assert left_raw(text) == [] and roles(text) == []


def test_the_flavours_differ_in_their_solutions(folder, tmp_path):
    flavours.make_flavours(folder, tmp_path / "out", SITE)
    colab, student, solved = (by_id(made(tmp_path / "out", f)) for f in flavours.FLAVOURS)
    answer = (
        "# Exercise 2.1\nfrom cogan_lib.base.exercises import attempt\n\n\n"
        "def twice(x: int, *, y=2) -> int:\n    ...  # your answer\n\n\n"
        "limit = ...  # your answer\n\n\nattempt(check_twice, twice, limit)"
    )
    assert student["exercise-1-answer"] == colab["exercise-1-answer"] == answer
    assert "exercise-1-answer" not in solved
    assert not any("solution" in name for name in student)
    assert "aid" not in json.dumps(student) and "That was" not in json.dumps(student)
    title = "# @title Solution of exercise 2.1\n"
    assert colab["exercise-1-solution"] == title + solved["exercise-1-solution"]
    assert colab["exercise-1-solution-end"].startswith("<details>")
    assert solved["exercise-1-solution-end"] == "That was (2.1)."
    folded = {c["id"]: c["metadata"] for c in made(tmp_path / "out", "colab")["cells"]}
    assert folded["exercise-1-solution"] == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert folded["checks"]["cellView"] == folded["setup"]["cellView"] == "form"
    assert folded["parameters"] == {"tags": ["parameters"]}


def test_a_flavour_keeps_what_notebooks_need(folder, tmp_path):
    flavours.make_flavours(folder, tmp_path / "out", SITE)
    notebook = made(tmp_path / "out", "student")
    cells = by_id(notebook)
    assert notebook["metadata"]["accelerator"] == "GPU"
    assert notebook["metadata"]["colab"] == {"gpuType": "T4"}
    assert cells["fig-one-caption"] == "**Figure 2.1.** Of (2.1) $x_1$."
    assert cells["part"] == "## A part\n\n$$\na = b \\tag{2.1}\n$$"
    assert f"[This chapter on the book's site]({SITE}02-two.html)" in cells["title"]
    assert cells["works-cited"] == (
        "### Works cited\n\n- Zhu J., Park T., Isola P. (2017). *Cycles*. J. "
        "[arXiv: 1703.10593](https://arxiv.org/abs/1703.10593)"
    )
    assert flavour_check.check(folder, tmp_path / "out", flavours.FLAVOURS) == []
    flavours.make_flavours(folder, tmp_path / "out", "")
    title = by_id(made(tmp_path / "out", "student"))["title"]
    assert title == "# Two\n\nA promise.\n\n| a |\n|---|\n| b |"


def test_equal_notebooks_make_equal_zips(folder, tmp_path):
    for out in ("one", "other"):
        flavours.make_flavours(folder, tmp_path / out, SITE)
    one, other = (tmp_path / out / "colab.zip" for out in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.namelist() == ["cogan-colab/02-two.ipynb"]


def spoil(name, **changes):
    """The chapter with one cell changed."""
    return [{**c, **changes} if c["id"] == name else c for c in chapter()]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (spoil("exercise-1-solution", id="solution-1"), "called exercise-1-solution-start"),
        (spoil("exercise-1-solution", source="twice = 2"), "no line check_NAME"),
        (spoil("exercise-1-solution", source="check_twice(1)"), "takes nothing that the solution"),
        (spoil("exercise-1-solution", source="def twice(): ...\ncheck_other(twice)"),
         "check_other is not defined in a cell before it"),
        (spoil("exercise-1-solution", source="thrice = 3\ncheck_twice(thrice)"),
         "The text does not name `thrice`"),
        (spoil("exercise-1-solution", source="twice = 3\ncheck_twice(a=twice)"), "plain arguments"),
        ([*chapter(), code("later", "print(aid(2))")],
         "The cell 'later' uses aid, which only the solution of exercise 2.1 defines"),
        (spoil("n-glue", source="session.glue('one-n', 1)\nsession.glue('two-n', 2)"),
         "one-n and two-n have one label, [n]"),
        (spoil("n-glue", source="session.glue('two-m', 1)"), "No cell displays the number [n]"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_one_sentence(folder, tmp_path, cells, said):
    write(folder, cells)
    flavours.make_flavours(folder, tmp_path / "out", "")
    problems = flavour_check.check(folder, tmp_path / "out", flavours.FLAVOURS)
    assert any(said in problem for problem in problems), problems


def test_an_open_solution_is_found(folder, tmp_path):
    flavours.make_flavours(folder, tmp_path / "out", "")
    solved = (tmp_path / "out" / "solved" / "02-two.ipynb").read_text("utf-8")
    for flavour in ("student", "colab"):
        (tmp_path / "out" / flavour / "02-two.ipynb").write_text(solved, "utf-8")
    problems = flavour_check.check(folder, tmp_path / "out", flavours.FLAVOURS)
    assert [p for p in problems if "shows a solution" in p] == [
        "02-two: colab: The cell 'exercise-1-solution' shows a solution.",
        "02-two: student: The cell 'exercise-1-solution' shows a solution.",
    ]


def test_a_solution_without_an_end_is_refused(folder, tmp_path):
    write(folder, [c for c in chapter() if c["id"] != "exercise-1-solution-end"])
    with pytest.raises(CoganError, match="The solution of ex-1 has no end"):
        flavours.make_flavours(folder, tmp_path / "out", "")


def test_solutions_that_share_their_cells_with_text_are_taken_apart():
    text = "a\n\n```{solution-end}\n```\n\nb\n\n```{solution-start} x\n```"
    assert split_solutions(text) == [("text", "a"), ("end", ""), ("text", "b"), ("start", "x")]


def test_a_long_check_is_broken_at_its_arguments():
    names = [f"a_rather_long_name_{n}" for n in range(4)]
    source = "\n".join([*(f"{n} = 1" for n in names), f"check_all({', '.join(names)})"])
    answer = Exercise("x", "1.1", [code("exercise-1-solution", source)]).answer()
    assert max(map(len, answer.splitlines())) <= 79
    assert answer.endswith("attempt(\n    check_all,\n    " + ",\n    ".join(names) + ",\n)")


def test_the_books_chapters_have_nothing_raw_and_no_open_solution(tmp_path):
    flavours.make_flavours(ROOT / "book", tmp_path, SITE)
    made_problems = [
        problem
        for problem in flavour_check.check(ROOT / "book", tmp_path, flavours.FLAVOURS)
        if problem.split(": ")[1] in flavours.FLAVOURS
    ]
    assert made_problems == []
    chapters = len(list((ROOT / "book").glob("[0-9][0-9]-*.ipynb")))
    made = [len(list((tmp_path / flavour).glob("*.ipynb"))) for flavour in flavours.FLAVOURS]
    assert made == [chapters] * 3 and chapters >= 8


def test_numbers_are_those_of_a_built_site():
    page = (
        '<figure class="a" id="fig-one"><img><span class="caption-number">Figure 2.1 </span>'
        '</figure><div class="math" id="equation-eq-one"><span class="eqno">(2.3)<a></a></span>'
        '</div><div class="exercise admonition" id="ex-1"><p><span '
        'class="caption-number">Exercise 2.2 </span>'
    )
    assert numbers_on_site(page) == {"fig-one": "2.1", "eq-one": "2.3", "ex-1": "2.2"}
    build = ROOT / "_build"
    assert flavour_check.compare(build / "html", build / "stage") == []  # where one has been built


def test_a_reader_runs_no_book_and_sees_its_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv(BOOK_RUN, "1")
    environment = alone_environment(tmp_path, None)
    assert BOOK_RUN not in environment
    shown = {"data": {"text/markdown": "**[twice without]** = 1.97"}}
    other = {"data": {"text/markdown": ["| a |\n", "|---|"]}}
    assert displayed([{"outputs": [shown, other]}, {}]) == {"twice without"}


def test_an_empty_answer_cell_has_to_say_so():
    answer = {"id": "exercise-1-answer", "outputs": [{"text": ["No answer ", "yet.\n"]}]}
    assert stub_is_seen(answer) and stub_is_seen({"id": "title"})
    assert not stub_is_seen({**answer, "outputs": []})
    assert not stub_is_seen({**answer, "outputs": [{"text": "Your answer raised TypeError: x\n"}]})
