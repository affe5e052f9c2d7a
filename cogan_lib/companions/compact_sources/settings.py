"""Parameters of chapter 09 beside the road's; a profile's section ``compact_sources`` sets them."""

from pydantic import Field

from ...base.config import Checked


class CompactSourcesSettings(Checked):
    """How long the networks train, and on how much all is evaluated.

    Attributes
    ----------
    minutes : float
        Budget of each network's training, if there is one.
    cutouts : int
        To evaluate on.
    """

    minutes: float = Field(10.0, gt=0, le=10_000, description="budget of each network's training")
    cutouts: int = Field(150, ge=30, le=100_000, description="cut-outs to evaluate on")
