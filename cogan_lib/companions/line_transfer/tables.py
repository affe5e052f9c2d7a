"""What gas of a temperature does to a line, from a table: as good as the levels, far quicker."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from .physics import CMB_KELVIN, COLine, line_coefficients

#: The table's ends [K] and its number of points, evenly spaced in ln T: good to 4e-5. Beyond
#: them the table goes on in straight lines.
HOTTEST, POINTS = 1e4, 1024


class LineTable:
    """ln of opacity and source function against ln T, joined by straight lines.

    `physics.line_coefficients` adds up 41 levels for each cell. All that comes of it depends on the
    temperature alone, but for a factor of the density.

    Parameters
    ----------
    line : COLine
    turbulence : float
        v_turb [m/s].
    device : str
    """

    def __init__(self, line: COLine, turbulence: float, device: str = "cpu") -> None:
        self._first = math.log(CMB_KELVIN)
        self._step = (math.log(HOTTEST) - self._first) / (POINTS - 1)
        kelvin = torch.exp(self._first + self._step * torch.arange(POINTS, dtype=torch.float64))
        opacity, source, _ = line_coefficients(kelvin, torch.ones_like(kelvin), line, turbulence)
        self._opacity, self._source = (
            torch.log(x).to(device, torch.float32) for x in (opacity, source)
        )

    def __call__(self, ln_kelvin: Tensor) -> tuple[Tensor, Tensor]:
        """Look up.

        Parameters
        ----------
        ln_kelvin : Tensor, any shape, float32
            ln T.

        Returns
        -------
        tuple of Tensor, same shape
            ln of the opacity of one molecule in a cubic metre (the first of `line_coefficients`)
            and ln S.
        """
        place = ((ln_kelvin - self._first) / self._step).flatten()
        near = place.detach().long().clamp_(0, POINTS - 2)
        way = place - near
        found = (
            torch.lerp(table.index_select(0, near), table.index_select(0, near + 1), way)
            for table in (self._opacity, self._source)
        )
        opacity, source = (values.view(ln_kelvin.shape) for values in found)
        return opacity, source


@lru_cache(maxsize=16)
def line_table(line: COLine, turbulence: float, device: str) -> LineTable:
    """Make a `LineTable`, or hand out the one that was made.

    Parameters
    ----------
    line : COLine
    turbulence : float
        v_turb [m/s].
    device : str

    Returns
    -------
    LineTable
    """
    return LineTable(line, turbulence, device)
