"""The numbers of a clip: one file for each measurement."""
