"""How the network is trained: minus the evidence lower bound, new noise in each batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...base.files import provenance
from ...learn.dataset import Batches
from ...learn.fit import Plan, fit, seeded
from ...learn.latent import active_units, draw, gaussian_nll, kl_to_normal
from .data import StarSample, draw_stars, noisy
from .evaluation import chi2_per_pixel
from .network import SpectrumVAE, latent_of, reconstruction, save_network

STARS, BATCH, RATE, EPOCHS = 20_000, 256, 2e-3, 120
CLIP = 1e4  # of gradients of a sum over 512 pixels: only a jump is longer
VALIDATED = 1000
#: Added to a training's seed: its stars, its validation.
HELD_OUT = 10**6


def loss(network: SpectrumVAE, flux: Tensor) -> Tensor:
    """Compute minus the evidence lower bound, beta = 1, one draw per spectrum.

    Parameters
    ----------
    network : SpectrumVAE
        Its likelihood decides what a misfit costs: ((x - mean) / sigma)^2 / 2, or the binary
        cross-entropy, which needs fluxes cut to 0..1.
    flux : Tensor, shape (n, PIXELS)

    Returns
    -------
    Tensor
        A scalar, in nats per spectrum.
    """
    mean, log_variance = network.encode(flux)
    found = network.decode(draw(mean, log_variance))
    if network.likelihood == "bernoulli":
        misfit = functional.binary_cross_entropy(found, flux.clamp(0, 1), reduction="none").sum(1)
    else:
        misfit = gaussian_nll(flux, found, network.sigma)
    return (misfit + kl_to_normal(mean, log_variance).sum(1)).mean()


def train(
    folder: str | Path,
    plan: Plan,
    stars: StarSample | None = None,
    likelihood: str = "gaussian",
    device: str = "cpu",
) -> Path:
    """Train on stars whose noise is new in each batch, and save.

    Parameters
    ----------
    folder : path
        Of the result, which `network.load_vae` reads.
    plan : Plan
    stars : StarSample, optional
        `STARS` of the population of the plan's seed, unless given.
    likelihood : {'gaussian', 'bernoulli'}
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
    made, started = provenance(plan.seed), time.process_time()  # of the code as it is now
    rng = np.random.default_rng(plan.seed + HELD_OUT)
    stars = draw_stars(STARS, np.random.default_rng(plan.seed)) if stars is None else stars
    held_out = draw_stars(VALIDATED, rng).observe(rng) if stars.labels.shape[1] == 3 else None

    def load(rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(noisy(stars.clean[rows], rng)).to(device)

    batches = Batches(np.arange(len(stars.clean)), load, plan.batch, plan.seed)
    with seeded(plan.seed):
        network = SpectrumVAE(torch.from_numpy(stars.clean.mean(0)), likelihood)

        def losses(flux: Tensor) -> Iterator[Tensor]:
            yield loss(network, flux)

        def validate() -> dict[str, float]:
            if held_out is None:
                return {}
            chi2 = chi2_per_pixel(held_out, reconstruction(network, held_out)).mean()
            active = active_units(latent_of(network, held_out)[0]).sum()
            return {"chi2": float(chi2), "active": int(active)}

        history = fit(
            network, losses, batches, plan, device=device, clip=CLIP, validate=validate
        )  # fmt: skip
    content = {
        "stars": len(stars.clean),
        "history": history[-1:],
        "core_minutes": (time.process_time() - started) / 60,
        "plan": asdict(plan),
        "provenance": made,
    }
    return save_network(folder, network, content)
