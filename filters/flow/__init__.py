"""Dense optical flow between two frames: one file for each estimator."""
