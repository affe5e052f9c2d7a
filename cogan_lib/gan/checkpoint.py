"""The checkpoint folder (weights and all that explains them) and the state of an unfinished run.

``checkpoint/`` holds two files of weights, ``generator_ab-*.safetensors`` and ``generator_ba-*``
(a flow has the first alone), and ``checkpoint.json``: network settings, columns, scalings,
geometry, beam, numbers of the run, provenance, and the checksums of the weights, whose first digits
stand in the files' names. So a new checkpoint is written beside the old one, and takes its place
with the renaming of one JSON file.

``state.pt``, beside the folder, holds what `train` needs to go on: tensors and plain types only, so
that reading it cannot run foreign code.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ..base.files import CoganError, read_json, reading, write_bytes
from ..learn.weights import load_network, packed, write_weights
from ..tiles.patches import check_meta
from .flow import Flow
from .networks import Generator, NetworkSettings

FORMAT = 1
#: Entries of a patches file's meta that a checkpoint keeps.
META = ("input_columns", "target_columns", "units", "geometry", "fwhm_arcmin", "scalings")
#: And one that they may have.
CONTEXT = "context"


@dataclass(frozen=True)
class Checkpoint:
    """A trained pair of generators.

    Attributes
    ----------
    generator : Generator or Flow
        Inputs to targets (dust, HI to CO), on the CPU, in evaluation mode.
    reverse : Generator or None
        And back; a flow has none.
    settings : NetworkSettings
    meta : dict
        input_columns, target_columns, units, geometry, fwhm_arcmin, scalings (as dictionaries), of
        the patches it was trained on.
    metrics : dict
        Numbers of the epoch that was kept: epoch, steps, losses, spectrum, histogram, r2, score.
    content : dict
        All of checkpoint.json.
    """

    generator: Generator | Flow
    reverse: Generator | None
    settings: NetworkSettings
    meta: dict
    metrics: dict
    content: dict

    @property
    def scalings(self) -> dict:
        """Scaling of each column, as `scaling.scaling_from_dict` takes it."""
        return self.meta["scalings"]


def save_checkpoint(
    folder: str | Path,
    generator: Generator | Flow,
    reverse: Generator | None,
    settings: NetworkSettings,
    meta: dict,
    **content: dict,
) -> Path:
    """Write a checkpoint folder, whole or not at all.

    Parameters
    ----------
    folder : path
        An older checkpoint in it is replaced.
    generator : Generator or Flow
        Inputs to targets.
    reverse : Generator or None
        And back.
    settings : NetworkSettings
    meta : dict
        That of the patches; the entries named in `META` are kept.
    **content : dict
        Further sections of checkpoint.json: metrics, training, provenance.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    CoganError
        If the folder cannot be written.
    """
    weights = _packed(generator, reverse, half=False)
    kept = _kept(meta)
    described = {"format": FORMAT, "network": asdict(settings), **kept, **content}
    return write_weights(Path(folder) / "checkpoint.json", described, weights).parent


def save_half(source: str | Path, folder: str | Path) -> Path:
    """Copy a checkpoint with its weights in half precision, as they come with the package.

    Parameters
    ----------
    source, folder : path
        Checkpoint folders, there and wanted.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    CoganError
        As `load_checkpoint`, and if it cannot be written.
    """
    trained = load_checkpoint(source)
    weights = _packed(trained.generator, trained.reverse, half=True)
    return write_weights(Path(folder) / "checkpoint.json", trained.content, weights).parent


def _kept(meta: dict) -> dict:
    """Take what a checkpoint keeps of the description of its tiles."""
    return {key: meta[key] for key in META} | {k: meta[k] for k in (CONTEXT,) if k in meta}


def _packed(generator: nn.Module, reverse: nn.Module | None, half: bool) -> dict[str, bytes]:
    """Contents of the files of weights, one for each network there is."""
    weights = {}
    for name, network in (("generator_ab", generator), ("generator_ba", reverse)):
        if network is not None:
            weights |= packed(name, network, half=half, part_bytes=math.inf)
    return weights


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint folder.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CoganError
        If a file is missing, damaged, not the one that the JSON file describes, or of another
        version of this package.

    Examples
    --------
    >>> from cogan_lib.gan.pretrained import WEIGHTS
    >>> trained = load_checkpoint(WEIGHTS / "planck-hi4pi-nside256" / "cycle-gan")
    >>> trained.meta["input_columns"], trained.meta["target_columns"]
    (['DUST', 'N_HI'], ['W_CO21'])
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CoganError(f"There is no checkpoint folder {folder}; chapter 03 makes it.")
    fix = "get the whole checkpoint folder again, or train again (chapter 03)"
    content = read_json(folder / "checkpoint.json", fix)
    if content.get("format") != FORMAT:
        raise CoganError(
            f"{folder} is of checkpoint format {content.get('format')}, this package reads "
            f"{FORMAT}; train again."
        )
    with reading(folder, "valid checkpoint", fix):
        settings = NetworkSettings(**content["network"])
        meta = _kept(content)
        check_meta(meta)
        n_inputs, n_targets = len(meta["input_columns"]), len(meta["target_columns"])
        if settings.flow_steps:
            makes = {"generator_ab": partial(Flow, n_inputs, n_targets, settings)}
        else:
            noise = len(settings.noise)
            makes = {
                "generator_ab": partial(Generator, n_inputs, n_targets, settings, noise),
                "generator_ba": partial(Generator, n_targets, n_inputs, settings),
            }
        networks = {
            name: load_network(folder / "checkpoint.json", content, make, [name])
            for name, make in makes.items()
        }
    return Checkpoint(
        networks["generator_ab"],
        networks.get("generator_ba"),
        settings,
        meta,
        content.get("metrics", {}),
        content,
    )


def check_matches(checkpoint: Checkpoint, meta: dict) -> None:
    """Check that patches are of the kind that a checkpoint was trained on.

    Parameters
    ----------
    checkpoint : Checkpoint
    meta : dict
        That of the patches.

    Raises
    ------
    CoganError
        If columns, geometry, beam or scalings differ.
    """
    ours, theirs = checkpoint.meta, meta
    fix = "make such patches (chapter 01) or train again on these (chapter 03)."
    for what, key in (("inputs", "input_columns"), ("targets", "target_columns")):
        if ours[key] != theirs[key]:
            raise CoganError(
                f"The checkpoint's {what} are {', '.join(ours[key])}, those of the patches are "
                f"{', '.join(theirs[key])}; {fix}"
            )
    if ours["geometry"] != theirs["geometry"]:
        raise CoganError(
            f"The checkpoint was trained on tiles of {_words(ours['geometry'])}, the patches are "
            f"tiles of {_words(theirs['geometry'])}; {fix}"
        )
    if not math.isclose(ours["fwhm_arcmin"], theirs["fwhm_arcmin"], rel_tol=1e-3):
        raise CoganError(
            f"The checkpoint was trained at a beam of {ours['fwhm_arcmin']:g} arcmin, the patches "
            f"have {theirs['fwhm_arcmin']:g} arcmin; {fix}"
        )
    for name in (*ours["input_columns"], *ours["target_columns"]):
        one, other = ours["scalings"][name], theirs["scalings"][name]
        if not _same_scaling(one, other):
            raise CoganError(
                f"The checkpoint scales {name} by {json.dumps(one)}, the patches by "
                f"{json.dumps(other)}; {fix}"
            )


def check_alike(one: Checkpoint, other: Checkpoint) -> None:
    """Check that two generators take and give the same tiles.

    Parameters
    ----------
    one, other : Checkpoint

    Raises
    ------
    CoganError
        If not.
    """
    facts = ("input_columns", "target_columns", "units", "geometry", "fwhm_arcmin")
    same = all(one.meta[fact] == other.meta[fact] for fact in facts)
    kinds = [{s["kind"] == "minmax" for s in x.meta["scalings"].values()} for x in (one, other)]
    if not same or kinds[0] != kinds[1] or one.settings.noise != other.settings.noise:
        raise CoganError(
            "These checkpoints are of different tiles, columns or noise; take trainings that are "
            "equal but for their seed."
        )


def _words(geometry: dict) -> str:
    return "{npix} x {npix} pixels of {pixel_arcmin:g} arcmin ({projection})".format(**geometry)


def _same_scaling(one: dict, other: dict) -> bool:
    """Equal kind, and equal numbers but for what another machine or library changes in a tile."""
    return one.keys() == other.keys() and all(
        one[key] == other[key]
        if isinstance(one[key], str | None)
        else math.isclose(one[key], other[key] or 0.0, rel_tol=1e-4, abs_tol=1e-9)
        for key in one
    )


def save_state(path: str | Path, state: dict) -> Path:
    """Write a run's state (tensors and plain types), whole or not at all.

    Parameters
    ----------
    path : path
    state : dict

    Returns
    -------
    Path
        `path`.
    """
    buffer = io.BytesIO()  # torch's own errors do not say that a disk is full
    torch.save(state, buffer)
    return write_bytes(path, buffer.getbuffer())


def load_state(path: str | Path) -> dict:
    """Read what `save_state` wrote, onto the CPU.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    CoganError
        If the file is missing, damaged, or holds something else.
    """
    with reading(path, "training state", "delete it and train from the start"):
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not (isinstance(state, dict) and {"fingerprint", "history"} <= state.keys()):
            raise ValueError("it holds something else")
        return state
