"""Trained weights that come with the package, for whom the training takes too long.

``weights/<sky>/`` holds one folder for each training on that sky: ``cycle-gan`` (chapter 03), and
generators of members, ``fold-1`` (chapter 06) to ``fold-6``, which differ in the longitudes that
they have not seen (`tiles.split.FOLDS`). A fold's scalings are those of its training longitudes, so
that fold 1 alone fits the road. Each is a checkpoint folder with its ``training_log.csv``.
``weights/README.md`` is their card.
"""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Mapping
from pathlib import Path

from ..base.files import CoganError, read_json, write_bytes
from ..learn.weights import weights_file, write_weights
from ..tiles.patches import Patches
from .checkpoint import check_matches, load_checkpoint
from .epoch_check import best_of
from .networks import NetworkSettings
from .recipes import TrainingSettings
from .training import TrainingResult

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
LOG = "training_log.csv"


def fitting(meta: dict, network: NetworkSettings, paired: bool = True) -> list[Path]:
    """Find the weights of this network that were trained on such tiles.

    Such tiles: same columns, scalings, geometry and beam. If none fit, the log says why.

    Parameters
    ----------
    meta : dict
        That of the patches, or of `beyond.member_training.member_meta`.
    network : NetworkSettings
    paired : bool

    Returns
    -------
    list of Path
        Folders, in order of their names.
    """
    found, misfits = [], []
    for folder in sorted(WEIGHTS.glob("*/*/")):
        trained = load_checkpoint(folder)
        if trained.settings != network or trained.content["training"]["paired"] != paired:
            continue
        try:
            check_matches(trained, meta)
        except CoganError as misfit:
            misfits.append(f"weights/{folder.parent.name}/{folder.name} does not fit: {misfit}")
            continue
        found.append(folder)
    for misfit in () if found else misfits:
        log.info(misfit)
    return found


def for_tracers(units: Mapping[str, str], fwhm_arcmin: float, name: str) -> Path:
    """Find the weights that take these tracers, whatever sky they are of.

    Of several, those that take most of them. `fitting` also compares scalings, which cannot be
    known without CO.

    Parameters
    ----------
    units : mapping of str to str
        The unit of each tracer.
    fwhm_arcmin : float
        Their beam.
    name : {'cycle-gan', 'fold-1'}
        A generator of one map, or of members.

    Returns
    -------
    Path
        Folder of weights.

    Raises
    ------
    CoganError
        If there are none; it says what those that are there take.
    """
    found, taken = [], []
    for folder in sorted(WEIGHTS.glob(f"*/{name}")):
        card = read_json(folder / "checkpoint.json")
        needs = {column: card["units"][column] for column in card["input_columns"]}
        taken.append(", ".join(f"{column} [{unit}]" for column, unit in needs.items()))
        taken[-1] += f" at {card['fwhm_arcmin']:g} arcmin"
        same_beam = math.isclose(card["fwhm_arcmin"], fwhm_arcmin, rel_tol=1e-3)
        if same_beam and needs.items() <= units.items():
            found.append((len(needs), folder))
    if not found:
        there = ", ".join(f"{column} [{unit}]" for column, unit in units.items()) or "no tracers"
        raise CoganError(
            f"No weights `{name}` are shipped for {there} at {fwhm_arcmin:g} arcmin; there are "
            f"some for {'; for '.join(taken)}. Convert units (sky.read_map), smooth (sky.to_grid), "
            "or train on your own sky (chapters 03 and 06)."
        )
    return max(found, key=lambda one: one[0])[1]


def take_fitting(
    patches: Patches, asked: TrainingSettings, run_dir: str | Path, made_from: dict
) -> TrainingResult | None:
    """Take weights as `take` does, if some of this network were trained on such tiles.

    Parameters
    ----------
    patches : Patches
    asked : TrainingSettings
    run_dir : path
        No ``state.pt`` stays in it.
    made_from : dict
        As for `take`.

    Returns
    -------
    TrainingResult or None
        None if no weights fit; the log says in one line which were taken, or that none fit.
    """
    found = fitting(patches.meta, asked.network, asked.paired)
    if not found:
        log.info("None of the weights that came with the package fit these tiles: training.")
        return None
    name = "/".join(found[0].parts[-2:])
    log.info('Weights %s came with the package; pretrained = "never" trains instead.', name)
    (Path(run_dir) / "state.pt").unlink(missing_ok=True)
    return take(found[0], run_dir, made_from=made_from)


def take(
    folder: Path, run_dir: str | Path, name: str = "checkpoint", made_from: dict | None = None
) -> TrainingResult:
    """Copy one training's weights and log into a run folder, each whole or not at all.

    Parameters
    ----------
    folder : Path
        One of `fitting`.
    run_dir : path
    name : str
        Of the checkpoint folder there; an older one is replaced.
    made_from : dict, optional
        What the checkpoint there says of its origin (see `base.made_from`).

    Returns
    -------
    TrainingResult
        Of the training that made the weights.
    """
    run_dir = Path(run_dir)
    target, content = run_dir / name, read_json(folder / "checkpoint.json")
    names, card = content["weights_sha256"], folder / "checkpoint.json"
    weights = {kind: weights_file(card, content, kind).read_bytes() for kind in names}
    write_bytes(run_dir / LOG, (folder / LOG).read_bytes())
    described = content | ({"made_from": made_from} if made_from else {})
    write_weights(target / "checkpoint.json", described, weights)
    with open(run_dir / LOG, newline="", encoding="utf-8") as stream:
        lines = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
    history = [row | {key: int(row[key]) for key in ("epoch", "steps")} for row in lines]
    last, budget = history[-1], content["training"].get("max_steps", math.inf)
    return TrainingResult(
        checkpoint=target,
        log=run_dir / LOG,
        history=history,
        best_epoch=(best_of(history) if "score" in history[0] else last)["epoch"],
        epochs=len(history),
        steps=last["steps"],
        seconds=last["seconds"],
        stopped_by="steps" if last["steps"] >= budget else "minutes",  # older ones: by minutes
    )


def take_members(found: list[Path], folder: Path, made_from: dict) -> list[Path]:
    """Copy several trainings' weights into a folder: ``checkpoint``, ``checkpoint-2``, ...

    Parameters
    ----------
    found : list of Path
        Of `fitting`.
    folder : Path
        Where they go.
    made_from : dict
        As for `take`.

    Returns
    -------
    list of Path
        The checkpoint folders.
    """
    names = ["checkpoint", *(f"checkpoint-{i}" for i in range(2, len(found) + 1))]
    # the first one last: where it is, all are
    for source, name in reversed(list(zip(found, names, strict=True))):
        take(source, folder, name, made_from)
    return [folder / name for name in names]
