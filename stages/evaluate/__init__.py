"""Benchmarks of motion understanding: reading them, a model's answers, and how good the answers are."""
