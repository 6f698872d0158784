"""Rendered scenes with depth: what tells a camera that travels from one that turns."""
