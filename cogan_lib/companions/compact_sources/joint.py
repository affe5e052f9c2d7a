"""A small network that corrects the Gaussian process's flux from what its fit has left over.

The process takes the background for Gaussian and stationary, and real ones are neither: they have
filaments and bright knots. The network sees the image without the fitted source, the beam, and the
error that the fit states, and says by how many of these errors the flux is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...base.files import CoganError, provenance, reading
from ...learn.dataset import Batches
from ...learn.fit import Plan, fit, seeded
from ...learn.weights import load_network, read_card
from . import gaussian, masks, truth
from .beams import MIN_FWHM_PX, Beam
from .network import CARD, FORMAT, save_network
from .training import BEAMS_PX

#: Pixels around the source that the network sees.
SIDE = 48
#: Channels at full, half, quarter ... resolution.
WIDTHS = (24, 48, 64, 96)
#: What the training varies: the beam's width (rms, as a share), the noise, the flux over the rms.
WIDTH_ERROR, CORRELATED_RMS, PIXEL_RMS, SNR = 0.1, 0.1, (0.0, 0.2), (3.0, 3e3)
WIDTH_PRIOR = 0.1
#: Of the training.
EPOCHS, RATE, BATCH = 12, 1e-3, 64
#: Corrections beyond this many of the fit's errors are cut off in training and use.
FARTHEST = 6.0


@dataclass(frozen=True)
class Fitted:
    """Cut-outs after the fit.

    Attributes
    ----------
    residual, beam : ndarray, shape (n, SIDE, SIDE), float32
        Image less the fitted source over the ring's rms, and the beam of peak 1.
    error : ndarray, shape (n,), float32
        The fit's own error over the ring's rms.
    snr : ndarray, shape (n,), float32
        The fitted flux over its error.
    target : ndarray, shape (n,), float32
        Real flux less the fitted one, over the fit's error; NaN if it is not known.
    """

    residual: np.ndarray
    beam: np.ndarray
    error: np.ndarray
    snr: np.ndarray
    target: np.ndarray


class Corrector(nn.Module):
    """Convolutions, each level half as fine, and one number at the end."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 2
        for width in WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.ReLU()]
            channels = width
        self.eye = nn.Sequential(*layers, nn.Flatten())
        features = channels * (SIDE >> len(WIDTHS)) ** 2
        self.head = nn.Sequential(nn.Linear(features + 2, 96), nn.ReLU(), nn.Linear(96, 1))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, residual: Tensor, beam: Tensor, error: Tensor, snr: Tensor) -> Tensor:
        """Say by how much the fit is off.

        Parameters
        ----------
        residual, beam : Tensor, shape (n, SIDE, SIDE)
        error, snr : Tensor, shape (n,)
            As of `Fitted`.

        Returns
        -------
        Tensor, shape (n,)
            In units of the fit's error.
        """
        scaled = residual / error[:, None, None]
        scaled = torch.asinh(scaled / 3)  # a bright source leaves much, where it isn't the beam's
        seen = self.eye(torch.stack([scaled, beam], 1))
        more = torch.stack([error.log(), snr.clamp_min(1).log()], 1)
        return self.head(torch.cat([seen, more], 1))[:, 0].clamp(-FARTHEST, FARTHEST)


def fitted(
    image: np.ndarray,
    hole: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    beam: Beam,
    others: np.ndarray | None = None,
    flux: np.ndarray | None = None,
) -> tuple[Fitted, np.ndarray, np.ndarray, np.ndarray]:
    """Fit sources by `gaussian.joint` and keep what the network needs.

    Parameters
    ----------
    image, hole, x, y, beam, others
        As of `gaussian.joint`.
    flux : ndarray, shape (n,), optional
        The real ones.

    Returns
    -------
    fit : Fitted
    flux, flux_error : ndarray, shape (n,)
        The process's own.
    background : ndarray, shape (n, rows, columns)
    """
    first, error, background = gaussian.joint(image, hole, x, y, beam, WIDTH_PRIOR, others)
    side = image.shape[-1]
    start = (side - SIDE) // 2
    part = slice(start, start + SIDE)
    around = masks.ring(side, *(edge * beam.fwhm_px for edge in masks.RING_FWHM), x, y)
    around &= np.isfinite(image) & (True if others is None else ~others)
    level = np.array([np.median(row[use]) for row, use in zip(background, around, strict=True)])
    rms = np.array([row[use].std() for row, use in zip(background, around, strict=True)])
    shown = np.nan_to_num((background - level[:, None, None]) / rms[:, None, None])
    if others is not None:
        shown[others] = 0
    shapes = np.stack([beam.image(side, *place) for place in zip(x, y, strict=True)])
    off = np.full(len(first), np.nan) if flux is None else (flux - first) / error
    arrays = (
        shown[:, part, part], shapes[:, part, part], error / rms,
        first / error, np.clip(off, -FARTHEST, FARTHEST),
    )  # fmt: skip
    return Fitted(*(a.astype(np.float32) for a in arrays)), first, error, background


def draw_fitted(n: int, seed: int) -> Fitted:
    """Draw backgrounds and sources, and fit them: what the network learns from.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    Fitted
    """
    rng = np.random.default_rng([seed, 17])
    parts, chunk = [], 100  # one beam each
    for start in range(0, n, chunk):
        size = min(chunk, n - start)
        beam = Beam("gaussian", rng.uniform(*BEAMS_PX))
        found = truth.backgrounds(
            size, rng, beam=beam, correlated_rms=CORRELATED_RMS, pixel_rms=rng.uniform(*PIXEL_RMS)
        )
        wider = np.clip(WIDTH_ERROR * rng.standard_normal(size), -0.25, 0.25)
        wider = np.maximum(wider, 1.01 * MIN_FWHM_PX / beam.fwhm_px - 1)  # pixels allow no less
        seen = truth.inject(found, rng, snr=SNR, beam=beam, fwhm_error=wider)
        hidden = holes_of(seen.flux / seen.rms, seen.x, seen.y, beam)
        parts.append(fitted(seen.image, hidden, seen.x, seen.y, beam, flux=seen.flux)[0])
    names = Fitted.__dataclass_fields__
    return Fitted(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def holes_of(snr: np.ndarray, x: np.ndarray, y: np.ndarray, beam: Beam) -> np.ndarray:
    """Holes of cut-outs that hide sources of these S/N."""
    return masks.hole(truth.SIDE, masks.hole_radius(snr, beam), x, y)


def train_joint(folder: str | Path, plan: Plan, examples: int, device: str = "cpu") -> Path:
    """Draw and fit examples, train the network on them, save.

    Parameters
    ----------
    folder : path
        Of the result, which `load_joint` reads.
    plan : Plan
    examples : int
        A tenth more are drawn to validate on.
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
    pool, held_out = (
        draw_fitted(examples, plan.seed),
        draw_fitted(examples // 10, plan.seed + 10**6),
    )

    def load(rows: np.ndarray, rng: np.random.Generator) -> list[Tensor]:
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
        found = [getattr(pool, name)[rows] for name in Fitted.__dataclass_fields__]
        for k in (0, 1):  # rotated and mirrored, a source is as bright as before
            found[k] = np.rot90(found[k], turn, (1, 2))
            found[k] = found[k][:, :, ::-1] if mirror else found[k]
        return [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in found]

    with seeded(plan.seed):
        net = Corrector()

        def losses(batch: list[Tensor]) -> Iterator[Tensor]:
            *inputs, target = batch
            # in units of the rms, in which it is judged
            yield nn.functional.huber_loss(batch[2] * net(*inputs), batch[2] * target, delta=0.5)

        def validate() -> dict[str, float]:
            off = held_out.error * (held_out.target - correction(net, held_out, device))
            return {
                "validation": float(np.sqrt(np.mean(off**2))),
                "fit_alone": float(np.sqrt(np.mean((held_out.error * held_out.target) ** 2))),
            }

        batches = Batches(np.arange(examples), load, plan.batch, [plan.seed, 9])
        history = fit(
            net, losses, batches, plan, device=device, validate=validate, clip=1.0,
            worth=lambda row: -row["validation"],
        )  # fmt: skip
    left = held_out.target - correction(net, held_out, device)
    content = {
        "kind": "joint",
        # what the fit's own error shrinks to, by the middle two thirds of the validation
        "error_factor": float(np.quantile(np.abs(left), 0.6827)),
        "examples": examples,
        "width_error": WIDTH_ERROR,
        "fwhm_px": list(BEAMS_PX),
        "history": history,
        "plan": asdict(plan),
        "provenance": provenance(plan.seed),
    }
    return save_network(folder, net, content)


@torch.no_grad()
def correction(net: Corrector, fit: Fitted, device: str = "cpu") -> np.ndarray:
    """Compute corrections of many fits.

    Parameters
    ----------
    net : Corrector
    fit : Fitted
    device : str

    Returns
    -------
    ndarray, shape (n,)
        In units of the fits' errors.
    """
    net.eval().to(device)
    arrays = [torch.from_numpy(a).to(device) for a in (fit.residual, fit.beam, fit.error, fit.snr)]
    return np.concatenate(
        [net(*some).cpu() for some in zip(*(a.split(256) for a in arrays), strict=True)]
    )


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
    card, fix = Path(folder) / CARD, "get the whole folder again, or train again"
    content = read_card(card, FORMAT, fix)
    if content.get("kind") != "joint":
        raise CoganError(f"{card} is of a {content.get('kind')} network, not of one for fluxes.")
    with reading(card.parent, "network", fix):
        make = partial(Corrector)
        return load_network(card, content, make, sorted(content["weights_sha256"])), content
