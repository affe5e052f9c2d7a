"""A network that corrects a beam fit from what the fit has left over: fast, and it sees the source.

The fit takes every background for a Gaussian process of one typical spectrum. The network sees
the image without the fitted source, the beam and the flux, and says by how much the flux is off, in
units of the ring's rms and of the flux itself: backgrounds do the one, beams of another shape the
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...base.files import CoganError, provenance
from ...learn.fit import Plan, fit, seeded
from ...learn.weights import read_network
from . import masks, truth
from .beam_fit import fit_beams
from .beams import MIN_FWHM_PX, Beam
from .network import CARD, FORMAT, check_kind, save_network
from .training import BEAMS_PX

#: Pixels around the source that the network sees.
SIDE = 48
#: Channels at full, half, quarter ... resolution.
WIDTHS = (24, 48, 64, 96)
#: What the training varies: the beam's width (rms, as a share), the noise, the flux over the rms.
WIDTH_ERROR, CORRELATED_RMS, PIXEL_RMS, SNR = 0.1, 0.1, (0.0, 0.2), (3.0, 3e4)
#: An epoch, in examples, and those to validate on; epochs of the shipped training.
EPOCHS, EPOCH, VALIDATED, VALIDATION_SEED = 8, 6_400, 1_500, 10**6
RATE, BATCH = 5e-4, 64
#: Largest corrections: of the background's part [rms], of the beam's (share of the flux).
FARTHEST_RMS, FARTHEST_SHARE = 6.0, 0.1


@dataclass(frozen=True)
class Fitted:
    """Cut-outs after the fit; arrays of n, on the CPU.

    Attributes
    ----------
    residual, beam : Tensor, shape (n, SIDE, SIDE)
        Image less the fitted source over the ring's rms, and the fitted beam of peak 1.
    flux : Tensor, shape (n,)
        Fitted, over the ring's rms.
    target : Tensor, shape (n,)
        Real flux over the rms; NaN if it is not known.
    rms : ndarray, shape (n,)
        The ring's, in the image's unit.
    beams : ndarray, shape (n, side, side)
        The fitted ones, in whole cut-outs.
    """

    residual: Tensor
    beam: Tensor
    flux: Tensor
    target: Tensor
    rms: np.ndarray
    beams: np.ndarray


class Corrector(nn.Module):
    """Convolutions, each level half as fine, and two numbers at the end."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 2
        for width in WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.ReLU()]
            channels = width
        self.eye = nn.Sequential(*layers, nn.Flatten())
        features = channels * (SIDE >> len(WIDTHS)) ** 2
        self.head = nn.Sequential(nn.Linear(features + 1, 96), nn.ReLU(), nn.Linear(96, 2))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, residual: Tensor, beam: Tensor, flux: Tensor) -> Tensor:
        """Compute fluxes.

        Parameters
        ----------
        residual, beam : Tensor, shape (n, SIDE, SIDE)
        flux : Tensor, shape (n,)
            As of `Fitted`.

        Returns
        -------
        Tensor, shape (n,)
            Over the ring's rms.
        """
        seen = self.eye(torch.stack([torch.asinh(residual), beam], 1))
        size = flux.abs().clamp_min(1).log()[:, None] / 4
        rms, share = self.head(torch.cat([seen, size], 1)).unbind(1)
        return (
            flux
            + FARTHEST_RMS * torch.tanh(rms / FARTHEST_RMS)
            + FARTHEST_SHARE * torch.tanh(share) * flux
        )


def fitted(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    beam: Beam,
    others: np.ndarray | None = None,
    flux: np.ndarray | None = None,
) -> Fitted:
    """Fit beams through typical backgrounds, and keep what the network needs.

    Parameters
    ----------
    image : ndarray, shape (n, side, side)
        NaN where there are no data.
    x, y : ndarray, shape (n,)
    beam : Beam
        As it is stated.
    others : ndarray of bool, shape (n, side, side), optional
        Pixels of other sources.
    flux : ndarray, shape (n,), optional
        The real ones.

    Returns
    -------
    Fitted

    Raises
    ------
    CoganError
        If there is no ring around a source.
    """
    n, side = len(image), image.shape[-1]
    known = np.isfinite(image) if others is None else np.isfinite(image) & ~others
    around = known & masks.ring(side, *(e * beam.fwhm_px for e in masks.RING_FWHM), x, y)
    if not around.any((1, 2)).all():
        raise CoganError("A source has no ring left: all of it is hidden or has no data.")
    ring = np.where(around, image, np.nan).reshape(n, -1)
    level, rms = np.nanmedian(ring, 1), np.maximum(np.nanstd(ring, 1), 1e-30)
    scaled = np.where(known, (image - level[:, None, None]) / rms[:, None, None], 0)
    found = fit_beams(scaled, known, x, y, beam)
    beams = found.beams(image.shape[1:], x, y, beam)
    sources = found.flux[:, None, None] * beams
    start = (side - SIDE) // 2
    part = np.s_[:, start : start + SIDE, start : start + SIDE]
    residual = np.where(known, scaled - sources, 0)[part]
    target = np.full(n, np.nan) if flux is None else flux / rms
    arrays = residual, beams[part], found.flux, target
    return Fitted(*(torch.from_numpy(a.astype(np.float32)) for a in arrays), rms, beams)


class NewSources:
    """Batches of a `learn.fit`, none of them seen before.

    Parameters
    ----------
    size, batches, seed : int
    device : str
    """

    def __init__(self, size: int, batches: int, seed: int, device: str = "cpu") -> None:
        self.size, self.batches, self.device = size, batches, device
        self._rng = np.random.default_rng([seed, 17])

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[Tensor]]:
        for _ in range(self.batches):
            drawn = self.draw(self.size)
            pairs = drawn.residual, drawn.beam, drawn.flux, drawn.target
            yield [tensor.to(self.device) for tensor in pairs]

    def draw(self, n: int) -> Fitted:
        """Draw backgrounds and sources of one beam, and fit them.

        Parameters
        ----------
        n : int

        Returns
        -------
        Fitted
        """
        rng = self._rng
        beam = Beam("gaussian", rng.uniform(*BEAMS_PX))
        side = int(2 * np.ceil(masks.RING_FWHM[1] * beam.fwhm_px)) + 4  # the ring, and no more
        found = truth.backgrounds(
            n, rng, beam=beam, side=max(side, SIDE),
            correlated_rms=CORRELATED_RMS, pixel_rms=rng.uniform(*PIXEL_RMS),
        )  # fmt: skip
        wider = np.clip(WIDTH_ERROR * rng.standard_normal(n), -0.25, 0.25)
        wider = np.maximum(wider, 1.01 * MIN_FWHM_PX / beam.fwhm_px - 1)  # pixels allow no less
        seen = truth.inject(found, rng, snr=SNR, beam=beam, fwhm_error=wider)
        return fitted(seen.image, seen.x, seen.y, beam, flux=seen.flux)


def train_joint(folder: str | Path, plan: Plan, device: str = "cpu") -> Path:
    """Train on new draws, validate on others, save.

    Parameters
    ----------
    folder : path
        Of the result, which `load_joint` reads.
    plan : Plan
        An epoch is `EPOCH` sources.
    device : str

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If the loss is no longer finite, or the folder cannot be written.
    """
    batches = NewSources(plan.batch, max(1, EPOCH // plan.batch), plan.seed, device)
    source = NewSources(100, 1, VALIDATION_SEED)
    held_out = [source.draw(100) for _ in range(VALIDATED // 100)]
    with seeded(plan.seed):
        net = Corrector()

        def losses(batch: list[Tensor]) -> Iterator[Tensor]:
            *inputs, target = batch
            yield _robust(net(*inputs) - target)

        def off() -> np.ndarray:
            found = [corrected(net, some, device) - some.target.numpy() for some in held_out]
            return np.concatenate(found)

        def validate() -> dict[str, float]:
            alone = np.concatenate([(some.flux - some.target).numpy() for some in held_out])
            pairs = {"validation": off(), "fit_alone": alone}
            return {name: float(np.median(np.abs(values))) for name, values in pairs.items()}

        history = fit(
            net, losses, batches, plan, device=device, validate=validate, clip=1.0,
            worth=lambda row: -row["validation"],
        )  # fmt: skip
    content = {
        "kind": "joint",
        # 68 per cent of the validation's errors are below it
        "flux_error_over_rms": float(np.quantile(np.abs(off()), 0.6827)),
        "width_error": WIDTH_ERROR,
        "fwhm_px": list(BEAMS_PX),
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, net, content)


def _robust(off: Tensor) -> Tensor:
    """Squares of small errors, logarithms of large ones: bright sources must not rule."""
    return torch.log1p(off.square() / 0.25).mean()


@torch.no_grad()
def corrected(net: Corrector, fit: Fitted, device: str = "cpu") -> np.ndarray:
    """Compute corrected fluxes.

    Parameters
    ----------
    net : Corrector
    fit : Fitted
    device : str

    Returns
    -------
    ndarray, shape (n,)
        Over the ring's rms.
    """
    net.eval().to(device)
    parts = zip(*(a.split(256) for a in (fit.residual, fit.beam, fit.flux)), strict=True)
    found = [net(*(tensor.to(device) for tensor in some)).cpu() for some in parts]
    return torch.cat(found).numpy()


def load_joint(folder: str | Path) -> tuple[Corrector, dict]:
    """Read a network that corrects fluxes.

    Parameters
    ----------
    folder : path
        That `train_joint` wrote.

    Returns
    -------
    network : Corrector
        On the CPU, in evaluation mode.
    content : dict
        Of its card.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the card describes.
    """

    def make(content: dict) -> Corrector:
        check_kind(content, "joint", folder)
        return Corrector()

    return read_network(Path(folder) / CARD, FORMAT, "network", make)
