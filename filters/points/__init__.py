"""Following points through a clip: one file for each tracker."""
