"""The recipes: presets of networks, weights of losses, rates, and what the ablation changes.

One place for the numbers that were chosen, and why. `training_settings` makes a recipe of a run's
settings; `member_settings` that of the ablation's generator of members, an adversarial one: the
road's is a flow (`FLOW`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace

import torch

from ..base.config import Settings
from ..base.files import CoganError
from ..base.session import device
from .losses import LossWeights
from .networks import NetworkSettings

PRESETS = {
    "paper": NetworkSettings(),
    "cogan": NetworkSettings(
        features=16,
        blocks=4,
        discriminator_features=16,
        discriminator_layers=3,
        instance_norm=False,
        tanh=False,
        smooth=True,
    ),
}


@dataclass(frozen=True)
class TrainingSettings:
    """What decides a training run, beside its patches.

    Attributes
    ----------
    network : NetworkSettings
    weights : LossWeights
    paired : bool
        Draw input and target tiles of the same place; otherwise independently.
    batch_size : int
        Tiles per step; several processes share them.
    max_steps : int
        The budget, along which the learning rate falls.
    max_minutes : float
        A limit that ends a training early, and changes nothing else.
    learning_rate : float
    jitter : float
        Standard deviation, in scaled units, of an offset drawn for each input tile and channel: an
        augmentation. The gas-to-dust ratio and the dust's temperature drift along the Galaxy; a
        network that must not trust the absolute level follows the tile's structure instead, and
        does better on longitudes it has not seen.
    clip : float
        Longest gradient of a group of networks: longer ones are shortened to it. Without any
        normalisation a rare bad step can otherwise feed on itself until the losses are millions.
    average : float
        Longest memory of the weight average: 1 - 1/(number of steps). Early on it is shorter, about
        the last tenth of the steps so far.
    seed : int
    device : {'auto', 'cpu', 'cuda'}
    precision : {'32-true', 'bf16-mixed'}
    """

    network: NetworkSettings = PRESETS["cogan"]
    weights: LossWeights = field(default_factory=LossWeights)
    paired: bool = False
    batch_size: int = 8
    max_steps: int = 5000
    max_minutes: float = math.inf
    learning_rate: float = 2e-4
    jitter: float = 0.0
    clip: float = math.inf
    average: float = 0.998
    seed: int = 1
    device: str = "auto"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Refuse settings with which nothing can be trained."""
        if self.network.noise and not self.paired:
            raise CoganError(
                "A generator of members is scored against the real tile: set paired to true."
            )
        for name in ("batch_size", "max_steps", "max_minutes", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise CoganError(f"{name} is {getattr(self, name)}; it must be positive.")
        if not self.jitter >= 0:
            raise CoganError(f"jitter is {self.jitter}; it must be zero or positive.")
        if not 0 <= self.average < 1:
            raise CoganError(f"average is {self.average}; it must lie between 0 and 1.")
        if self.precision not in ("32-true", "bf16-mixed"):
            raise CoganError(f"Precision {self.precision!r} is unknown; 32-true or bf16-mixed.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise CoganError(f"Device {self.device!r} is unknown; choose auto, cpu or cuda.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise CoganError("There is no CUDA device here; set device to auto or cpu.")

    @property
    def accelerator(self) -> str:
        """'cuda' or 'cpu'."""
        return "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"

    def to_dict(self) -> dict:
        """Give plain types, for JSON; no limit is null.

        Returns
        -------
        dict
        """
        limits = {"max_minutes": self.max_minutes, "clip": self.clip}
        endless = {name: None for name, limit in limits.items() if math.isinf(limit)}
        return {**asdict(self), **endless}


#: The cogan preset's weight of the cycle term, and of the L1 term between a generated tile and its
#: real counterpart in paired training. The paper's 10 leaves the adversarial term, which alone
#: asks for the right power on every scale, too little say.
COGAN_WEIGHT = 4.0
#: An adversarial generator of members: FWHM of its noise in tile pixels, for texture, clouds and
#: regions.
MEMBER_WIDTHS = (3.0, 12.0, 48.0)
#: The cycle forces all members to be equal, and the score forbids it; with the cogan preset's
#: weights the members differ by half of what they should (on training tiles).
MEMBER_WEIGHTS = LossWeights(cycle=1.0, pair=8.0)
#: The light cycle holds the reverse generator on a long leash; at a rate of 5e-4 without a limit on
#: the gradient (about 15 in this training) a run on the real sky went astray in its eighth epoch.
MEMBER_RATE, MEMBER_CLIP = 3e-4, 20.0
#: A generator of members by flow matching (`flow`): the cogan preset's generator, walked through in
#: so many steps. Its noise is the map's beam wide (`beyond.member_training`).
FLOW = replace(PRESETS["cogan"], flow_steps=8)
#: Fewest tiles of a step: the times are drawn evenly among them.
FLOW_BATCH = 8
#: What differs from the cogan recipe: fields of `NetworkSettings`, `LossWeights` or
#: `TrainingSettings`; "scaling" is that of the patches, "recipe" one that differs in many things.
VARIANTS = {
    "cogan": {},
    "unpaired": {"paired": False, "pair": 0.0},
    "instance norm": {"instance_norm": True},
    "plain resampling": {"smooth": False},
    "identity loss": {"identity": COGAN_WEIGHT / 2},
    "no jitter": {"jitter": 0.0},
    "min-max": {"scaling": "minmax"},
    "paper's recipe": {"recipe": "paper"},
    "members": {"recipe": "members"},
}


def training_settings(settings: Settings, n_inputs: int, n_targets: int) -> TrainingSettings:
    """Choose the preset's losses and learning rate, with the run's budget.

    The paper's preset has the paper's weights, but for the identity loss, which exists only where
    there are as many target as input channels.

    Parameters
    ----------
    settings : Settings
    n_inputs, n_targets : int
        Channels.

    Returns
    -------
    TrainingSettings

    Examples
    --------
    >>> training_settings(Settings(), 2, 2).weights
    LossWeights(cycle=4.0, identity=0.0, pair=4.0, pair_loss='l1')
    """
    if settings.preset == "paper":
        weights = LossWeights(cycle=10.0, identity=5.0 if n_inputs == n_targets else 0.0)
        rate, jitter = 2e-4, 0.0
    else:
        weights = LossWeights(
            cycle=COGAN_WEIGHT,
            pair=COGAN_WEIGHT if settings.paired else 0.0,
            pair_loss="l2" if settings.faint_share else "l1",
        )
        rate, jitter = 5e-4, 0.25
    return TrainingSettings(
        network=PRESETS[settings.preset],
        weights=weights,
        paired=settings.paired,
        batch_size=settings.batch_size,
        max_steps=settings.max_steps,
        max_minutes=settings.max_minutes or math.inf,
        learning_rate=rate,
        jitter=jitter,
        seed=settings.seed,
        device=device(settings),
        precision=settings.precision,
    )


def member_settings(settings: TrainingSettings) -> TrainingSettings:
    """Change the settings of a Cycle-GAN training to those of an adversarial generator of members.

    Parameters
    ----------
    settings : TrainingSettings

    Returns
    -------
    TrainingSettings
    """
    network = replace(PRESETS["cogan"], noise=MEMBER_WIDTHS)
    return replace(
        settings,
        network=network,
        weights=MEMBER_WEIGHTS,
        paired=True,
        learning_rate=MEMBER_RATE,
        clip=MEMBER_CLIP,
    )
