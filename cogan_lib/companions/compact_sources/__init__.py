"""Chapter 09: compact sources taken out of an image, and their fluxes."""
