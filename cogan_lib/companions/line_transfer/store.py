"""Emulators in folders: weights in half precision, and a card that says all that explains them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ...learn.weights import packed, read_network, write_weights
from .network import COEmuNet, COEmuNetSettings
from .rays import RayEmulator, RaySettings

FORMAT = 2
CARD = "emulator.json"
#: Folders of weights that come with the package; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"
#: The shipped emulator of rays.
SHIPPED = WEIGHTS / "rays-32"
KINDS = {"COEmuNet": (COEmuNet, COEmuNetSettings), "rays": (RayEmulator, RaySettings)}


def save_emulator(folder: str | Path, network: COEmuNet | RayEmulator, content: dict) -> Path:
    """Write weights, matrices in half precision, and the card, whole or not at all.

    Parameters
    ----------
    folder : path
        An older emulator in it is replaced.
    network : COEmuNet or RayEmulator
    content : dict
        For ``emulator.json``: channels, line, turbulence, training, provenance.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    kind = next(name for name, (made, _) in KINDS.items() if isinstance(network, made))
    shape = {"kind": kind, **asdict(network.settings)}
    facts = {**content, "format": FORMAT, "network": shape}
    return write_weights(Path(folder) / CARD, facts, packed("emulator", network)).parent


def load_emulator(folder: str | Path) -> tuple[COEmuNet | RayEmulator, dict]:
    """Read an emulator.

    Parameters
    ----------
    folder : path
        That `save_emulator` wrote.

    Returns
    -------
    network : COEmuNet or RayEmulator
        On the CPU, in evaluation mode.
    content : dict
        Of its ``emulator.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """

    def make(content: dict) -> COEmuNet | RayEmulator:
        shape = dict(content["network"])
        network, settings = KINDS[shape.pop("kind")]
        return network(settings(**shape))

    return read_network(Path(folder) / CARD, FORMAT, "emulator", make)
