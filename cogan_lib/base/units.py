"""Constants that several doors share: a beam's width, the CO lines, the scale of amplitudes."""

import math

#: Full width at half maximum of a Gaussian of standard deviation 1.
FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
#: W in K km/s at which asinh(W / CO_SOFTENING) goes over from linear, at the noise, to logarithmic.
CO_SOFTENING = 0.3
#: Rest frequencies of CO (CDMS) in GHz, by the rotational quantum number J of the upper level.
CO_GHZ = {1: 115.2712018, 2: 230.5380000, 3: 345.7959899}
