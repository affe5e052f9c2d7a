"""The challenge's three commands: make one, submit a CO sky to it, score what was submitted.

    python -m cogan_lib challenge FOLDER                    # makes FOLDER, and FOLDER-key.npz
    python -m cogan_lib submit CO.fits FOLDER --name "my method" --seed 1 --to mine.fits
    python -m cogan_lib score mine.fits --truth FOLDER-key.npz

The first and the last are the scorer's, who alone has the key.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..base.config import load_profile
from ..sky.skyfile import read_sky, write_sky
from .challenge import PUBLIC as PUBLIC_FILE
from .challenge import make_challenge, read_json_of, submission
from .challenge_score import score


def _first(function) -> str:
    return function.__doc__.split("\n")[0]


def _challenge(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="cogan_lib challenge", description=_first(make_challenge))
    parser.add_argument("folder", type=Path, help="what is published")
    parser.add_argument("--seed", type=int, help="a known one, for practice (default: a secret)")
    parser.add_argument("--key", type=Path, help="the scorer's file (default: FOLDER-key.npz)")
    parser.add_argument("--profile", default="laptop", help="NSIDE, beam and tiles of a profile")
    given = parser.parse_args(arguments)
    folder, key = make_challenge(
        given.folder, load_profile(given.profile), seed=given.seed, key=given.key
    )
    print(f"Publish {folder}, and keep {key} to yourself.")


def _submit(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="cogan_lib submit", description=_first(submission))
    parser.add_argument("file", type=Path, help="a CO sky, such as the road's co.fits")
    parser.add_argument("folder", type=Path, help="the challenge")
    parser.add_argument("--name", required=True, help="of the method")
    parser.add_argument("--seed", type=int, required=True, help="with which the sky was made")
    parser.add_argument("--members", type=int, default=1, help="skies that were averaged")
    parser.add_argument("--to", type=Path, required=True, help="the file to write")
    given = parser.parse_args(arguments)
    targets = read_json_of(given.folder / PUBLIC_FILE)["targets"]
    facts = {"name": given.name, "seed": given.seed, "members": given.members}
    sky = submission(read_sky(given.file, targets), given.folder, **facts)
    print(f"Wrote {write_sky(given.to, sky)}.")


def _score(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="cogan_lib score", description=_first(score))
    parser.add_argument("file", type=Path, help="the submitted CO sky")
    parser.add_argument("--truth", type=Path, required=True, help="the challenge's key")
    parser.add_argument("--entry", type=Path, help="JSON file to write (default: beside the sky)")
    given = parser.parse_args(arguments)
    found = score(given.file, given.truth, given.entry)
    print(
        f"{found['name']}: score {found['score']:.2f} [{found['low']:.2f}, {found['high']:.2f}]; "
        f"the verdict {'passes' if found['passes'] else 'fails'}, p = {found['p_value']:.3f}; "
        f"R2 {found['r2']:.2f} [{found['r2_low']:.2f}, {found['r2_high']:.2f}]; "
        f"attempt {found['attempt']} of this name, {found['attempts']} of all."
    )


#: By name; each takes the arguments that follow it.
COMMANDS = {"challenge": _challenge, "submit": _submit, "score": _score}
