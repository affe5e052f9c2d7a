"""Chapter 11: maps of the cosmic microwave background by conditional diffusion."""
