"""Scorers of how well a text fits a clip."""
