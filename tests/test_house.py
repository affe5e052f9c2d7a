"""The house: imports point downwards, companions stand beside the road, no room is too long."""

import ast
import re
from pathlib import Path

import book_tables
import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "cogan_lib"
#: From the roof down; a room imports from its own floor and from those below it.
FLOORS = (
    {"__main__", "ablation", "check", "road", "take_home"},
    {"companions"},
    {"plots"},
    {"beyond"},
    {"synthesis"},
    {"gan"},
    {"learn"},
    {"tiles"},
    {"validation"},
    {"sky"},
    {"base"},
)
#: What companions stand on, beside their own folder.
GROUND = {"learn", "validation", "plots.style", "base"}
ROOMS = {
    ".".join(path.relative_to(LIBRARY).with_suffix("").parts): path
    for path in sorted(LIBRARY.rglob("*.py"))
    if path != LIBRARY / "__init__.py"  # the package itself settles the threads
}


def imported(room: str) -> set[str]:
    """What a room imports from the library, in functions too: dotted names below it."""
    found, package = set(), room.split(".")[:-1]
    for node in ast.walk(ast.parse(ROOMS[room].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            place = ["cogan_lib", *package][: len(package) + 2 - node.level] if node.level else []
            module = ".".join([*place, *([node.module] if node.module else [])])
            found |= {f"{module}.{name.name}" for name in node.names}
    return {name.removeprefix("cogan_lib.") for name in found if name.startswith("cogan_lib.")}


def floor(name: str) -> int:
    return next(i for i, doors in enumerate(FLOORS) if name.split(".")[0] in doors)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_downwards(room):
    names = imported(room) - {"__version__"}
    upwards = {name for name in names if floor(name) < floor(room)}
    assert not upwards, f"{room} imports {upwards} from a floor above it"


@pytest.mark.parametrize("room", ROOMS)
def test_companions_stand_beside_the_road_and_beside_each_other(room):
    names = imported(room)
    if not room.startswith("companions."):
        assert not any(name.startswith("companions") for name in names)
        return
    own = ".".join(room.split(".")[:2])
    for name in names:
        ground = (f"{name}.".startswith(f"{place}.") for place in GROUND | {own})
        assert any(ground), f"{room} stands on {name}"


def test_no_room_is_longer_than_400_lines():
    rooms = [*LIBRARY.rglob("*.py"), *(ROOT / "ci").glob("*.py")]
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in rooms}
    assert not {name: lines for name, lines in lengths.items() if lines > 400}


def test_the_map_of_the_house_is_that_of_the_folders():
    """``python ci/book_tables.py`` writes it."""
    readme = ROOT / "README.md"
    assert readme.read_text("utf-8") == book_tables.with_map(readme.read_text("utf-8"))
    shown = book_tables.house_map()
    assert all(f"`{path.stem}`" in shown for room, path in ROOMS.items() if "." in room
               and path.stem != "__init__")  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_hold_no_bare_modulus(room):
    """Sphinx takes |x| for a substitution, and the book's build stops after all chapters ran."""
    for node in ast.walk(ast.parse(ROOMS[room].read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = re.sub(r"``.*?``", "", ast.get_docstring(node) or "", flags=re.DOTALL)
            text = re.sub(r"(?m)^\s*>>>.*$", "", text)
            text = re.sub(r"::\n\n(?:[ ]+.*\n|\n)+", "", f"{text}\n")  # a literal block
            assert not re.search(r"\|\w[^|\n]*\|", text), getattr(node, "name", room)


def test_no_test_imports_another():
    """What several need stands in rooms that are no tests: toys, books, forks, road."""
    found = re.compile(r"^(from|import) tests\b.*\btest_", re.MULTILINE)
    for path in (ROOT / "tests").rglob("*.py"):
        assert not found.search(path.read_text("utf-8")), path


def reaches(path: Path) -> set[str]:
    """Private names of somebody else: ``thing._name``, or imported, unless this file defines it."""
    tree, found = ast.parse(path.read_text("utf-8")), set()
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            found |= {node.attr} - own
        elif isinstance(node, ast.ImportFrom):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("path", [*ROOMS.values(), *(ROOT / "ci").rglob("*.py")], ids=str)
def test_no_room_reaches_into_another(path):
    assert not reaches(path)


def test_a_reach_is_seen(tmp_path):
    room = tmp_path / "room.py"
    room.write_text(
        "from a import _b\nimport c\nc._d()\nself._e\nx._f\ndef _f(): c.__name__\n", "utf-8"
    )
    assert reaches(room) == {"_b", "_d"}
