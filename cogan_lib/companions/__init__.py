"""Companions of the road: one folder and one lesson each, none standing on another.

Nothing on the road imports from here.
"""
