"""The configurations that ship with the package."""
