"""Write the book's tables of profiles, parameters, maps and modules into the staged book.

They come from ``ci/profiles`` and from the library itself, so that they cannot drift apart. The
pages include what is written to ``_generated/``.

    python ci/book_tables.py

writes the map of the house into README.md.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
from companion_settings import companion_settings, companions_of

import cogan_lib
from cogan_lib.base.config import PROFILE_FOLDER, Settings, read_profile

LIBRARY = Path(cogan_lib.__file__).parent
MAP = ("<!-- the map of the house: python ci/book_tables.py -->\n", "<!-- end of the map -->\n")
PROFILES = ["smoke", "laptop", "real", "gpu"]


def write_tables(stage: Path) -> None:
    """Write ``_generated/{profiles,parameters,products,api}.md`` in the staged book."""
    parts = {
        "profiles": profile_table(),
        "parameters": parameter_table(stage),
        "products": product_table(),
        "api": module_pages(),
    }
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    for name, text in parts.items():
        (stage / "_generated" / f"{name}.md").write_text(text.strip() + "\n", "utf-8")


def profile_names() -> list[str]:
    """The profiles, from small to large."""
    there = {path.stem for path in PROFILE_FOLDER.glob("*.yaml")}
    return [name for name in PROFILES if name in there] + sorted(there - set(PROFILES))


def profile_table() -> str:
    """What the profiles change; what one leaves alone has the default's value."""
    names = profile_names()
    read = map(read_profile, names)
    changes = [{**of_the_road, **companions} for of_the_road, companions in read]
    text = _head("Parameter", *(f"`{name}`" for name in names))
    for name, field in Settings.model_fields.items():
        if any(name in changed for changed in changes):
            values = [_value(changed.get(name, field.default)) for changed in changes]
            if name == "sky_path":
                values = ["yours" if name in changed else "embedded" for changed in changes]
            text.append(_cells(f"`{name}`", *values))
    for section, companion in companion_settings().items():
        for name, field in companion.model_fields.items():
            values = [changed.get(section, {}).get(name, field.default) for changed in changes]
            text.append(_cells(f"`{section}.{name}`", *map(_value, values)))
    return "\n".join(text)


def parameter_table(stage: Path) -> str:
    """Every parameter with its default, what is allowed, and the chapters that have it."""
    used = {path: _parameters(path) for path in sorted(stage.glob("[0-9][0-9]-*.ipynb"))}
    text = _head("Parameter", "Default", "Allowed", "Meaning", "Chapters")
    for section, kind in {"": Settings, **companion_settings()}.items():
        for name, entry in kind.model_json_schema()["properties"].items():
            chapters = [
                str(int(path.name[:2]))
                for path, names in used.items()
                if name in names and section in ("", *companions_of(path))
            ]
            word = ".".join(filter(None, (section, name)))
            default, meaning = _value(entry["default"]), entry["description"]
            row = f"`{word}`", default, _allowed(entry), meaning, ", ".join(chapters)
            text.append(_cells(*row))
    return "\n".join(text)


def _parameters(notebook: Path) -> set[str]:
    """Names in the cell tagged ``parameters``."""
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            return set(re.findall(r"^(\w+)\s*[:=]", "".join(cell["source"]), re.MULTILINE))
    return set()


def _allowed(entry: dict) -> str:
    """The values that a parameter may have, from its JSON schema."""
    if "enum" in entry:
        return ", ".join(map(_value, entry["enum"]))
    low = entry.get("minimum", entry.get("exclusiveMinimum"))
    high = entry.get("maximum", entry.get("exclusiveMaximum"))
    if low is None or high is None:
        return {"boolean": "`True`, `False`", "string": "text"}.get(entry["type"], "any number")
    start = f"above {low:,g}" if "exclusiveMinimum" in entry else f"{low:,g}"
    end = f"below {high:,g}" if "exclusiveMaximum" in entry else f"{high:,g}"
    return f"{start} to {end}"


def product_table() -> str:
    """The public maps of the library's registry."""
    text = _head("Map", "File", "Size", "Beam")
    for product in tomllib.loads((LIBRARY / "sky" / "registry.toml").read_text("utf-8"))[
        "products"
    ].values():
        file, beam = f"`{product['file']}`", f"{product['fwhm_arcmin']:g} arcmin"
        title = f"{product['title']} ({product['citation']})"
        text.append(_cells(title, file, product["about"], beam))
    return "\n".join(text)


def doors() -> list[tuple[str, str, str, list[str]]]:
    """The library's doors by chapter: dotted name, chapters, what it holds, dotted names of rooms.

    All of it comes from the folders; a door's description is the first line of its docstring,
    which begins with its chapters, or with "Everywhere".
    """
    found = []
    for path in [*LIBRARY.rglob("__init__.py"), *LIBRARY.glob("*.py")]:
        single = path.name != "__init__.py"
        place = path.with_suffix("") if single else path.parent
        name = ".".join(place.relative_to(LIBRARY).parts)
        inside = [] if single else sorted(path.parent.glob("*.py"))
        rooms = [f"{name}.{room.stem}" for room in inside if room != path]
        if name and (single or rooms):
            first = ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("\n")[0]
            chapters, told, text = first.partition(": ")
            if not (told and chapters.startswith(("Chapter", "Everywhere"))):
                chapters, text = "Everywhere", first
            numbers = ", ".join(re.findall(r"\d\d", chapters))
            found.append((name, numbers, text[0].upper() + text[1:], rooms))
    return sorted(found, key=lambda door: (door[1] or "99", bool(not door[3]), door[0]))


def house_map() -> str:
    """The library's doors, one row each, as README shows them."""
    text = _head("Door (`cogan_lib/`)", "Chapter", "What it holds", "Rooms")
    for name, numbers, what, rooms in doors():
        place = name.replace(".", "/") + ("/" if rooms else ".py")
        inside = ", ".join(f"`{room.rpartition('.')[2]}`" for room in rooms)
        text.append(_cells(f"`{place}`", numbers, what, inside))
    return "\n".join(text)


def with_map(readme: str) -> str:
    """README's text with the map of the house as the folders are now."""
    before, _, rest = readme.partition(MAP[0])
    return f"{before}{MAP[0]}\n{house_map()}\n\n{MAP[1]}{rest.partition(MAP[1])[2]}"


def module_pages() -> str:
    """A table of the library's doors, then the description of each room."""
    table, pages = _head("Door", "Chapter", "Rooms"), []
    for name, numbers, what, rooms in doors():
        links = ", ".join(f"[{room.rpartition('.')[2]}](#cogan_lib.{room})" for room in rooms)
        table.append(_cells(f"[`{name}`](#cogan_lib.{name})", numbers, links or what))
        pages += _module(name, "##", members=not rooms)
        for room in rooms:
            pages += _module(room, "###", members=True)
    return "\n".join([*table, "", *pages])


def _module(name: str, level: str, members: bool) -> list[str]:
    """The description of a door, or of a room with its functions and classes."""
    options = ["   :members:"] if members else []
    directive = ["```{eval-rst}", f".. automodule:: cogan_lib.{name}", *options, "```"]
    return [f"{level} `{name}`", "", *directive, ""]


def _head(*names: str) -> list[str]:
    return [_cells(*names), f"|{'---|' * len(names)}"]


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _value(value: object) -> str:
    """A parameter's value as it is written in a notebook."""
    return f"`{json.dumps(value) if isinstance(value, str) else value}`"


if __name__ == "__main__":
    readme = LIBRARY.parent / "README.md"
    readme.write_text(with_map(readme.read_text("utf-8")), "utf-8")
