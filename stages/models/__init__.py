"""Multimodal models, detectors and trackers: one file for each backend."""
