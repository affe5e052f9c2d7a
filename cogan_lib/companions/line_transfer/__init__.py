"""CO lines in 3D: a line solver, winds to solve, and a network that imitates the solver."""
