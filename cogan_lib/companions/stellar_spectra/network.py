"""The variational autoencoder: an encoder and a decoder of dense layers, its files, and its use."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ...base.files import CoganError
from ...learn.weights import packed, read_network, write_weights
from .physics import PIXELS, SIGMA

FORMAT = 1
CARD = "stellar-spectra.json"
#: Folders of shipped weights; README.md there is their card.
WEIGHTS = Path(__file__).parent / "weights"
LATENT, HIDDEN = 8, 256
#: Fluxes reach the network, and leave it, in units of so many times the noise.
UNIT = 5.0
LIKELIHOODS = ("gaussian", "bernoulli")


class SpectrumVAE(nn.Module):
    """Spectra to latent numbers and back.

    Parameters
    ----------
    mean : Tensor, shape (PIXELS,), optional
        Mean spectrum of the training, which an untrained network is near to.
    likelihood : {'gaussian', 'bernoulli'}
        What the decoder's numbers mean: a flux, or the logit of one. The second is the document's
        "binary cross-entropy", here to be shown wrong.
    latent, hidden : int
        Latent numbers, and units of a hidden layer.

    Raises
    ------
    CoganError
        If there is no such likelihood.
    """

    def __init__(
        self,
        mean: Tensor | None = None,
        likelihood: str = "gaussian",
        latent: int = LATENT,
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise CoganError(f"The likelihood is {likelihood!r}; take {' or '.join(LIKELIHOODS)}.")
        self.likelihood, self.latent, self.hidden = likelihood, latent, hidden
        self.register_buffer("mean", torch.ones(PIXELS) if mean is None else mean.float())
        self.register_buffer("sigma", torch.from_numpy(SIGMA).float())
        self.encoder = nn.Sequential(
            nn.Linear(PIXELS, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, PIXELS),
        )  # fmt: skip

    def encode(self, flux: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the posterior of the latent numbers.

        Parameters
        ----------
        flux : Tensor, shape (n, PIXELS)

        Returns
        -------
        mean, log_variance : Tensor, shape (n, latent)
        """
        return self.encoder((flux - self.mean) / (UNIT * self.sigma)).chunk(2, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """Compute the spectra without noise that latent numbers stand for.

        Parameters
        ----------
        z : Tensor, shape (n, latent)

        Returns
        -------
        Tensor, shape (n, PIXELS)
        """
        found = self.decoder(z)
        if self.likelihood == "bernoulli":
            return torch.sigmoid(found + 3)  # near the continuum, as most pixels are
        return self.mean + UNIT * self.sigma * found


def check_spectra(flux) -> Tensor:
    """Check spectra before they reach the network.

    Parameters
    ----------
    flux : array_like or Tensor, shape (n, PIXELS)

    Returns
    -------
    Tensor, shape (n, PIXELS), float32

    Raises
    ------
    CoganError
        If they have another shape, or pixels without data.
    """
    flux = torch.as_tensor(flux, dtype=torch.float32)
    if flux.ndim != 2 or flux.shape[1] != PIXELS:
        raise CoganError(f"Spectra of shape {tuple(flux.shape)}; give rows of {PIXELS} pixels.")
    if not flux.isfinite().all():
        raise CoganError("Some pixels are NaN or infinite; fill them first.")
    return flux


@torch.no_grad()
def latent_of(network: SpectrumVAE, flux) -> tuple[Tensor, Tensor]:
    """Encode spectra.

    Parameters
    ----------
    network : SpectrumVAE
    flux : array_like, shape (n, PIXELS)

    Returns
    -------
    mean, sd : Tensor, shape (n, latent)
        Of the posterior.

    Raises
    ------
    CoganError
        As `check_spectra`.
    """
    mean, log_variance = network.encode(check_spectra(flux).to(network.mean.device))
    return mean.cpu(), (0.5 * log_variance).exp().cpu()


@torch.no_grad()
def decoded(network: SpectrumVAE, z: Tensor):
    """Decode latent numbers.

    Parameters
    ----------
    network : SpectrumVAE
    z : Tensor, shape (n, latent)

    Returns
    -------
    ndarray, shape (n, PIXELS), float32
        Without noise.
    """
    return network.decode(z.to(network.mean.device, torch.float32)).cpu().numpy()


def reconstruction(network: SpectrumVAE, flux):
    """Encode spectra and decode the posterior's mean.

    Parameters
    ----------
    network : SpectrumVAE
    flux : array_like, shape (n, PIXELS)

    Returns
    -------
    ndarray, shape (n, PIXELS), float32

    Raises
    ------
    CoganError
        As `check_spectra`.
    """
    return decoded(network, latent_of(network, flux)[0])


def save_network(folder: str | Path, network: SpectrumVAE, content: dict) -> Path:
    """Write weights, matrices in half precision, and all that explains them, whole or not at all.

    Parameters
    ----------
    folder : path
        An older network in it is replaced.
    network : SpectrumVAE
    content : dict
        For ``stellar-spectra.json``: plan, history, provenance.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CoganError
        If it cannot be written.
    """
    shape = {key: getattr(network, key) for key in ("likelihood", "latent", "hidden")}
    facts = {**content, "format": FORMAT, "network": shape}
    return write_weights(Path(folder) / CARD, facts, packed("network", network)).parent


def load_vae(folder: str | Path) -> tuple[SpectrumVAE, dict]:
    """Read a network.

    Parameters
    ----------
    folder : path
        That `save_network` wrote.

    Returns
    -------
    network : SpectrumVAE
        On the CPU, in evaluation mode.
    content : dict
        Of its ``stellar-spectra.json``.

    Raises
    ------
    CoganError
        If a file is missing, damaged, or not the one that the JSON file describes.
    """
    return read_network(
        Path(folder) / CARD, FORMAT, "network", lambda content: SpectrumVAE(**content["network"])
    )
