"""Chapter 12: what a FITS header says, read card by card, and whether it is true."""
