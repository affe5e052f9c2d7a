"""Companions of the road: one lesson each, on the same ground floor, none standing on another.

`line_transfer`, `winds`, `line_data`, `line_emulator`, `line_metrics` and `line_plots` belong to the
chapter on CO lines and their emulation. Nothing on the road imports from here.
"""
