"""Parameters of chapter 11 beside the road's; a profile's section ``cmb_maps`` sets them."""

from pydantic import Field

from ...base.config import Checked


class CmbMapsSettings(Checked):
    """How long the network trains, and on how much it is evaluated.

    Attributes
    ----------
    steps : int
        Of a training, if there is one.
    maps : int
        Generated of each held-out cosmology.
    sets : int
        Cosmologies from which the slopes are measured.
    """

    steps: int = Field(60, ge=1, le=1_000_000, description="steps of the network's training")
    maps: int = Field(64, ge=16, le=100_000, description="maps of each held-out cosmology")
    sets: int = Field(40, ge=12, le=10_000, description="cosmologies to measure the slopes with")
