"""Parameters of chapter 13; a profile's section ``augmentation`` sets them."""

from pydantic import Field

from ...base.config import Checked


class AugmentationSettings(Checked):
    """How many images are tested and trainings made, and how long each is.

    Attributes
    ----------
    images : int
        Of each stack that is put to the suite's tests.
    repeats : int
        Faulty generators of each kind.
    sizes : int
        Numbers of real examples: 16, 64, 256, 1,024, as many of them.
    seeds : int
        Trainings of a kind.
    steps : int
        Of a training.
    """

    images: int = Field(150, ge=40, le=2000, description="of each stack put to the tests")
    repeats: int = Field(4, ge=1, le=100, description="faulty generators of each kind")
    sizes: int = Field(3, ge=1, le=4, description="numbers of real examples: 16, 64, 256, 1,024")
    seeds: int = Field(3, ge=2, le=20, description="trainings of a kind, for the intervals")
    steps: int = Field(150, ge=1, le=100_000, description="steps of a training")
