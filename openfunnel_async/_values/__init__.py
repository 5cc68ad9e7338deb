"""Frozen values and the checks of arguments; no I/O."""
