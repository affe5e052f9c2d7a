"""Units and constants that several doors share."""

import math

#: Full width at half maximum of a Gaussian of standard deviation 1.
FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
