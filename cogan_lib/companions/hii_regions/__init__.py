"""Chapter 10: images of HII regions by a generative adversarial network, shape by shape."""
