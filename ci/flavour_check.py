"""What is wrong with the flavours of the notebooks, or with the sources that they are made from."""

from __future__ import annotations

import ast
import json
import re
import warnings
from pathlib import Path

import nbformat
from flavour_labels import PARSER, Book, numbers_on_site
from flavour_parts import Exercise, exercise_text, names_of, parts, tags
from flavour_text import left_raw

from cogan_lib.base.session import glue_label

ANY = "ANYTHING"  # stands for what is filled into the name of a glued number


def check(book: Path, out: Path, flavours: tuple[str, ...]) -> list[str]:
    """What is wrong with the flavours in `out`, one sentence each."""
    labels, problems = Book(book), []
    for source in sorted(book.glob("[0-9][0-9]-*.ipynb")):
        cells = json.loads(source.read_text("utf-8"))["cells"]
        found = check_source(labels, cells)
        solutions = [
            "".join(cell["source"]).strip()
            for part in parts(labels, cells)
            if isinstance(part, Exercise)
            for cell in part.code
        ]
        for flavour in flavours:
            made = json.loads((out / flavour / source.name).read_text("utf-8"))
            found += [f"{flavour}: {text}" for text in check_made(made, flavour, solutions)]
        problems += [f"{source.stem}: {text}" for text in found]
    return problems


def check_source(book: Book, cells: list[dict]) -> list[str]:
    """What in a chapter's source hinders the flavours."""
    problems, before, solved = [], set(), {}
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    for part in parts(book, cells):
        if isinstance(part, Exercise):
            text = "".join(exercise_text(text, part.label) for text in texts)
            found = part.problems(text, before)
            problems += [f"Exercise {part.number}: {sentence}" for sentence in found]
            solved |= {name: part.number for name in part.bound() - before}
            continue
        bound, used = names_of(part)
        problems += [
            f"The cell {part['id']!r} uses {name}, which only the solution of exercise "
            f"{solved[name]} defines."
            for name in sorted((used & set(solved)) - before - bound)
        ]
        before |= bound
    return problems


def check_made(notebook: dict, flavour: str, solutions: list[str]) -> list[str]:
    """What one made notebook has that it should not have, or lacks."""
    problems = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # about ids that are there twice
            nbformat.validate(notebook)
    except (nbformat.ValidationError, Warning) as error:
        problems.append(f"The notebook is not valid: {getattr(error, 'message', error)}.")
    if sum("parameters" in tags(cell) for cell in notebook["cells"]) != 1:
        problems.append("There is not exactly one cell tagged 'parameters'.")
    for cell in notebook["cells"]:
        source, name = "".join(cell["source"]), cell["id"]
        if cell["cell_type"] == "markdown":
            problems += [f"The cell {name!r} has {what}." for what in left_raw(source)]
            continue
        if cell["outputs"] or cell["execution_count"]:
            problems.append(f"The cell {name!r} has outputs.")
        if "mystnb" in cell["metadata"]:
            problems.append(f"The cell {name!r} has metadata for MyST.")
        holds = any(solution in source for solution in solutions)
        if holds and (
            flavour == "student" or flavour == "colab" and "cellView" not in cell["metadata"]
        ):
            problems.append(f"The cell {name!r} shows a solution.")
    problems += check_numbers(notebook["cells"])
    return problems


def check_numbers(cells: list[dict]) -> list[str]:
    """Labels in the text that no cell displays, and labels that two numbers share."""
    problems, shown = [], {}
    for cell in cells:
        if cell["cell_type"] == "code" and "setup" not in tags(cell):
            for key in glued("".join(cell["source"])):
                shown.setdefault(glue_label(key), set()).add(key)
    for label, keys in shown.items():
        if len(keys) > 1:
            problems.append(f"The numbers {' and '.join(sorted(keys))} have one label, [{label}].")
    patterns = [re.escape(label).replace(re.escape(ANY), ".+") for label in shown]
    for label in sorted(labels_in(cells)):
        if not any(re.fullmatch(pattern, label) for pattern in patterns):
            problems.append(f"No cell displays the number [{label}].")
    return problems


def glued(source: str) -> list[str]:
    """Names of the numbers that ``session.glue`` is called with; `ANY` for what is filled in."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("session.glue", "glue")):
            continue
        first = node.args[0]
        pieces = first.values if isinstance(first, ast.JoinedStr) else [first]
        known = [piece.value if isinstance(piece, ast.Constant) else ANY for piece in pieces]
        names.append("".join(known))
    return names


def labels_in(cells: list[dict]) -> set[str]:
    """The bold labels in brackets that stand for numbers in the text."""
    found = set()
    for cell in cells:
        tokens = PARSER.parse("".join(cell["source"])) if cell["cell_type"] == "markdown" else []
        for token in tokens:
            inner = token.children or []
            for before, child in zip(inner, inner[1:], strict=False):
                match = re.fullmatch(r"\[(.+)\]", child.content) if child.type == "text" else None
                if match and (before.type == "strong_open" or before.content == "<b>"):
                    found.add(match.group(1))
    return found


def compare(site: Path, sources: Path) -> list[str]:
    """Where a built site numbers its figures, equations and exercises otherwise than we do."""
    if not (site.is_dir() and sources.is_dir()):
        return []
    book, problems = Book(sources), []
    for page in sorted(site.glob("[0-9][0-9]-*.html")):
        for label, number in numbers_on_site(page.read_text("utf-8")).items():
            ours = book.targets[label].name if label in book.targets else "none"
            if ours != number:
                problems.append(f"{page.name}: {label} has number {number}, here {ours}.")
    return problems
