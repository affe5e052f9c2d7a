"""Write the book's tables of chapters, profiles, parameters, maps and modules into the staged book.

    python ci/book_tables.py _build/stage

They come from the run, from ``ci/profiles`` and from the library itself, so that they cannot drift
apart. The pages include what is written to ``_generated/``.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

import cogan_lib
from cogan_lib.base.config import PROFILE_FOLDER, Settings
from cogan_lib.base.files import read_json

LIBRARY = Path(cogan_lib.__file__).parent
#: The road: step, chapter, modules. Modules that are not named here follow as further ones.
STEPS = (
    ("sky", "01-data-preparation", "sky harmonics fetch download products synthetic clouds"),
    ("tiles", "01-data-preparation", "tiling scaling patches"),
    ("networks", "02-cyclegan", "networks losses"),
    ("training", "03-training", "cyclegan training checkpoint"),
    ("synthesis", "04-full-sky-synthesis", "synthesis pysm"),
    ("validation", "05-validation", "validation spectra morphology scores"),
    (
        "beyond",
        "06-beyond",
        "members noise baselines baseline_networks cloud_population verdict "
        "extrapolation high_latitude ablation",
    ),
    (
        "companion",
        "07-line-transfer",
        "companions.line_transfer companions.winds companions.line_data companions.line_emulator "
        "companions.line_training companions.line_metrics companions.line_plots",
    ),
    (
        "everywhere",
        "",
        "steps config threads processes files foreign checks notebook pretrained widgets plotting "
        "data_plots report_plots beyond_plots member_plots",
    ),
)
PROFILES = ["smoke", "laptop", "real", "gpu"]


def write_tables(stage: Path, chapters: dict[str, dict] | None = None) -> None:
    """Write ``_generated/{chapters,profiles,parameters,products,api}.md`` in the staged book.

    Parameters
    ----------
    stage : Path
        The staged copy of ``book/``.
    chapters : dict, optional
        Record of the run (``status.json``, "chapters"): the seconds of each notebook.
    """
    parts = {
        "chapters": chapter_table(stage, chapters or {}),
        "profiles": profile_table(),
        "parameters": parameter_table(stage),
        "products": product_table(),
        "api": module_pages(),
    }
    (stage / "_generated").mkdir(parents=True, exist_ok=True)
    for name, text in parts.items():
        (stage / "_generated" / f"{name}.md").write_text(text.strip() + "\n")


def chapter_table(stage: Path, chapters: dict[str, dict]) -> str:
    """The chapters of the front page, with the time that each took in this run."""
    rows = yaml.safe_load((stage / "_includes" / "chapters.yaml").read_text())
    text = _head("Chapter", "It asks", "Makes", "GPU", "Time here")
    for number, row in enumerate(rows, 1):
        link = f"{number}. [{row['title']}]({row['name']}.ipynb)"
        time = _duration(chapters.get(row["name"], {}).get("seconds"))
        text.append(_cells(link, row["question"], row["makes"], row["gpu"], time))
    return "\n".join(text)


def profile_table() -> str:
    """What the profiles change; what one leaves alone has the default's value."""
    there = {path.stem: path for path in sorted(PROFILE_FOLDER.glob("*.yaml"))}
    names = [name for name in PROFILES if name in there] + sorted(set(there) - set(PROFILES))
    changes = [yaml.safe_load(there[name].read_text()) or {} for name in names]
    text = _head("Parameter", *(f"`{name}`" for name in names))
    for name, field in Settings.model_fields.items():
        if any(name in changed for changed in changes):
            values = [_value(changed.get(name, field.default)) for changed in changes]
            if name == "sky_path":
                values = ["yours" if name in changed else "embedded" for changed in changes]
            text.append(_cells(f"`{name}`", *values))
    return "\n".join(text)


def parameter_table(stage: Path) -> str:
    """Every parameter with its default, what is allowed, and the chapters that have it."""
    used = {path.name[:2]: _parameters(path) for path in sorted(stage.glob("[0-9][0-9]-*.ipynb"))}
    text = _head("Parameter", "Default", "Allowed", "Meaning", "Chapters")
    for name, entry in Settings.model_json_schema()["properties"].items():
        where = ", ".join(number.lstrip("0") for number, names in used.items() if name in names)
        default, meaning = _value(entry["default"]), entry["description"]
        text.append(_cells(f"`{name}`", default, _allowed(entry), meaning, where))
    return "\n".join(text)


def _parameters(notebook: Path) -> set[str]:
    """Names in the cell tagged ``parameters``."""
    for cell in json.loads(notebook.read_text())["cells"]:
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
    for product in tomllib.loads((LIBRARY / "sky" / "registry.toml").read_text())[
        "products"
    ].values():
        file, beam = f"`{product['file']}`", f"{product['fwhm_arcmin']:g} arcmin"
        title = f"{product['title']} ({product['citation']})"
        text.append(_cells(title, file, product["about"], beam))
    return "\n".join(text)


def module_pages() -> str:
    """A table of the library's modules by step, then the description of each."""
    left = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    rooms = {path.stem for path in (LIBRARY / "companions").glob("*.py")} - {"__init__"}
    left |= {f"companions.{name}" for name in rooms}
    table, pages = _head("Step", "Modules", "Chapter"), []
    further = sorted(left - {name for *_, modules in STEPS for name in modules.split()})
    for step, chapter, modules in (*STEPS, ("further", "", " ".join(further))):
        names = [name for name in modules.split() if name in left]
        if names:
            links = ", ".join(f"[{name}](#cogan_lib.{name})" for name in names)
            table.append(_cells(step, links, f"{{doc}}`{chapter}`" if chapter else ""))
        for name in names:
            pages += [f"## {name}", "", "```{eval-rst}", f".. automodule:: cogan_lib.{name}"]
            pages += ["   :members:", "```", ""]
    return "\n".join([*table, "", *pages])


def _head(*names: str) -> list[str]:
    return [_cells(*names), f"|{'---|' * len(names)}"]


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def _value(value: object) -> str:
    """A parameter's value as it is written in a notebook."""
    return f"`{json.dumps(value) if isinstance(value, str) else value}`"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python ci/book_tables.py STAGE [STATUS.json]")
    record = read_json(sys.argv[2])["chapters"] if len(sys.argv) == 3 else None
    write_tables(Path(sys.argv[1]), record)
