"""The artefacts of a run: what each depends on, whether one that is there fits, and making it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .config import Settings
from .files import CoganError, provenance, reading, sha256
from .made_from import alone, checksum, differences, read_record
from .session import REPORT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What has to be known of an artefact.

    Attributes
    ----------
    make : callable
        Makes it; takes the settings.
    chapter : str
        That does so.
    settings : tuple of str
        Parameters that it depends on, beside those of its inputs.
    inputs : tuple of str
        Artefacts that are read for it.
    whole : str
        File in the run folder that is written last and holds the record (see `made_from`).
    dear : bool
        Whether making it costs more than a minute, so that it is not replaced unasked.
    sum_of : callable
        Takes the checksum of its content from the path of `whole`.
    unasked : dict
        What `make` is called with, beside the settings, by a chapter that finds it missing.
    """

    make: Callable
    chapter: str
    settings: tuple[str, ...]
    inputs: tuple[str, ...]
    whole: str
    dear: bool = False
    sum_of: Callable[[Path], str] = sha256
    unasked: dict = field(default_factory=dict)


class Artefacts(dict):
    """All steps of a road, by their artefact's name in the run folder.

    Attributes
    ----------
    taken : dict
        By run folder: the checksums of what this process has taken up or made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[Path, dict[str, str]] = {}

    def step(self, name: str, *facts: object, **more: object) -> Callable:
        """Make a decorator: the function makes the artefact `name`, alone in its run folder.

        Parameters
        ----------
        name : str
            The artefact's name in the run folder.
        *facts, **more : object
            The fields of `Step`, from `chapter` on.

        Returns
        -------
        callable
            Takes the function, whose first argument is the settings, and enters it here.
        """

        def decorate(make: Callable) -> Callable:
            @functools.wraps(make)
            def alone_in_its_folder(settings: Settings, *arguments, **options):
                with alone(settings.run_dir):
                    made = make(settings, *arguments, **options)
                    self.checksum(settings, name)
                return made

            self[name] = Step(alone_in_its_folder, *facts, **more)
            return alone_in_its_folder

        return decorate

    def need(self, settings: Settings, name: str) -> Path:
        """Give an artefact in the run folder that was made with these settings.

        If it is missing, or was made with other settings or from other inputs, it is made here, and
        a visible note says why.

        Parameters
        ----------
        settings : Settings
        name : str
            The artefact's name in the run folder.

        Returns
        -------
        Path

        Raises
        ------
        CoganError
            If it does not fit, but making it again takes more than a minute.
        """
        step, path = self[name], Path(settings.run_dir) / name
        if (Path(settings.run_dir) / step.whole).exists():
            misfit = self._misfit(settings, name)
            if not misfit:
                self.checksum(settings, name)
                return path
            if step.dear:
                raise CoganError(
                    f"{path} {misfit}, and making it again takes more than a minute: set that "
                    f"back, choose another run_dir, or run chapter {step.chapter} to replace it."
                )
        else:
            misfit = "is missing"
        log.info("NOTE: %s %s; making it here, as chapter %s would.", path, misfit, step.chapter)
        step.make(settings, **step.unasked)
        return path

    def _misfit(self, settings: Settings, name: str) -> str:
        """Say why an artefact that is there is not the one asked for; "" if it is.

        Its inputs are brought to the settings first, if its own agree.
        """
        run = Path(settings.run_dir)
        record = read_record(run / self[name].whole)
        if record is None:
            return "does not say what it was made from"
        if differs := differences(record, self.asked(settings, name)):
            return f"was made with other settings ({differs})"
        for other, found in record["inputs"].items():
            if not (run / self[other].whole).exists():
                continue  # the settings agree, and more cannot be known
            self.need(settings, other)  # a reader who has set a parameter back gets the old tiles
            if self.checksum(settings, other) != found:
                return f"was made from another {other} than the one that is there now"
        return ""

    def asked(self, settings: Settings, name: str) -> dict[str, object]:
        """Collect all settings that an artefact depends on, its inputs' included.

        Of a sky file the content counts: its checksum stands in the place of `sky_path`, and what
        describes the embedded sky is left out. So is `pretrained` while it leaves open where
        weights come from.

        Parameters
        ----------
        settings : Settings
        name : str

        Returns
        -------
        dict of str to object

        Raises
        ------
        CoganError
            If the sky file that `sky_path` names is not readable.
        """
        step, found = self[name], {}
        if "sky_path" in step.settings and settings.sky_path:
            with reading(settings.sky_path, "sky file", "set sky_path to one"):
                return {"sky_path": checksum(settings.sky_path)}
        for other in step.inputs:
            found |= self.asked(settings, other)
        values = {name: getattr(settings, name) for name in step.settings}
        return found | {k: v for k, v in values.items() if (k, v) != ("pretrained", "alone")}

    def checksum(self, settings: Settings, name: str) -> str:
        """Take the checksum of an artefact's content, and keep it in `taken`.

        Parameters
        ----------
        settings : Settings
        name : str

        Returns
        -------
        str
            Hexadecimal.
        """
        run = Path(settings.run_dir)
        found = checksum(run / self[name].whole, self[name].sum_of)
        self.taken.setdefault(run.absolute(), {})[name] = found
        return found

    def record(self, settings: Settings, name: str, **sums: str) -> dict:
        """Write down what an artefact says it was made from (see `made_from`).

        Parameters
        ----------
        settings : Settings
        name : str
        **sums : str
            Checksums of inputs that were taken when they were read; of the others as they are.

        Returns
        -------
        dict
            ``settings`` and ``inputs``.
        """
        inputs = {
            other: sums.get(other) or self.checksum(settings, other) for other in self[name].inputs
        }
        return {"settings": self.asked(settings, name), "inputs": inputs}

    def provenance(self, settings: Settings) -> dict:
        """Note a chapter's code, versions, seed and checksums of the artefacts it has taken up.

        They were taken when the artefacts were read or made, and that of the sky file that
        `sky_path` names when ``sky.fits`` was made from it.

        Parameters
        ----------
        settings : Settings

        Returns
        -------
        dict
            JSON-ready; see `files.provenance`.
        """
        run = Path(settings.run_dir)
        taken = self.taken.get(run.absolute(), {}).items()
        sums = {f"{name.split('.')[0]}_sha256": found for name, found in taken if name != REPORT}
        if settings.sky_path:
            sums["sky_source"] = Path(settings.sky_path).name
            record = read_record(run / "sky.fits") if (run / "sky.fits").exists() else None
            if record and "sky_path" in record["settings"]:
                sums["sky_source_sha256"] = record["settings"]["sky_path"]
        return provenance(settings.seed, **sums)
