"""Chapter 12: what a language model may propose, and how every proposal is verified."""
