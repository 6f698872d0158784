"""One module for each command of `motionsight`."""
