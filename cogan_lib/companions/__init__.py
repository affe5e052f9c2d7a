"""Companions of the road: one lesson each, on the same ground floor, none standing on another.

`line_transfer`, `winds`, `line_data`, `line_emulator`, `line_training`, `line_metrics` and
`line_plots` belong to the chapter on CO lines. Nothing on the road imports from here.
"""
