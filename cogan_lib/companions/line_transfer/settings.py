"""Parameters of chapter 07 beside the road's; a profile's section ``line_transfer`` sets them."""

from pydantic import Field, field_validator

from ...base.config import Checked


class LineTransferSettings(Checked):
    """How many winds, how fine, and for how long.

    Attributes
    ----------
    npix : int
        Side of the cubes and images, a multiple of 8.
    models : int
        Stellar winds to learn from and test on.
    minutes : float
        Budget of the training of each of the four networks.
    """

    npix: int = Field(
        32, ge=16, le=256, description="side of the cubes and images, a multiple of 8"
    )
    models: int = Field(
        200, ge=10, le=100_000, description="stellar winds to learn from and test on"
    )
    minutes: float = Field(0.15, gt=0, le=10_000, description="budget of each network's training")

    @field_validator("npix")
    @classmethod
    def _halves_three_times(cls, value: int) -> int:
        if value % 8:
            raise ValueError(
                f"npix must be a multiple of 8, because the networks halve a cube three times, but "
                f"is {value}."
            )
        return value
