"""Chapter 07: CO lines in 3D, a solver, winds, and a network that imitates the solver."""
