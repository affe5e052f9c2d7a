"""Everywhere: settings, a chapter's session, files, arguments, threads, units.

Nothing is handed on here: the package imports `threads` before NumPy is loaded.
"""
