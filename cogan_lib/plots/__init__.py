"""Figures: the book's style, a slider, and one file of figures a chapter; no step imports them."""
