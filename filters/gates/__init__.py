"""Which clips and answers are kept: one file for each gate."""
