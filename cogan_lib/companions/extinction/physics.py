"""Constants of the companion."""

SIDE = 64  # pixels of a diagram along either axis
COLOUR = (-0.5, 5.9)  # J - Ks [mag], columns, blue to red
MAGNITUDE = (4.7, 14.3)  # Ks [mag], rows, bright to faint (row 0 is the brightest)
LIMITS = {"J": 15.8, "Ks": 14.3}  # 2MASS level-1 limits: a star must be brighter in both
CELL_DEG = 0.5  # side of a sightline's cell
BINS, STEP_KPC = 128, 0.1  # profile bins: A_V per bin [mag]; edges 0, 0.1 ... 12.8 kpc
LONGITUDES = (257.0, 303.0)  # the map [deg]
LATITUDES = (-5.0, 5.0)
