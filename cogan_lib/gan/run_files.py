"""What a training keeps on disk while it runs: the log, the best epoch's weights, and the state."""

from __future__ import annotations

import csv
import logging
import time
from pathlib import Path

from ..base.files import CoganError, atomic_path, provenance, read_json, reading, write_json
from ..base.made_from import difference
from ..tiles.patches import Patches
from .checkpoint import load_state, save_checkpoint, save_state
from .cyclegan import CycleGan
from .epoch_check import best_of
from .recipes import TrainingSettings

log = logging.getLogger(__name__)

#: The state of a long run is written at most this often, and at its end.
STATE_SECONDS = 60.0
COLUMNS = [
    *("epoch", "steps", "seconds", "learning_rate"),
    *("generator", "adversarial", "cycle", "identity", "pair"),
    *("discriminator_a", "discriminator_b"),
    *("spectrum", "histogram", "r2", "score"),
]


class RunFiles:
    """A run's folder: ``training_log.csv``, ``checkpoint/`` and ``state.pt``.

    Parameters
    ----------
    folder : Path
    settings : TrainingSettings
    patches : Patches
        A run is resumed with equal ones only.
    made_from : dict
        What the checkpoint says of its origin (see `base.made_from`).
    """

    def __init__(
        self, folder: Path, settings: TrainingSettings, patches: Patches, made_from: dict
    ) -> None:
        self.folder, self.settings, self.meta = folder, settings, patches.meta
        self.made_from = made_from
        self.state_file = folder / "state.pt"
        free = ("max_steps", "max_minutes", "device")  # what may differ when a run is resumed
        fingerprint = {key: value for key, value in settings.to_dict().items() if key not in free}
        self.fingerprint = fingerprint | patches.fingerprint()
        self.provenance = provenance(settings.seed, patches=self.meta.get("provenance", {}))
        self.saved = time.monotonic()

    def begin(self, model: CycleGan, resume: bool) -> tuple[list[dict], dict | None]:
        """Start a run, or go on with one.

        Parameters
        ----------
        model : CycleGan
            Brought to where the saved run stood.
        resume : bool
            Whether to go on from ``state.pt``, if there is one.

        Returns
        -------
        history : list of dict
            Of the epochs so far.
        part : dict or None
            Where the state stands within an epoch, if it does (see `keep_state`).

        Raises
        ------
        CoganError
            If the state belongs to another run.
        """
        if resume and self.state_file.exists():
            return _resume(self.state_file, model, self.fingerprint)
        if model.fabric.is_global_zero:
            self.state_file.unlink(missing_ok=True)  # of an older run, which will be replaced
        return [], None

    def keep(self, model: CycleGan, history: list[dict]) -> None:
        """Write the log, and the weights if the last epoch is the best.

        Parameters
        ----------
        model : CycleGan
        history : list of dict
            Of all epochs, the last one included.
        """
        write_log(self.folder / "training_log.csv", history)
        if best_of(history) is history[-1]:
            save_checkpoint(
                self.folder / "checkpoint",
                *model.averages,
                self.settings.network,
                self.meta,
                metrics=history[-1],
                training=self.settings.to_dict(),
                provenance=self.provenance,
                made_from=self.made_from,
            )

    def sign(self, whole: bool) -> None:
        """Let the weights say what the training was made from, whichever epoch was the best.

        Parameters
        ----------
        whole : bool
            Whether all steps were taken: then the limit in minutes has changed nothing, and is not
            named. Otherwise another limit would be another training.
        """
        settings = dict(self.made_from["settings"])
        if whole:
            settings.pop("max_minutes", None)
        card = self.folder / "checkpoint" / "checkpoint.json"
        if not card.exists():  # a state that was carried here without its weights: none is better
            return
        content, made_from = read_json(card), self.made_from | {"settings": settings}
        if content.get("made_from") != made_from:
            write_json(card, content | {"made_from": made_from})

    def keep_state(
        self, model: CycleGan, history: list[dict], part: dict | None = None, *, at_once: bool
    ) -> None:
        """Write the state, if the last one is old.

        Parameters
        ----------
        model : CycleGan
        history : list of dict
            Of all whole epochs.
        part : dict, optional
            Of the one that the limit in minutes has cut short: what it takes to go on with it.
        at_once : bool
            Whatever the last one's age: the run ends here.
        """
        if at_once or time.monotonic() - self.saved > STATE_SECONDS:
            state = {"fingerprint": self.fingerprint, "history": history, **model.state_dict()}
            save_state(self.state_file, state | ({"part": part} if part else {}))
            self.saved = time.monotonic()


def write_log(path: Path, history: list[dict]) -> None:
    """Write the CSV log, one line per epoch; terms without weight stay empty.

    Parameters
    ----------
    path : Path
    history : list of dict
        Rows with keys out of `COLUMNS`.
    """
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(history)


def _resume(state_file: Path, model: CycleGan, fingerprint: dict) -> tuple[list[dict], dict | None]:
    """Put a saved state into `model`; the rest is what `RunFiles.begin` returns."""
    state = load_state(state_file)
    saved = state.pop("fingerprint", {})
    for key, value in fingerprint.items():
        if saved.get(key) != value:
            raise CoganError(
                f"{state_file} belongs to another run: {difference(key, saved.get(key), value)}; "
                "delete it or train without resume."
            )
    history, part = state.pop("history"), state.pop("part", None)
    with reading(state_file, "state of such networks", "delete it and train from the start"):
        model.load_state_dict(state)
    log.info("going on after step %d of %s", model.steps, state_file)
    return history, part
