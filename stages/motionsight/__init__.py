"""The MotionSight method (arXiv 2506.01674) as pure functions on arrays."""
