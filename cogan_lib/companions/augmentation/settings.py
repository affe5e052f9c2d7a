"""Parameters of chapter 13's learning curves; a profile's section ``augmentation`` sets them."""

from pydantic import Field

from ...base.config import Checked


class AugmentationSettings(Checked):
    """How many trainings there are, and how long each is.

    Attributes
    ----------
    sizes : int
        Numbers of real examples: 16, 64, 256, 1,024, as many of them.
    seeds : int
        Trainings of a kind.
    steps : int
        Of a training.
    """

    sizes: int = Field(2, ge=1, le=4, description="numbers of real examples: 16, 64, 256, 1,024")
    seeds: int = Field(2, ge=2, le=20, description="trainings of a kind, for the intervals")
    steps: int = Field(200, ge=1, le=100_000, description="steps of a training")
