"""Write the book's pages of results into the staged book: templates, rows and stored numbers.

    python ci/pages.py _build/stage [STATUS.json]

Each ``_includes/NAME.md.j2`` becomes ``_generated/NAME.md``, which a page includes. A template
takes its words from ``_includes/*.yaml`` and from each companion's ``page.yaml``, its numbers from
the stored ``results/``. What such a file lacks is one sentence, unless the template says what to
show instead; a whole file that is not there leaves its part of the page empty.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import jinja2
import numpy as np
import yaml
from book_tables import LIBRARY, profile_names
from formats import duration, extent, limit_seconds, megabytes, run_of, times
from leaderboard import leaderboard

from cogan_lib.base.config import load_profile
from cogan_lib.base.files import CoganError, read_json

LINES = {"W_CO10": "CO J=1-0", "W_CO21": "CO J=2-1"}
NOT_MEASURED = "not measured"
BADGES = {  # from best to worst
    "reproduced": "[reproduced]{.status-good}",
    "approximated": "[approximated]{.status-part}",
    "not": "[not]{.status-not}",
    "not run yet": "[not run yet]{.status-open}",
    NOT_MEASURED: "[not measured]{.status-open}",
}


class Stored(dict):
    """A mapping of a stored file that knows where it stands in it; null is left out."""

    def __init__(self, content: dict, file: str, again: str, path: str = "") -> None:
        self._place = file, again, path  # no public name: it would hide the key of that name
        for key, value in content.items():
            if value is not None:
                self[key] = self._within(value, f"{path}{key}.")

    def _within(self, value: object, path: str) -> object:
        if isinstance(value, dict):
            return Stored(value, *self._place[:2], path)
        if isinstance(value, list):
            return [self._within(item, f"{path}{number}.") for number, item in enumerate(value)]
        return value

    def lacks(self, name: str) -> str:
        """A sentence about what is not there."""
        file, again, path = self._place
        return f"{file} has no {path}{name}; {again}."


class Missing(jinja2.ChainableUndefined, jinja2.StrictUndefined):
    """What a stored file lacks: it may be asked for and given a substitute, and not be shown."""

    @property
    def _undefined_message(self) -> str:
        name, place = self._undefined_name, self._undefined_obj
        return place.lacks(name) if isinstance(place, Stored) else f"There is no {name}."


def write_pages(stage: Path, status: dict | None = None, library: Path = LIBRARY) -> None:
    """Write ``_generated/NAME.md`` for each ``_includes/NAME.md.j2`` of the staged book.

    Parameters
    ----------
    stage : Path
        The staged copy of ``book/``.
    status : dict, optional
        Record of the run that is being built (``status.json``).
    library : Path
        The folder with ``companions/*/page.yaml``.

    Raises
    ------
    CoganError
        If a stored file, the rows or a list of figures cannot be used.
    """
    pages = sorted((library / "companions").glob("*/page.yaml"))
    world = jinja2.Environment(
        undefined=Missing, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(stage / "_includes"),
    )  # fmt: skip
    world.filters |= {name: _optional(function) for name, function in FILTERS.items()}
    world.filters |= {"fill": functools.partial(fill, world)}
    world.globals |= {
        "results": functools.partial(results, stage),
        "words": lambda name: words(stage / "_includes" / name),
        "companions": [words(path) for path in pages],
        "claims": functools.partial(claims, world),
        "about_lines": functools.partial(about_lines, world),
        "figures": functools.partial(figures, stage),
        "leaderboard": lambda folder: leaderboard(stage / folder),
        "table": table,
        "lines": LINES,
        "run_of": run_of,
        "profiles": {name: load_profile(name) for name in profile_names()},
        "status": status and Stored(status, "status.json", "run the chapters again"),
    }
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    for name in world.list_templates(extensions=["j2"]):
        try:
            text = world.get_template(name).render()
        except jinja2.TemplateError as problem:
            raise CoganError(f"{name}: {problem}") from problem
        text = re.sub(r"\n{3,}", "\n\n", text)
        (stage / "_generated" / name.removesuffix(".j2")).write_text(text.strip() + "\n", "utf-8")


def results(stage: Path, file: str, again: str) -> Stored | None:
    """A stored results file, or None; `again` says what makes a whole one."""
    path = stage / file
    return Stored(read_json(path), file, again) if path.exists() else None


def words(path: Path) -> Stored | list:
    """The content of a YAML file."""
    content = yaml.safe_load(path.read_text("utf-8"))
    name = "/".join(path.parts[-2:])
    return Stored(content, name, "give one") if isinstance(content, dict) else content


def fill(world: jinja2.Environment, text: str, **names: object) -> str:
    """`text`, itself a template, with its numbers."""
    return world.from_string(text).render(**names)


def claims(world: jinja2.Environment, page: dict, run: dict | None) -> list[dict]:
    """The sections of a page, each row with its `label`, and with `ours` filled in.

    In the text and conditions of a row, ``run`` is the whole results file, ``line`` its section
    of one CO line, and the page's definitions are known by their names. What speaks of ``line`` is
    said of each one in `run`, and the worst status is the row's.
    """
    every = about_lines(world, page, run)
    sections = []
    for section in page["sections"]:
        rows = []
        for row in section["rows"]:
            check_claim(row)
            ours, label = judge(world, row, every)
            rows.append({**row, "ours": ours, "label": label, "badge": BADGES[label]})
        sections.append({"title": section["title"], "rows": rows})
    return sections


def about_lines(world: jinja2.Environment, page: dict, run: dict | None) -> dict[str, dict]:
    """By title of each CO line in `run`: what a text about it may name."""
    every = {}
    for name, line in sorted(((run or {}).get("validation") or {}).items()):
        known = {"run": run, "line": line, "title": LINES.get(name, name), "name": name}
        for key, term in page["define"].items():
            known[key] = world.compile_expression(term, undefined_to_none=False)(**known)
        every[known["title"]] = known
    return every or ({"": {"run": run}} if run else {})


def check_claim(row: dict) -> None:
    """A malformed row is a `CoganError`."""
    name = f"Row {row.get('claim', '?')!r}"
    if missing := {"claim", "paper", "ours", "why"} - set(row):
        raise CoganError(f"{name}: {', '.join(sorted(missing))} missing.")
    if ("status" in row) == ("reproduced" in row or "approximated" in row):
        raise CoganError(f"{name}: give either a status or a condition for one.")
    if row.get("status", "not") not in ("reproduced", "approximated", "not"):
        raise CoganError(f"{name}: there is no status {row['status']!r}.")


def judge(world: jinja2.Environment, row: dict, every: dict[str, dict]) -> tuple[str, str]:
    """The column *Ours* and the status of one row, from what is known of each line."""
    if not every:
        return "" if "{{" in row["ours"] else row["ours"], row.get("status", "not run yet")
    said, labels = {}, []
    for title, known in every.items():
        try:
            text = fill(world, row["ours"], **known)
            conditions = (name for name in ("reproduced", "approximated") if name in row)
            tried = (
                name for name in conditions if world.compile_expression(row[name], False)(**known)
            )
            labels.append(row.get("status") or next(tried, "not"))
            said[title] = text
        except jinja2.UndefinedError:
            labels.append(row.get("status", NOT_MEASURED))
    texts = [f"{title}: {text}" for title, text in said.items()]
    if len(set(said.values())) == 1:
        texts = list(said.values())[:1]
    return "; ".join(texts), max(labels, key=list(BADGES).index)


def table(
    caption: str, header: str, kind: str = "narrow", *, caller: Callable[[], str], **options: str
) -> str:
    """A numbered list-table; what is called gives its rows, a line each, cells between bars."""
    if "`" in caption:
        raise CoganError(f"Table {caption!r}: a back tick would end the line that opens the table.")
    columns = _cells(header)
    rows = [_cells(line) for line in caller().splitlines() if line.strip()]
    text = [f"````{{list-table}} {caption}".rstrip()]
    text += [f":{name}: {value}" for name, value in {**options, "class": kind}.items()]
    text += [":header-rows: 1", ""]
    for row in [columns, *rows]:
        if len(row) != len(columns):
            raise CoganError(f"Table {caption!r}: {len(columns)} columns, and a row {row}.")
        text += [f"{'  -' if i else '* -'} {cell}".rstrip() for i, cell in enumerate(row)]
    return "\n".join([*text, "````", ""])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<=\s)\|(?=\s)", f"{line} ")]


def figures(stage: Path, folder: str) -> str:
    """The stored figures of a folder, numbered and with their alternative text."""
    listed, text = stage / folder / "figures.yaml", []
    for figure in words(listed) if listed.exists() else []:
        if not {"file", "caption", "alt"} <= set(figure):
            raise CoganError(f"{folder}/figures.yaml: {figure} needs file, caption and alt.")
        if not (stage / folder / figure["file"]).exists():
            raise CoganError(f"{folder}/figures.yaml names {figure['file']}, which is not there.")
        name = f"fig-{folder.replace('/', '-')}-{Path(figure['file']).stem}"
        text += [f"```{{figure}} {folder}/{figure['file']}", f":name: {name}"]
        text += [f":alt: {figure['alt']}", "", figure["caption"], "```", ""]
    return "\n".join(text)


def _optional(function: Callable) -> Callable:
    """As a filter, `function` of what a file lacks is what the template says to show instead."""

    def show(*values: object, missing: object = None) -> object:
        absent = [value for value in values if isinstance(value, jinja2.Undefined)]
        return (absent[0] if missing is None else missing) if absent else function(*values)

    return show


FILTERS = {
    "number": format,
    "extent": extent,
    "ends": lambda values, spec, to=" to ": f"{values[0]:{spec}}{to}{values[-1]:{spec}}",
    "interval": lambda ends, spec: f"[{ends['low']:{spec}}, {ends['high']:{spec}}]",
    "at": lambda values, places, place: float(np.interp(place, places, values)),
    "duration": duration,
    "times": times,
    "megabytes": megabytes,
    "limit_seconds": limit_seconds,
    "chosen": lambda values, mask: [v for v, keep in zip(values, mask, strict=True) if keep],
    "apart": lambda values, others: max(abs(a - b) for a, b in zip(values, others, strict=True)),
}


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python ci/pages.py STAGE [STATUS.json]")
    write_pages(Path(sys.argv[1]), read_json(sys.argv[2]) if len(sys.argv) == 3 else None)
