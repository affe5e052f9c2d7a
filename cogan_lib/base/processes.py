"""One job in several processes: each works on its share, and the shares are joined.

torchrun starts them, on one machine or on several (see `__main__` for what they can do):

    torchrun --nproc-per-node 2 -m cogan_lib train --profile laptop

Whatever is random is drawn by every process alike, for the whole job. So the number of processes
changes how long a job takes, but of its result the rounding alone.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed


def open_fabric(accelerator: str, precision: str = "32-true") -> Fabric:
    """Open a Fabric over all processes that torchrun has started, or for this one alone.

    Parameters
    ----------
    accelerator : {'cpu', 'cuda'}
        Processes talk through gloo or NCCL; on CUDA each has a device of its own.
    precision : {'32-true', 'bf16-mixed'}

    Returns
    -------
    Fabric
        Ready for use.
    """
    every = here = 1
    if distributed.is_available() and distributed.is_torchelastic_launched():
        every, here = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=every // here,
        strategy="auto" if every == 1 else "ddp",
        precision=precision,
    )
    fabric.launch()
    return fabric


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def share(n: int) -> slice:
    """Choose this process's part of n things in a row; all of them, if it is alone.

    Parameters
    ----------
    n : int

    Returns
    -------
    slice

    Examples
    --------
    >>> share(10)  # one process
    slice(0, 10, None)
    """
    rank, count = 0, 1
    if _together():
        rank, count = distributed.get_rank(), distributed.get_world_size()
    return slice(rank * n // count, (rank + 1) * n // count)


def of_all(tiles: Tensor) -> Tensor:
    """Join the shares of all processes, equally long, in a row; no gradient goes back.

    Parameters
    ----------
    tiles : Tensor, shape (n, ...)
        This process's share.

    Returns
    -------
    Tensor, shape (processes * n, ...)
    """
    if not _together():
        return tiles
    whole = tiles.new_empty((distributed.get_world_size() * len(tiles), *tiles.shape[1:]))
    distributed.all_gather_into_tensor(whole, tiles.contiguous())
    return whole


def add_up(*arrays: np.ndarray) -> None:
    """Replace each array by its sum over all processes.

    Parameters
    ----------
    *arrays : ndarray
        Of equal shapes in all processes; changed in place.
    """
    if not _together():
        return
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    for array in arrays:
        total = torch.from_numpy(array).to(device)  # on the CPU: the array itself
        distributed.all_reduce(total)
        array[...] = total.cpu().numpy()
