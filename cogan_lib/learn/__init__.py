"""Companions: one training loop, blocks of networks, weights, data sets on disk, image metrics.

Imports without healpy, so that training runs on a bare GPU machine.
"""
