"""The scorer of a challenge: the sharp verdict on the withheld tiles of a submitted CO sky.

**The score** is how far generated and real tiles are apart in the sharp verdict (`two_sample`): the
mean of the distances of its five tests and of all CO lines; 0 is alike, 1 worlds apart, and chance
alone gives more than 0. Its 95 % interval is a jackknife over blocks of sky that do not touch: a
random half of them is left out, again and again, and all of it computed anew (delete-d: Shao & Wu
1989, Ann. Statist. 17, 1176; where one is left out, chance in the classifier's folds is blown up by
the square root of the blocks). ``p_value`` is that of the verdict, the smallest of the lines times
their number. Beside it stands R^2, which the verdict does not test: a map may look like CO and show
none of it in its place.

**What a submission tells about the truth.** Nothing is printed but the score, p-value and R^2,
their intervals, and which test was the worst, rounded to `DIGITS`: some tens of bits each time.
Somebody who submits often can climb on them (Blum & Hardt 2015, arXiv:1502.04585): even the best of
n equal attempts is better than their mean by up to sigma sqrt(2 ln n) of luck, sigma being the
score's standard error. So the scorer's ledger, beside the key, counts the files of each name and of
all, and the leaderboard shows both. The same file gives the same score, and counts once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import healpy as hp
import numpy as np

from ..base.files import CoganError, provenance, read_json, write_json
from ..base.made_from import read_with_sum
from ..sky.skyfile import Sky, read_map, read_sky
from ..tiles.tiling import cut_tiles, map_to_alm
from ..validation.amplitude import r2_of, r2_sums
from ..validation.blocks import block_interval, separate_blocks, sky_blocks
from ..validation.exchange import ALPHA
from ..validation.two_sample import TESTS, sharp_verdict
from .challenge import FEWEST_BLOCKS, Key, load_key

#: Decimals of what is told: a score's standard error is larger than the last one.
DIGITS = 2
#: No CO line of the Galaxy is brighter than this [K km/s].
BRIGHTEST = 1e5
HALVES = 40  # of the blocks
SEED = 1  # of exchanged labels and folds, the same for all
_NAME = re.compile(r"[^\W_][\w .,+()/:-]{0,59}")


@dataclass(frozen=True)
class Submission:
    """A CO sky that may be scored.

    Attributes
    ----------
    sky : Sky
    name : str
        Of the method.
    seed, members : int
    file_sha256 : str
    """

    sky: Sky
    name: str
    seed: int
    members: int
    file_sha256: str


def read_submission(path: str | Path, public: dict) -> Submission:
    """Read a submitted CO sky, and check that it can be scored.

    Parameters
    ----------
    path : path
        A sky file with all CO columns of the challenge. Its header says CREATOR (the method), SEED,
        MEMBERS and SRCSHA (SHA-256 of the challenge's sky), see `challenge.submission`.
    public : dict
        The content of ``challenge.json``.

    Returns
    -------
    Submission

    Raises
    ------
    CoganError
        If NSIDE, beam, units or columns are others, pixels lack a value, an amplitude is absurd, or
        the header does not say where the map comes from.
    """
    path, targets = Path(path), public["targets"]
    sky, found = read_with_sum(path, lambda file: read_sky(file, targets))
    if sky.nside != public["nside"]:
        raise CoganError(
            f"{path} has NSIDE {sky.nside}, the challenge {public['nside']}; submit that."
        )
    if not np.isclose(sky.fwhm_arcmin, public["fwhm_arcmin"], rtol=1e-3):
        raise CoganError(
            f"{path} has a beam of {sky.fwhm_arcmin:g} arcmin, the challenge one of "
            f"{public['fwhm_arcmin']:g} arcmin; smooth to that, and say so in FWHM."
        )
    for name in targets:
        holes = np.flatnonzero(~np.isfinite(read_map(path, column=name)))  # `read_sky` fills them
        if holes.size:
            lon, lat = hp.pix2ang(sky.nside, holes[0], lonlat=True)
            raise CoganError(
                f"{path}, column {name}: {holes.size} pixels have no value, one of them at l = "
                f"{lon:.1f}, b = {lat:.1f}; a submission covers the whole sky."
            )
        if (most := float(np.abs(sky.maps[name]).max())) > BRIGHTEST:
            raise CoganError(
                f"{path}, column {name}, reaches {most:.3g} K km/s, which no CO does; "
                "check its unit."
            )
    facts = sky.meta
    if facts.get("srcsha") != public["sky_sha256"]:
        raise CoganError(
            f"{path} does not say in SRCSHA that it was made from this challenge's sky (SHA-256 "
            f"{public['sky_sha256'][:12]}...); `python -m cogan_lib submit` writes that."
        )
    name = str(facts.get("creator", "")).strip()
    if not _NAME.fullmatch(name):
        raise CoganError(
            f"{path}: CREATOR is {name[:80]!r}; name the method there, in at most 60 letters, "
            "digits, spaces and marks like . , + ( ) / -."
        )
    seed, members = (
        _whole(path, facts, key, least) for key, least in (("seed", 0), ("members", 1))
    )
    return Submission(sky, name, seed, members, found)


def _whole(path: Path, facts: dict, key: str, least: int) -> int:
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CoganError(
            f"{path}: {key.upper()} is {value!r}; a whole number, {least} or larger, has to stand "
            "there."
        )
    return value


def score_tiles(key: Key, tiles: np.ndarray) -> dict:
    """Compare generated tiles with the withheld ones.

    Parameters
    ----------
    key : Key
    tiles : ndarray, shape (targets, n, npix, npix)
        W of the generated sky at the key's places, K km/s, without noise.

    Returns
    -------
    dict
        ``score``, ``error`` (its standard error), ``low`` and ``high`` (95 %), ``p_value``,
        ``passes``, ``worst`` (the test with the smallest p-value), and ``r2``, ``r2_low``,
        ``r2_high``; rounded.
    """
    apart = separate_blocks(key.lonlat, key.geometry.side_deg)
    used = apart >= 0
    pairs = [(real[used], made[used], noise[used].astype(np.float64))
             for real, made, noise in zip(key.truth, tiles, key.noise, strict=True)]  # fmt: skip
    options = {"pixel_arcmin": key.geometry.pixel_arcmin, "seed": SEED}
    options |= {"fwhm_arcmin": key.public["fwhm_arcmin"]}
    apart = apart[used]

    def verdicts(keep: np.ndarray, draws: int) -> list[dict]:
        given = options | {"blocks": apart[keep], "draws": draws}
        return [sharp_verdict(r[keep], g[keep], noise=n[keep], **given) for r, g, n in pairs]

    def distance(found: list[dict]) -> float:
        return float(np.mean([line[test]["distance"] for line in found for test in TESTS]))

    whole, names = verdicts(np.full(apart.size, True), 999), np.unique(apart)
    value = distance(whole)
    rng, kept = np.random.default_rng(SEED), max(FEWEST_BLOCKS - 1, names.size // 2)
    halves = (rng.choice(names, kept, replace=False) for _ in range(HALVES))
    scores = [distance(verdicts(np.isin(apart, half), 99)) for half in halves]
    error = float(np.std(scores, ddof=1) * np.sqrt(kept / (names.size - kept)))
    p_value = min(1.0, len(whole) * min(line["p_value"] for line in whole))
    lines = [(line[test]["p_value"], -line[test]["distance"], test)
             for line in whole for test in TESTS]  # fmt: skip

    sums = [r2_sums(real, made) for real, made in zip(key.truth, tiles, strict=True)]

    def r2(use) -> float:
        return float(np.mean([r2_of(of_line[use]) for of_line in sums]))

    blocks = sky_blocks(*key.lonlat.T)
    ends = block_interval(r2, blocks, SEED)
    told = {"score": value, "low": value - 1.96 * error, "high": value + 1.96 * error}
    told |= {"r2": r2(slice(None)), "r2_low": float(ends[0]), "r2_high": float(ends[1])}
    told = {name: round(number, DIGITS) + 0.0 for name, number in told.items()}
    return told | {
        "error": round(error, DIGITS + 1),
        "p_value": round(p_value, 3),
        "passes": p_value >= ALPHA,
        "worst": min(lines)[2],
        "tiles": len(key.lonlat),
        "blocks": int(names.size),
    }


def score(path: str | Path, truth: str | Path, entry: str | Path | None = None) -> dict:
    """Score a submitted CO sky, and write the leaderboard's entry.

    Parameters
    ----------
    path : path
        As for `read_submission`.
    truth : path
        The key that `challenge.make_challenge` wrote. Its ledger lies beside it.
    entry : path, optional
        The JSON file to write; by default beside the submission, ``FILE.json``.

    Returns
    -------
    dict
        The entry: what `score_tiles` gives, the method's ``name``, ``seed`` and ``members``,
        ``challenge``, ``file_sha256``, ``attempt`` (files of this name until now) and
        ``attempts`` (of all names), ``scored_by`` (versions).

    Raises
    ------
    CoganError
        As `load_key` and `read_submission`, or if a file cannot be written.
    """
    key = load_key(truth)
    given = read_submission(path, key.public)
    tiles = [cut_tiles(map_to_alm(given.sky.maps[name]), key.geometry, key.lonlat)
             for name in key.public["targets"]]  # fmt: skip
    found = score_tiles(key, np.stack(tiles))
    attempts = _count(ledger_of(truth), given)
    by = provenance()
    content = {
        "challenge": key.public["challenge"],
        "name": given.name,
        "seed": given.seed,
        "members": given.members,
        "file_sha256": given.file_sha256,
        **found,
        **attempts,
        "scored_by": {name: by[name] for name in ("git_commit", "made", "versions")},
    }
    path = Path(path)
    write_json(path.with_name(f"{path.stem}.json") if entry is None else entry, content)
    return content


def ledger_of(truth: str | Path) -> Path:
    """Name the file in which a key's submissions are counted."""
    return Path(truth).with_suffix(".ledger.json")


def _count(ledger: Path, given: Submission) -> dict[str, int]:
    """Write a submission down, unless it is there; files of this name and of all until it."""
    fix = "restore it: submissions have to be counted"
    rows = read_json(ledger, fix).get("submissions", []) if ledger.exists() else []
    sums = [row["file_sha256"] for row in rows]
    if given.file_sha256 not in sums:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [*rows, {"file_sha256": given.file_sha256, "name": given.name, "when": when}]
        write_json(ledger, {"submissions": rows})
        sums.append(given.file_sha256)
    until = rows[: sums.index(given.file_sha256) + 1]
    mine = sum(row["name"] == given.name for row in until)
    return {"attempt": mine, "attempts": len(until)}
