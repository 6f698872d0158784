"""The measurements of a clip: one file for each."""
