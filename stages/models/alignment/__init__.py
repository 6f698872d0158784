"""Scorers that judge how well a text fits a clip."""
