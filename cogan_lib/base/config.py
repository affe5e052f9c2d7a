"""Every parameter of the notebooks in one checked, flat class, and the named profiles.

The default values are the laptop profile. A file in ``ci/profiles`` holds only what differs.
"""

from __future__ import annotations

import difflib
import math
import reprlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .checks import check_sampling, check_side
from .files import UTF8_ADVICE, CoganError
from .threads import default_threads
from .yaml_data import read_yaml

#: In a checkout, or as they came with an installed package.
PROFILE_FOLDERS = (
    Path(__file__).resolve().parents[2] / "ci" / "profiles",
    Path(__file__).resolve().parent / "profiles",
)
PROFILE_FOLDER = next((folder for folder in PROFILE_FOLDERS if folder.is_dir()), PROFILE_FOLDERS[0])

#: Held-out longitude blocks are at least this wide; a tile must fit into one.
BLOCK_WIDTH_DEG = 10.0

#: Fewest pixels along the side of tiles that a preset's networks can be trained on: what
#: `gan.networks.NetworkSettings.least_side` says of it, and enough to tell large from small.
LEAST_SIDE = {"cogan": 16, "paper": 32}

_SHORT = reprlib.Repr()  # what a sentence quotes
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlevel, _SHORT.maxlist = 80, 80, 1, 3


class Checked(BaseModel):
    """Parameters that are checked when they are set; make some with `check`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def check(cls, **parameters: object) -> Self:
        """Check notebook parameters.

        Parameters
        ----------
        **parameters : object
            Fields of this class; the others keep their defaults.

        Returns
        -------
        Checked
            Of the class that was asked.

        Raises
        ------
        CoganError
            If a parameter does not exist, is out of range, or does not fit the others.

        Examples
        --------
        >>> Settings.check(nside=64, fwhm_arcmin=60.0, tile_pixel_arcmin=30.0, tile_npix=16).nside
        64
        """
        try:
            return cls(**parameters)
        except ValidationError as error:
            words = (_sentence(item, cls) for item in error.errors())
            raise CoganError(" ".join(words)) from None


class Settings(Checked):
    """Parameters of one run of the road; a companion has its own beside them."""

    run_dir: str = Field(
        "runs/laptop", min_length=1, description="folder of this run, which all chapters share"
    )
    sky_path: str = Field("", description='sky file to use; "" makes the embedded synthetic sky')
    seed: int = Field(1, ge=0, lt=2**31, description="equal seed, equal machine: equal result")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 chooses for this machine")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where networks run; auto takes a CUDA GPU if there is one"
    )

    nside: int = Field(256, ge=8, le=8192, description="HEALPix NSIDE of the embedded sky")
    fwhm_arcmin: float = Field(20.0, gt=0, le=600, description="beam of the embedded sky, arcmin")

    tile_npix: int = Field(
        64, ge=min(LEAST_SIDE.values()), le=512, description="pixels along a tile's side"
    )
    tile_pixel_arcmin: float = Field(7.5, gt=0, le=60, description="size of a tile's pixel, arcmin")
    projection: Literal["ZEA", "TAN"] = Field(
        "ZEA", description="ZEA (equal area) or TAN (gnomonic)"
    )
    centre_nside: int = Field(
        32,
        ge=1,
        le=128,  # half a degree apart; 200,000 places to look at
        description="training tiles are centred on the pixels of this HEALPix grid",
    )
    snr_min: float = Field(
        8.0, ge=0, le=1e6, description="least CO signal to noise of a chosen tile"
    )
    target_scaling: Literal["asinh", "log", "minmax"] = Field(
        "asinh", description="how CO amplitudes are scaled; minmax (per tile) is the paper's"
    )

    poses: int = Field(
        0,
        ge=0,
        le=100_000,
        description="training tiles at random places and angles; 0 takes those of the grid",
    )
    context: int = Field(
        0,
        ge=0,
        le=256,
        description="pixels around each tile that networks see and that are not compared",
    )
    faint_share: float = Field(
        0.0, ge=0, le=1, description="share of the random tiles that may lie where CO is faint"
    )

    preset: Literal["cogan", "paper"] = Field("cogan", description="networks: ours or the paper's")
    paired: bool = Field(True, description="train on pairs of the same place instead of unpaired")
    batch_size: int = Field(4, ge=1, le=4096, description="tiles per training step")
    max_steps: int = Field(
        5000, ge=1, le=10_000_000, description="steps of a training, along which its rate falls"
    )
    max_minutes: float = Field(
        0.0, ge=0, le=10_000, description="limit that ends a training early; 0: none"
    )
    precision: Literal["32-true", "bf16-mixed"] = Field("32-true", description="number format")

    pretrained: Literal["alone", "always", "never"] = Field(
        "alone",
        description="whether the package's trained weights are taken, where they fit, instead of "
        "a training: by a chapter that is opened alone, by chapter 03 too, or by none",
    )
    train_members: bool = Field(
        False, description="chapter 06: train a generator of members even if the package has one"
    )
    member_steps: int = Field(
        4000,
        ge=1,
        le=10_000_000,
        description="chapter 06: steps of that training (a flow), 8 tiles each or more",
    )
    members: int = Field(4, ge=2, le=10_000, description="CO skies that chapter 06 makes")

    @field_validator("run_dir", "sky_path")
    @classmethod
    def _is_a_path(cls, value: str, info: ValidationInfo) -> str:
        if not value.isprintable() or len(value) > 2000:
            raise ValueError(
                f"{info.field_name} is {_SHORT.repr(value)}, which no path can be; take printable "
                "characters, 2,000 at most."
            )
        if value.split("/")[0] == "~":
            raise ValueError(
                f"{info.field_name} is {_SHORT.repr(value)}, but ~ is a word of the shell; write "
                "the path of the home folder."
            )
        return value

    @model_validator(mode="after")
    def _cross_check(self) -> Settings:
        for name in ("nside", "centre_nside"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, but is {value}.")
        check_side(self.tile_npix, LEAST_SIDE[self.preset])
        if self.tile_side_deg >= BLOCK_WIDTH_DEG:
            raise ValueError(
                f"A tile would be {self.tile_side_deg:g} degrees wide, but must fit into a "
                f"held-out block of {BLOCK_WIDTH_DEG:g} degrees; lower "
                "tile_npix or tile_pixel_arcmin."
            )
        if self.context % 2:
            raise ValueError(
                f"context is {self.context}; it must be even, so that tiles with it can be halved "
                "twice, as the networks do."
            )
        if 0 < self.poses < self.batch_size:
            raise ValueError(
                f"{self.poses} poses are fewer than the {self.batch_size} tiles of a step "
                "(batch_size); take more, or 0 for the tiles of the grid."
            )
        if self.faint_share and not self.poses:
            raise ValueError(
                f"faint_share is {self.faint_share:g}, but only random tiles can be faint; set "
                "poses to their number, such as 3000."
            )
        if self.context and self.target_scaling == "minmax":
            raise ValueError(
                "The minmax scaling knows a tile, not its surroundings; set context to 0."
            )
        spacing_deg = _pixel_arcmin(self.centre_nside) / 60
        if spacing_deg > self.tile_side_deg:
            raise ValueError(
                f"Tile centres at centre_nside {self.centre_nside} lie {spacing_deg:.1f} degrees "
                f"apart, more than a tile's {self.tile_side_deg:g} degrees; raise centre_nside."
            )
        if not self.sky_path:
            self._check_embedded_sky()
        return self

    def _check_embedded_sky(self) -> None:
        """Check that its pixels and those of the tiles resolve the embedded sky's beam."""
        pixel = _pixel_arcmin(self.nside)
        if self.fwhm_arcmin < pixel:
            raise ValueError(
                f"A beam of fwhm_arcmin {self.fwhm_arcmin:g} is narrower than a pixel of nside "
                f"{self.nside} ({pixel:.1f} arcmin); raise one of the two."
            )
        check_sampling(self.tile_pixel_arcmin, self.fwhm_arcmin)

    @property
    def tile_side_deg(self) -> float:
        """Side of a tile [degrees]."""
        return self.tile_npix * self.tile_pixel_arcmin / 60

    @property
    def poses_seed(self) -> int:
        """`seed` where it decides the training tiles, 0 where they lie on the grid."""
        return self.seed if self.poses else 0

    @property
    def thread_count(self) -> int:
        """`threads`, with 0 replaced by what suits this machine (`threads.default_threads`)."""
        return self.threads or default_threads()


def load_profile(name: str | Path, /, **overrides: object) -> Settings:
    """Read the settings of a named profile (``ci/profiles/<name>.yaml``) or of a profile file.

    Parameters
    ----------
    name : str or Path
        A profile's name, or the path of a YAML file (ending in ``.yaml``).
    **overrides : object
        Parameters that take the place of the profile's.

    Returns
    -------
    Settings
        ``settings.model_dump(exclude_unset=True)`` holds what the profile and overrides have set.

    Raises
    ------
    CoganError
        If there is no such profile, it is not readable, or its settings are not valid.

    Examples
    --------
    >>> load_profile("smoke", seed=7).seed
    7
    """
    content, _ = read_profile(name)
    return Settings.check(**{**content, **overrides})


def read_profile(name: str | Path) -> tuple[dict, dict[str, dict]]:
    """Read a profile's parameters, unchecked: those of the road, and those of each companion.

    A companion's stand in a section of its name: ``line_transfer: {npix: 16}``.

    Parameters
    ----------
    name : str or Path
        As for `load_profile`.

    Returns
    -------
    parameters : dict
        Of the road.
    sections : dict of str to dict
        Each companion's.

    Raises
    ------
    CoganError
        If there is no such profile, or it is not readable.

    Examples
    --------
    >>> parameters, sections = read_profile("smoke")
    >>> sections["line_transfer"]["npix"]
    16
    """
    path = Path(name) if str(name).endswith(".yaml") else PROFILE_FOLDER / f"{name}.yaml"
    try:
        content = read_yaml(path.read_bytes())
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in PROFILE_FOLDER.glob("*.yaml")))
        raise CoganError(
            f"There is no profile {str(name)!r}; choose one of: "
            f"{known or 'none came with it'}; or give the path of a .yaml file."
        ) from None
    except (OSError, ValueError) as error:
        raise CoganError(f"The profile {path} is not readable as YAML: {error}.") from error
    content = {} if content is None else content
    sections = {}
    if isinstance(content, dict):
        found = {key: value for key, value in content.items() if isinstance(value, dict)}
        sections = {key: found[key] for key in found if key not in Settings.model_fields}
        content = {key: value for key, value in content.items() if key not in sections}
    parts = [content, *sections.values()]
    if not all(isinstance(part, dict) and all(isinstance(k, str) for k in part) for part in parts):
        raise CoganError(
            f"The profile {path} must be a list of `name: value` lines, those of a companion in a "
            "section of its name."
        )
    return content, sections


def from_command_line(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Read parameters that were given as text; each value is read as YAML 1.2, which is data only.

    Parameters
    ----------
    pairs : iterable of (str, str)
        Names and texts.

    Returns
    -------
    dict of str to object

    Raises
    ------
    CoganError
        If a text is not readable, or a name comes twice.

    Examples
    --------
    >>> from_command_line([("nside", "64"), ("paired", "false"), ("max_minutes", "1e3")])
    {'nside': 64, 'paired': False, 'max_minutes': 1000.0}
    """
    values: dict[str, object] = {}
    for name, text in pairs:
        if name in values:
            raise CoganError(f"The parameter {name} is given twice; give it once.")
        try:
            values[name] = read_yaml(text) if text else ""
        except ValueError as error:
            misread = not text.isascii() and sys.getfilesystemencoding() != "utf-8"
            raise CoganError(
                f"The value {_SHORT.repr(text)} of {name} is not readable as YAML ({error}); "
                f"{UTF8_ADVICE if misread else 'quote it'}."
            ) from error
    return values


def _pixel_arcmin(nside: int) -> float:
    """Side of a HEALPix pixel, in arcmin."""
    return math.degrees(math.sqrt(4 * math.pi / (12 * nside**2))) * 60


def _sentence(item: dict, settings: type[Checked]) -> str:
    """Write one of pydantic's errors as a sentence."""
    name = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, settings.model_fields, n=1)
        hint = (
            f"; did you mean {near[0]!r}?"
            if near
            else f"; see {settings.__module__} for all of them."
        )
        return f"There is no parameter {name!r}{hint}"
    if item["type"] == "value_error":  # our own cross-checks are sentences already
        return str(item["ctx"]["error"])
    reason = item["msg"].removeprefix("Input ").removeprefix("String ")
    return f"The parameter {name} {reason}, but is {_SHORT.repr(item['input'])}."
