"""Which clips go on, and which answers are believed: one file for each gate."""
