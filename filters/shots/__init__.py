"""Where shots begin: one file for each detector."""
