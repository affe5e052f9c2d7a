"""Chapter 06: members and their calibration, baselines, extrapolation, high latitudes."""
