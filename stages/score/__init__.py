"""Measure a clip in one decoding pass."""
