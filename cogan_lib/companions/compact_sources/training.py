"""How the masked network is trained: new backgrounds and new holes for each batch.

A source is never shown: what a hole hides has no say, unless the image is scaled by its brightest
pixel, as the document does. `NORMALISATIONS` has both ways, to show what that costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...base.files import CoganError, provenance
from ...learn.fit import Plan, fit, seeded
from . import losses, rivals, truth
from .beams import Beam
from .network import Layer, PartialUNet, save_network

#: Pixels of a training cut-out; its hole's radius and its beam [FWHM, pixels].
SIDE, RADIUS_FWHM, BEAMS_PX = 64, (1.1, 2.6), (2.5, 6.0)
CORRELATED_RMS, PIXEL_RMS = 0.1, (0.0, 0.2)
#: S/N of the sources that the document's scaling sees.
BRIGHT = (3.0, 3e3)
#: Beams in a batch. With one alone, batch norm takes each beam's own statistics in training, those
#: of all of them in use, and fills are off by a third of the rms, up or down by the beam.
MIXED = 8
EPOCH, VALIDATED, VALIDATION_SEED = 2_048, 256, 10**6
NORMALISATIONS = ("near", "unmasked", "document")
#: Width (sigma) of the window about the hole's centre that says what is near [pixels].
NEAR_PX = 9.0


@dataclass(frozen=True)
class Holes:
    """Cut-outs with a hole.

    Attributes
    ----------
    image, real : Tensor, shape (n, side, side)
        With a source in the hole, and without.
    mask : Tensor, shape (n, side, side)
        0 in the hole, 1 elsewhere.
    x, y, rms : ndarray, shape (n,)
        The hole's centre, and the ring's rms.
    beam : Beam
    """

    image: Tensor
    real: Tensor
    mask: Tensor
    x: np.ndarray
    y: np.ndarray
    rms: np.ndarray
    beam: Beam


class NewHoles:
    """Batches of a `learn.fit`, none of them seen before.

    Parameters
    ----------
    size : int
        Of a batch.
    batches : int
        Of what the loop calls an epoch.
    seed : int
    device : str
    """

    def __init__(self, size: int, batches: int, seed: int, device: str = "cpu") -> None:
        self.size, self.batches, self.device = size, batches, device
        self._rng = np.random.default_rng([seed, 9])

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[Tensor]]:
        edges = np.linspace(0, self.size, MIXED + 1).astype(int)
        for _ in range(self.batches):
            parts = [self.draw(n) for n in np.diff(edges) if n]
            yield [
                torch.cat(x) for x in zip(*((p.image, p.real, p.mask) for p in parts), strict=True)
            ]

    def draw(self, n: int) -> Holes:
        """Draw cut-outs of one beam and noise.

        Parameters
        ----------
        n : int

        Returns
        -------
        Holes
        """
        beam = Beam("gaussian", self._rng.uniform(*BEAMS_PX))
        found = truth.backgrounds(
            n,
            self._rng,
            beam=beam,
            correlated_rms=CORRELATED_RMS,
            pixel_rms=self._rng.uniform(*PIXEL_RMS),
            side=SIDE,
        )
        seen = truth.inject(found, self._rng, snr=BRIGHT, beam=beam)
        radius = beam.fwhm_px * self._rng.uniform(*RADIUS_FWHM, n)[:, None, None]
        rows, columns = np.mgrid[:SIDE, :SIDE]
        away = np.hypot(columns - seen.x[:, None, None], rows - seen.y[:, None, None])
        arrays = seen.image, seen.background, (away > radius).astype(np.float32)
        tensors = (torch.from_numpy(x).to(self.device) for x in arrays)
        return Holes(*tensors, seen.x, seen.y, seen.rms, beam)


def scaling(image: Tensor, mask: Tensor, how: str = "near") -> tuple[Tensor, Tensor]:
    """Find the level and the scale by which an image is shown to the network.

    Parameters
    ----------
    image, mask : Tensor, shape (n, h, w)
    how : str
        ``"near"``: mean and standard deviation of the pixels outside of holes, weighted by their
        distance from the middle of the cut-out; ``"unmasked"``: all of them alike;
        ``"document"``: minimum and maximum of all pixels, the source's too, to -1 and 1.

    Returns
    -------
    level, scale : Tensor, shape (n, 1, 1)

    Raises
    ------
    CoganError
        If `how` is another word.
    """
    if how not in NORMALISATIONS:
        raise CoganError(f"The normalisation is {how!r}; choose {' or '.join(NORMALISATIONS)}.")
    if how == "document":
        low, high = image.amin((1, 2), True), image.amax((1, 2), True)
        return (low + high) / 2, (high - low).clamp_min(1e-12) / 2
    weight = mask
    if how == "near":
        rows, columns = (torch.arange(n, device=mask.device) - n // 2 for n in mask.shape[1:])
        far2 = rows[:, None] ** 2 + columns**2
        weight = mask * torch.exp(far2 / (-2 * NEAR_PX**2))
    number = weight.sum((1, 2), True).clamp_min(1e-6)
    level = (weight * image).sum((1, 2), True) / number
    variance = (weight * (image - level) ** 2).sum((1, 2), True) / number
    return level, variance.sqrt().clamp_min(1e-12)


def filled(net: PartialUNet, image: Tensor, mask: Tensor, how: str = "near") -> Tensor:
    """Compute a background for all pixels, in the image's own unit.

    Parameters
    ----------
    net : PartialUNet
    image, mask : Tensor, shape (n, h, w)
        Pixels whose mask is 0 are not looked at, unless the document's scaling does.
    how : str
        As for `scaling`.

    Returns
    -------
    Tensor, shape (n, h, w)
    """
    level, scale = scaling(image, mask, how)
    return level + scale * net((image - level) / scale, mask)


def train_masked(
    folder: str | Path,
    layers: tuple[Layer, ...],
    plan: Plan,
    device: str = "cpu",
    *,
    weights: Mapping[str, float] = losses.OURS,
    how: str = "near",
    ratio: bool = True,
) -> Path:
    """Train, validate on backgrounds of another seed, save.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load` reads.
    layers : tuple of Layer
    plan : Plan
        An epoch is `EPOCH` cut-outs.
    device : str
    weights : dict of str to float
        Of the losses.
    how : str
        As for `scaling`.
    ratio : bool
        As for `network.PartialConvolution`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    batches = NewHoles(plan.batch, max(1, EPOCH // plan.batch), plan.seed, device)
    held_out = NewHoles(VALIDATED // 8, 8, VALIDATION_SEED, device)
    held_out = [held_out.draw(held_out.size) for _ in range(len(held_out))]
    features = losses.RandomFeatures().to(device)
    with seeded(plan.seed):
        net = PartialUNet(layers, ratio)

        def compute(batch: list[Tensor]) -> Iterator[Tensor]:
            image, real, mask = batch
            level, scale = scaling(image, mask, how)
            image, real = ((x - level) / scale for x in (image, real))
            found = net(image, mask)
            if set(weights) <= losses.SIMPLE:  # the others take longer than the network
                parts = losses.simple_terms(found, real, mask)
            else:
                parts = losses.terms(found, real, image, mask, features)
            yield losses.total(parts, weights)

        def validate() -> dict[str, float]:
            errors = [blank_error(net, some, how) for some in held_out]
            return {"validation": float(np.mean(errors))}

        history = fit(
            net, compute, batches, plan, device=device, validate=validate,
            worth=lambda row: -row["validation"],
        )  # fmt: skip
    content = {
        "kind": "masked",
        "flux_error_over_rms": flux_error(net, held_out, how),
        "layers": [asdict(layer) for layer in layers],
        "ratio": ratio,
        "normalisation": how,
        "losses": dict(weights),
        "fwhm_px": list(BEAMS_PX),
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, net, content)


@torch.no_grad()
def blank_error(net: PartialUNet, holes: Holes, how: str) -> float:
    """Compute the mean absolute error in holes, over the scatter around them.

    Parameters
    ----------
    net : PartialUNet
    holes : Holes
    how : str

    Returns
    -------
    float
    """
    net.eval()
    _, scale = scaling(holes.real, holes.mask)
    apart = (filled(net, holes.image, holes.mask, how) - holes.real).abs() / scale
    return float(((1 - holes.mask) * apart).sum() / (1 - holes.mask).sum())


@torch.no_grad()
def flux_error(net: PartialUNet, drawn: list[Holes], how: str) -> float:
    """Compute the rms flux that the network leaves in blank holes, over the ring's rms.

    Parameters
    ----------
    net : PartialUNet
    drawn : list of Holes
    how : str

    Returns
    -------
    float
    """
    errors = []
    for some in drawn:
        found = filled(net, some.image, some.mask, how).cpu().numpy()
        real, hole = some.real.cpu().numpy(), some.mask.cpu().numpy() == 0
        flux = rivals.flux_above(real, found, hole, some.x, some.y, some.beam)
        errors.append(flux / some.rms)
    return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))
