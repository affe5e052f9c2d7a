"""Chapter 06: members, baselines, extrapolation, high latitudes."""
