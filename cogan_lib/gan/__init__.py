"""Chapters 02 and 03: networks, losses, noise, recipes, training and checkpoints.

Imports without healpy, so that training runs on a bare GPU machine.
"""

from .checkpoint import load_checkpoint
from .recipes import TrainingSettings
from .training import train

__all__ = ["TrainingSettings", "load_checkpoint", "train"]
