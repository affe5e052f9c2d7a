"""Parameters of chapter 08 beside the road's; a profile's section ``extinction`` sets them."""

from typing import Literal

from pydantic import Field

from ...base.config import Checked


class ExtinctionSettings(Checked):
    """Which network, how long it trains, and on how much it is evaluated.

    Attributes
    ----------
    network : str
        small, or the document's own.
    minutes : float
        Budget of the training, if there is one.
    examples : int
        Drawn to evaluate on.
    map_step_deg : float
        Spacing of the map's sightlines.
    """

    network: Literal["small", "document"] = Field(
        "small", description="network: small, or the document's own (a GPU)"
    )
    minutes: float = Field(10.0, gt=0, le=10_000, description="budget of the network's training")
    examples: int = Field(2000, ge=50, le=1_000_000, description="drawn to evaluate on")
    map_step_deg: float = Field(
        0.5, ge=0.1, le=2.5, description="spacing of the map's sightlines [deg]"
    )
