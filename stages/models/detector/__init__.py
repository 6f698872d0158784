"""Detectors: which objects are in a frame, and where."""
