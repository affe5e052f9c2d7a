"""Chapter 13: does synthetic data help? Scores against the number of real examples."""
