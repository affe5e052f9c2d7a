"""Everywhere: the book's style, a slider, and one file of figures a chapter.

Notebooks and ``ci`` import them, no step does.
"""
