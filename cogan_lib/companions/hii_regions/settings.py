"""Parameters of chapter 10's images; a profile's section ``hii_regions`` sets them."""

from pydantic import Field

from ...base.config import Checked


class HiiRegionsSettings(Checked):
    """How long the networks play, and on how much they are evaluated.

    Attributes
    ----------
    minutes : float
        Budget of the training, if there is one.
    images : int
        Generated, and as many real ones, to evaluate on.
    """

    minutes: float = Field(10.0, gt=0, le=10_000, description="budget of the networks' training")
    images: int = Field(
        2000, ge=1000, le=100_000, description="generated, and as many real, to evaluate on"
    )
