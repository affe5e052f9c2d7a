"""The challenge's leaderboard: entries that `cogan_lib score` wrote, with ranks that show ties."""

from __future__ import annotations

import math
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one

from cogan_lib.base.files import CoganError, read_json

PUBLIC = "challenge.json"
NUMBERS = ("score", "low", "high", "error", "p_value", "r2", "r2_low", "r2_high")
WHOLE = ("members", "seed", "attempt", "attempts")
TEXTS = ("name", "challenge", "worst", "file_sha256")
#: Standard errors by which two scores differ for sure (95 %).
APART = 1.96


def leaderboard(folder: Path) -> dict | None:
    """The published record of a challenge and the rows of its entries, best first; None if none.

    A row has what its file has, and `rank`: the places that it may hold, "2" or "1-3", one better
    than the entries that are certainly better, down to one above those certainly worse. An entry
    that shows no CO in its place (the interval of R^2 is not above zero) competes with nobody and
    has the rank "".
    """
    if not (folder / PUBLIC).exists():
        return None
    public, rows = read_json(folder / PUBLIC), []
    for path in sorted(folder.glob("*.json")):
        if path.name != PUBLIC:
            rows.append(checked(read_json(path, "score that submission again"), path, public))
    rows.sort(key=lambda row: (row["score"], row["name"]))
    for one, other in zip(rows, rows[1:], strict=False):
        if one["file_sha256"] == other["file_sha256"]:
            raise CoganError(f"{one['name']} is in {folder} twice; remove one of its files.")
    ranked = [row for row in rows if row["r2_low"] > 0]
    for row in rows:
        better = sum(apart(row, other) > APART for other in ranked)
        worse = sum(apart(other, row) > APART for other in ranked)
        first, last = better + 1, len(ranked) - worse
        row["rank"] = (str(first) if first == last else f"{first}-{last}") if row in ranked else ""
    return {"public": public, "rows": rows}


def apart(row: dict, other: dict) -> float:
    """By how many standard errors the second score is better than the first."""
    error = math.hypot(row["error"], other["error"])
    return (row["score"] - other["score"]) / max(error, 1e-9)


def checked(row: dict, path: Path, public: dict) -> dict:
    """An entry, if it is one of this challenge; else a `CoganError`."""
    good = all(type(row.get(key)) in (int, float) for key in NUMBERS)
    good &= all(type(row.get(key)) is int for key in WHOLE)
    good &= all(isinstance(row.get(key), str) for key in TEXTS)
    if not good or type(row.get("passes")) is not bool or "|" in row["name"]:
        raise CoganError(f"{path} is no entry of a leaderboard; score that submission again.")
    if row["challenge"] != public["challenge"]:
        raise CoganError(
            f"{path} belongs to challenge {row['challenge']}, the board to {public['challenge']}; "
            "score it with that one's key."
        )
    return row
