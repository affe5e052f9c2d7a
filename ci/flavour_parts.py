"""The parts of a chapter: cells, and exercises with their solutions and empty answer cells."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field

from flavour_labels import PARSER, Book, blocks, directive, options_and_body
from flavour_text import split_solutions

from cogan_lib.base.files import CoganError

IMPORT = "from cogan_lib.base.exercises import attempt"
MARK = "# your answer"


@dataclass
class Exercise:
    """One exercise of a chapter: its text and the cells from solution-start to solution-end."""

    label: str
    number: str  # "2.1"
    cells: list[dict] = field(default_factory=list)

    @property
    def name(self) -> str:
        """``exercise-1``, which the ids of its cells begin with."""
        return f"exercise-{self.number.rpartition('.')[2]}"

    @property
    def code(self) -> list[dict]:
        return [
            cell
            for cell in self.cells
            if cell["cell_type"] == "code" and "remove-input" not in tags(cell)
        ]

    def statements(self) -> list[ast.stmt]:
        """All statements at the top level of the solution."""
        return [part for cell in self.code for part in ast.parse("".join(cell["source"])).body]

    def checks(self) -> list[ast.Call]:
        """The calls ``check_NAME(answer, ...)`` that stand alone on their line."""
        return [
            part.value
            for part in self.statements()
            if isinstance(part, ast.Expr)
            and isinstance(part.value, ast.Call)
            and ast.unparse(part.value.func).startswith("check_")
        ]

    def stubs(self) -> dict[str, str]:
        """Each answer that a check takes, with what the reader finds in its place."""
        wanted = {n.id for call in self.checks() for n in ast.walk(call) if isinstance(n, ast.Name)}
        found = {}
        for part in self.statements():
            if isinstance(part, ast.FunctionDef) and part.name in wanted:
                result = f" -> {ast.unparse(part.returns)}" if part.returns else ""
                head = f"def {part.name}({ast.unparse(part.args)}){result}:"
                found[part.name] = f"{head}\n    ...  {MARK}\n"
            elif isinstance(part, ast.Assign | ast.AnnAssign):
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                    if name.id in wanted:
                        found[name.id] = f"{name.id} = ...  {MARK}"
        return found

    def answer(self) -> str:
        """The source of the empty answer cell."""
        lines = [f"# Exercise {self.number}"]
        if not self.checks():
            return "\n".join([*lines, MARK])
        stubs = list(self.stubs().values())
        functions = any(stub.startswith("def ") for stub in stubs)
        tries = []
        for call in self.checks():
            arguments = [ast.unparse(part) for part in (call.func, *call.args)]
            line = f"attempt({', '.join(arguments)})"
            wide = ",\n    ".join(arguments)
            tries.append(line if len(line) <= 79 else f"attempt(\n    {wide},\n)")
        gap = "\n\n\n" if functions else "\n\n"
        parts = ["\n".join([*lines, IMPORT]), *(stub.strip() for stub in stubs), "\n".join(tries)]
        return gap.join(parts)

    def problems(self, text: str, earlier: set[str]) -> list[str]:
        """What breaks the contract, one sentence each.

        `text` is that of the exercise; `earlier` are the names that cells before it define.
        """
        found, names = [], [cell["id"] for cell in self.cells]
        wanted = f"{self.name}-solution"
        if (names[0], names[-1]) != (f"{wanted}-start", f"{wanted}-end") or not all(
            name == wanted or name.startswith(f"{wanted}-") for name in names
        ):
            found.append(
                f"Its cells {', '.join(dict.fromkeys(names))} should be called {wanted}-start, "
                f"{wanted} (or {wanted}-...) and {wanted}-end."
            )
        checks, stubs = self.checks(), self.stubs()
        if not checks:
            return [*found, "The solution has no line check_NAME(answer)."]
        if not stubs:
            found.append("The check takes nothing that the solution defines by def or =.")
        for call in checks:
            if ast.unparse(call.func) not in earlier:
                found.append(f"{ast.unparse(call.func)} is not defined in a cell before it.")
            if call.keywords or any(isinstance(part, ast.Starred) for part in call.args):
                found.append(f"{ast.unparse(call)} may have plain arguments only.")
        said = set()
        for token in blocks(text):
            for child in token.children or []:
                if child.type == "code_inline":
                    said |= set(re.findall(r"\w+", child.content))
        for name in sorted(set(stubs) - said):
            found.append(f"The text does not name `{name}`, which the reader should write.")
        return found

    def bound(self) -> set[str]:
        """Names that the solution defines."""
        return set().union(*(names_of(cell)[0] for cell in self.cells))


def parts(book: Book, cells: list[dict]) -> Iterator[dict | Exercise]:
    """The cells of a chapter in order, with those of each solution put together."""
    exercise, used = None, set()
    for cell in cells:
        pieces = [("code", "")]
        if cell["cell_type"] == "markdown":
            pieces = split_solutions("".join(cell["source"]))
        for kind, text in pieces:
            piece = cell
            if kind != "code":
                piece = markdown(cell["id"], text if kind == "text" else "")
            if kind == "start":
                exercise = Exercise(text, book.targets[text].name)
            if kind == "text":
                piece["id"] += "-rest" * (piece["id"] in used)
                used.add(piece["id"])
            if exercise is None:
                yield piece
            else:
                exercise.cells.append(piece)
            if kind == "end" and exercise is not None:
                yield exercise
                exercise = None
    if exercise is not None:
        raise CoganError(f"The solution of {exercise.label} has no end.")


def exercise_text(text: str, label: str) -> str:
    """The text of one exercise in a cell's text."""
    for token in PARSER.parse(text):
        if directive(token)[0] == "exercise":
            options, body = options_and_body(token.content)
            if options.get("label") == label:
                return body
    return ""


def names_of(cell: dict) -> tuple[set[str], set[str]]:
    """Names that a code cell binds at its top level, and global names that it uses."""
    source = "".join(cell["source"])
    if cell["cell_type"] != "code" or "setup" in tags(cell):
        return set(), set()
    table = symtable.symtable(source, cell["id"], "exec")
    symbols = table.get_symbols()
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in symbols if s.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
        inner += scope.get_children()
    return bound, used


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def markdown(name: str, text: str) -> dict:
    source = text.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def code(name: str, text: str) -> dict:
    source = text.splitlines(keepends=True)
    empty = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "id": name, **empty, "source": source}
