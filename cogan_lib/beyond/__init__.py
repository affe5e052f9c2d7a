"""Beyond the paper: members and their calibration, baselines, extrapolation, high latitudes."""
