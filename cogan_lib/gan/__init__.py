"""The Cycle-GAN: networks, losses, noise, recipes, training and checkpoints; without healpy."""

from .checkpoint import load_checkpoint
from .recipes import TrainingSettings
from .training import train

__all__ = ["TrainingSettings", "load_checkpoint", "train"]
