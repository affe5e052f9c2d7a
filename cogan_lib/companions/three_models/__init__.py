"""Chapter 11: three generative models on one task with a known answer, log-normal fields."""
