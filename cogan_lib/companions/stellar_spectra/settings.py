"""Parameters of the spectra, beside the road's: a profile's section ``stellar_spectra``."""

from pydantic import Field

from ...base.config import Checked


class StellarSpectraSettings(Checked):
    """How long the network trains, and on how many spectra it is evaluated.

    Attributes
    ----------
    minutes : float
        Budget of the training, if there is one.
    stars : int
        Spectra that the training has.
    examples : int
        Drawn to evaluate on.
    """

    minutes: float = Field(8.0, gt=0, le=10_000, description="budget of the network's training")
    stars: int = Field(20_000, ge=100, le=1_000_000, description="spectra of the training")
    examples: int = Field(2000, ge=100, le=100_000, description="drawn to evaluate on")
