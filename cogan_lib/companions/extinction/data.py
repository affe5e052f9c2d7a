"""Examples for the network: drawn anew for each batch, on few sightlines, as the document trains.

An example is a diagram, the same sightline's diagram without dust, and the profile that is asked
for. Nothing is stored: a frozen catalogue would let a network learn single stars by heart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError
from . import physics
from .physics import BINS, SIDE, Sightlines

#: (lon, lat) [deg] of the sightlines that are learnt from, nine as in the document, and of others.
TRAINED = tuple((lon, lat) for lon in (261.0, 280.0, 299.0) for lat in (-4.0, 0.0, 4.0))
UNSEEN = ((265.0, 2.0), (270.0, -1.5), (290.0, 1.0), (295.0, -3.0), (285.0, 4.8), (268.0, -0.2))
#: Draws of a diagram without dust that are averaged.
REFERENCE_DRAWS = 32
#: Examples that are drawn at once; more take more memory and no less time.
AT_ONCE = 256
#: Share of the training examples that see a part of their cell only, and the smallest part.
THINNED, SMALLEST_AREA = 0.25, 0.03


@dataclass(frozen=True)
class Drawn:
    """What the network gets, and what it should say.

    Attributes
    ----------
    counts, reference : Tensor, shape (n, SIDE, SIDE)
        Diagrams with dust, and without.
    a_v : Tensor, shape (n, BINS)
        Extinction of each bin [mag].
    """

    counts: Tensor
    reference: Tensor
    a_v: Tensor


class Survey:
    """Some sightlines as a survey sees them, with the diagrams that they would have without dust.

    Parameters
    ----------
    positions : sequence of (lon, lat)
        Galactic [deg].
    seed : int
        Of the diagrams without dust.
    device : str
    draws : int
        That are averaged for them.
    law : tuple of float, optional
        As for `physics.stars`.

    Attributes
    ----------
    lines : Sightlines
    reference : Tensor, shape (n_sightlines, SIDE, SIDE)
    """

    def __init__(self, positions, seed: int, device: str = "cpu", draws: int = REFERENCE_DRAWS,
                 law: tuple[float, float] | None = None) -> None:  # fmt: skip
        positions = np.asarray(positions, float).reshape(-1, 2)
        self.law = physics.extinction_law() if law is None else law
        self.device = device
        self.lines: Sightlines = physics.sightlines(*positions.T).to(device)
        clear = torch.zeros(len(positions), BINS, device=device)
        generator = torch.Generator(device).manual_seed(seed)
        everyone = torch.arange(len(positions), device=device)
        total = torch.zeros(len(positions), SIDE, SIDE, device=device)
        for _ in range(draws):
            total += self.observe(clear, everyone, generator)
        self.reference = total / draws

    def observe(
        self,
        a_v: Tensor,
        which: Tensor,
        generator: torch.Generator,
        *,
        area: float | Tensor = 1.0,
        zero_point_j: float = 0.0,
    ) -> Tensor:
        """Draw diagrams behind these profiles, each with stars of its own.

        Parameters
        ----------
        a_v : Tensor, shape (n, BINS)
            [mag]
        which : Tensor of int, shape (n,)
            Sightline of each.
        generator : Generator
        area, zero_point_j
            As for `physics.stars`.

        Returns
        -------
        Tensor, shape (n, SIDE, SIDE)
        """
        area = torch.as_tensor(area, dtype=a_v.dtype, device=a_v.device).expand(len(which))
        counts = torch.empty(len(which), SIDE, SIDE, device=a_v.device)
        for some in torch.arange(len(which), device=which.device).split(AT_ONCE):
            found = physics.stars(
                self.lines, which[some], a_v[some], generator,
                area=area[some], law=self.law, zero_point_j=zero_point_j,
            )  # fmt: skip
            counts[some] = physics.diagrams(found, len(some))
        return counts

    def examples(
        self,
        n: int,
        generator: torch.Generator,
        *,
        area: float | Tensor = 1.0,
        zero_point_j: float = 0.0,
    ) -> Drawn:
        """Draw examples: profile, sightline and stars are all new.

        Parameters
        ----------
        n : int
        generator : Generator
            On the survey's device.
        area, zero_point_j
            As for `physics.stars`; the diagrams without dust have the same area.

        Returns
        -------
        Drawn
        """
        a_v = physics.profiles(n, generator)
        which = torch.randint(len(self.reference), (n,), generator=generator, device=self.device)
        counts = self.observe(a_v, which, generator, area=area, zero_point_j=zero_point_j)
        area = torch.as_tensor(area, dtype=a_v.dtype, device=self.device).expand(n)
        reference = self.reference[which]
        reference *= area[:, None, None]
        return Drawn(counts, reference, a_v)


class NewDraws:
    """Batches of a `learn.fit`, none of them seen before.

    Parameters
    ----------
    survey : Survey
    size : int
        Examples of a batch.
    batches : int
        Of what the loop calls an epoch.
    seed : int
    """

    def __init__(self, survey: Survey, size: int, batches: int, seed: int) -> None:
        self.survey, self.size, self.batches = survey, size, batches
        self._generator = torch.Generator(survey.device).manual_seed(seed)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Drawn]:
        for _ in range(self.batches):
            u = torch.rand(2, self.size, generator=self._generator, device=self.survey.device)
            area = torch.where(u[0] < THINNED, SMALLEST_AREA ** u[1], 1.0)
            yield self.survey.examples(self.size, self._generator, area=area)


class Frozen:
    """Examples of one catalogue that was drawn once: what not to learn from.

    Each example dims the same stars by another profile and leaves out a tenth of them at random.

    Parameters
    ----------
    survey : Survey
    seed : int
        Of the catalogue.
    """

    def __init__(self, survey: Survey, seed: int) -> None:
        self.survey, self.seed = survey, seed

    def examples(self, n: int, generator: torch.Generator) -> Drawn:
        """Draw profiles, and look at the same stars behind them.

        Parameters
        ----------
        n : int
        generator : Generator

        Returns
        -------
        Drawn
        """
        a_v = physics.profiles(n, generator)
        which = torch.randint(len(self.survey.reference), (n,), generator=generator)
        counts = torch.empty(n, SIDE, SIDE)
        for row in range(n):
            same = torch.Generator().manual_seed(self.seed + int(which[row]))
            seen = physics.stars(
                self.survey.lines,
                which[row : row + 1],
                a_v[row : row + 1],
                same,
                law=self.survey.law,
            )
            kept = torch.rand(len(seen.example), generator=generator) < 0.9
            seen = physics.Stars(seen.example[kept], seen.colour[kept], seen.magnitude[kept])
            counts[row] = physics.diagrams(seen, 1)[0]
        return Drawn(counts, self.survey.reference[which], a_v)


def check_diagrams(counts: Tensor, reference: Tensor) -> None:
    """Refuse what are not pairs of diagrams.

    Parameters
    ----------
    counts, reference : Tensor, shape (n, SIDE, SIDE)

    Raises
    ------
    CoganError
        If their shapes differ or are others, or counts are negative or not finite.
    """
    for name, values in (("diagrams", counts), ("diagrams without dust", reference)):
        if values.ndim != 3 or values.shape[1:] != (SIDE, SIDE):
            raise CoganError(
                f"The {name} must have the shape (n, {SIDE}, {SIDE}), but have "
                f"{tuple(values.shape)}; make them by physics.diagrams or catalogue.diagrams."
            )
        if not torch.isfinite(values).all() or (values < 0).any():
            raise CoganError(f"The {name} must be counts of stars, finite and not negative.")
    if len(counts) != len(reference):
        raise CoganError(
            f"There are {len(counts)} diagrams and {len(reference)} without dust; each needs its "
            "own."
        )
