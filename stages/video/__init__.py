"""Bytes, frames, masks and boxes of a video."""
