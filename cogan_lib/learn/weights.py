"""Weights of networks in safetensors files, and the JSON card that describes and guards them.

A card holds what its writer puts into it and ``weights_sha256``, the checksum of each file, whose
first digits stand in the file's name. So new weights are written beside the old ones, and take
their place with the renaming of one JSON file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from ..base.files import CoganError, read_json, reading, sha256, write_bytes, write_json

#: Tensors of one file; with its header no file passes 5 MB.
PART_BYTES = 4_500_000
#: What to do about a folder of weights that is missing or damaged.
FIX = "get the whole folder again, or train again"


def packed(
    name: str, network: nn.Module, *, half: bool = True, part_bytes: float = PART_BYTES
) -> dict[str, bytes]:
    """Pack a network's weights into the contents of one or several files.

    Parameters
    ----------
    name : str
        Of the file; of several files NAME-001, NAME-002 ...
    network : Module
    half : bool
        Matrices (all but vectors and scalars) in half precision. What is judged should then be what
        is read back.
    part_bytes : float
        No file has more, unless one row of a tensor has; larger tensors are divided along their
        first axis.

    Returns
    -------
    dict of str to bytes
        By the files' names.
    """
    pieces = []
    for key, value in network.state_dict().items():
        value = value.detach().cpu()
        value = value.half() if half and value.ndim > 1 else value
        if value.nbytes <= part_bytes:
            pieces.append((key, value))
        else:
            rows = max(1, int(part_bytes // value[0].nbytes))
            pieces += [(key, piece) for piece in value.split(rows)]
    parts, room = [], -1.0
    for key, piece in pieces:
        if piece.nbytes > room or key in parts[-1]:
            parts.append({})
            room = part_bytes
        parts[-1][key] = piece.contiguous()
        room -= piece.nbytes
    names = [name] if len(parts) == 1 else [f"{name}-{i:03d}" for i in range(1, len(parts) + 1)]
    return {file: save(part) for file, part in zip(names, parts, strict=True)}


def load_network(
    card: str | Path, content: dict, make: Callable[[], nn.Module], files: Iterable[str]
) -> nn.Module:
    """Read the network that a card describes.

    Parameters
    ----------
    card : path
        Of the JSON file.
    content : dict
        What it says.
    make : callable
        Builds the network. It is built without memory first: whatever size the card asks for, no
        more is taken than the files have weights for.
    files : iterable of str
        Names of the files in the card; pieces of a divided tensor are joined in this order.

    Returns
    -------
    Module
        On the CPU, in evaluation mode, without gradients.

    Raises
    ------
    CoganError
        If a file is missing, or not the one that the card describes.
    ValueError, RuntimeError
        If the files hold another network's weights, fewer, or some that are not finite; call this
        within `files.reading`, which makes a sentence of that.
    """
    paths = [weights_file(card, content, name) for name in files]
    with torch.device("meta"):
        numbers = sum(value.numel() for value in make().state_dict().values())
    if 2 * numbers > sum(path.stat().st_size for path in paths):
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{names} is too short for the network described")
    pieces: dict[str, list[torch.Tensor]] = {}
    for path in paths:
        for key, value in load_file(path).items():
            if not value.isfinite().all():
                raise ValueError(f"{path.name} holds NaN or infinite weights")
            pieces.setdefault(key, []).append(value)
    state = {key: torch.cat(some) if len(some) > 1 else some[0] for key, some in pieces.items()}
    network = make()
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def read_network(
    card: str | Path, format_number: int, what: str, make: Callable[[dict], nn.Module]
) -> tuple[nn.Module, dict]:
    """Read a card and the network that it describes, from all of its files.

    Parameters
    ----------
    card : path
        Of the JSON file.
    format_number : int
        That the card's ``format`` must be.
    what : str
        What the folder holds, for a sentence about a damaged one: ``"network"``.
    make : callable
        Builds the network from the card's content; a `CoganError` of its own is handed on.

    Returns
    -------
    network : Module
        On the CPU, in evaluation mode.
    content : dict
        Of the card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """
    content = read_card(card, format_number, FIX)
    with reading(Path(card).parent, what, FIX):
        files = sorted(content["weights_sha256"])
        network = load_network(card, content, partial(make, content), files)
    return network, content


def read_card(card: str | Path, format_number: int, fix: str) -> dict:
    """Read what a card says.

    Parameters
    ----------
    card : path
    format_number : int
        That the card's ``format`` must be.
    fix : str
        What to do about a missing or damaged one, for example ``"train again"``.

    Returns
    -------
    dict

    Raises
    ------
    CoganError
        If it is missing, damaged or of another format.
    """
    content = read_json(card, fix)
    if content.get("format") != format_number:
        raise CoganError(
            f"{card} is of format {content.get('format')}, this package reads {format_number}; "
            f"{fix}."
        )
    return content


def write_weights(card: str | Path, content: dict, weights: dict[str, bytes]) -> Path:
    """Write weights beside a JSON file with `content` and their checksums.

    The first digits of its checksum stand in the name of each file of weights. So the new ones lie
    beside the old ones, which are valid until the JSON file is renamed and are removed after that.

    Parameters
    ----------
    card : path
        The JSON file.
    content : dict
    weights : dict of str to bytes
        Of `packed`.

    Returns
    -------
    Path
        The card.

    Raises
    ------
    CoganError
        If a file cannot be written.
    """
    card = Path(card)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in weights.items()}
    files = {_weights_name(name, sums[name]): data for name, data in weights.items()}
    for name, data in files.items():
        write_bytes(card.parent / name, data)
    write_json(card, {**content, "weights_sha256": sums})
    for old in card.parent.glob("*.safetensors"):
        if old.name not in files:
            with suppress(OSError):  # nobody reads it any more
                old.unlink()
    return card


def _weights_name(name: str, checksum: str) -> str:
    return f"{name}-{checksum[:12]}.safetensors"


def weights_file(card: str | Path, content: dict, name: str) -> Path:
    """Find the file of the weights `name` that a JSON file with this content describes.

    The digits may be missing from its name, as they are where the weights came with the package.

    Parameters
    ----------
    card : path
        The JSON file.
    content : dict
        What it says.
    name : str

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If there is no such file, or another one.
    """
    card, checksum = Path(card), content["weights_sha256"][name]
    path = card.with_name(_weights_name(name, checksum))
    if not path.exists():
        path = card.with_name(f"{name}.safetensors")
    if not path.exists() or sha256(path) != checksum:
        raise CoganError(
            f"{path} is not the file that {card.name} describes (missing, damaged or exchanged); "
            "get the whole folder again, or train again."
        )
    return path
