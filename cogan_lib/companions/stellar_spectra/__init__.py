"""Chapter 10, first half: spectra of stars that a variational autoencoder makes."""
