"""Parameters of chapter 12's proposals; a profile's section ``proposals`` sets them."""

from pydantic import Field

from ...base.config import Checked


class ProposalsSettings(Checked):
    """Whom to ask, and how much to compare with.

    Attributes
    ----------
    live : bool
        Ask the model on this machine, where its packages are; otherwise its recorded replies.
    seeds : int
        Proposals of each kind.
    reference : int
        Objects that a reference sampler draws.
    """

    live: bool = Field(False, description="ask the model on this machine (needs the extra [llm])")
    seeds: int = Field(32, ge=2, le=10_000, description="proposals of each kind and way")
    reference: int = Field(2000, ge=100, le=1_000_000, description="objects of a reference sampler")
