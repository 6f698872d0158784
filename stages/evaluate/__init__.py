"""Benchmarks of motion understanding: their files, a model's answers to them, and what these are worth."""
